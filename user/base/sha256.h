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

/* The same of bytes that come one after the other. */
struct sha256_stream;
struct sha256_stream *sha256_stream_new(void); /* NULL: no memory */
void sha256_stream_free(struct sha256_stream *stream);
void sha256_stream_add(struct sha256_stream *stream, const void *bytes, size_t length);
/* Of all that was added; it begins anew then. */
void sha256_stream_end(struct sha256_stream *stream, uint8_t digest[SHA256_BYTES]);

/* `count` bytes as lower-case hexadecimal text, 2 * count + 1 of them, and back: 0 or -EINVAL. */
void hex_print(const uint8_t *bytes, size_t count, char *text);
int hex_parse(const char *text, size_t count, uint8_t *ret_bytes);

#endif
