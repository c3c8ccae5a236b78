/* SPDX-License-Identifier: GPL-2.0-only */
/* A signature as approvers hand it over: 64 bytes as `openssl pkeyutl -sign` writes them, or the same in base64 (RFC 4648, section 4). */
#ifndef USHER_AUDIT_SIGNATURE_H
#define USHER_AUDIT_SIGNATURE_H

#include <stddef.h>
#include <stdint.h>

#define SIGNATURE_BYTES 64
#define SIGNATURE_TEXT 89	/* base64, with the final NUL */
#define SIGNATURE_FILE_MAX 4096 /* a file of more is none */

/* Either; in base64, blanks and ends of lines are passed over. Returns 0 or -EINVAL. */
int signature_parse(const void *bytes, size_t length, uint8_t ret_signature[SIGNATURE_BYTES]);
/* Base64 on one line. */
void signature_print(const uint8_t signature[SIGNATURE_BYTES], char text[SIGNATURE_TEXT]);

#endif
