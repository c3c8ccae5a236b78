/* SPDX-License-Identifier: GPL-2.0-only */
/* SHA-256 (FIPS 180-4), by libcrypto. */
#ifndef USHER_BASE_SHA256_H
#define USHER_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32
#define SHA256_HEX 65 /* with the final NUL */

void sha256(const void *bytes, size_t length, uint8_t digest[SHA256_BYTES]);
/* The same, as lower-case hexadecimal text. */
void sha256_hex(const void *bytes, size_t length, char hex[SHA256_HEX]);

#endif
