// SPDX-License-Identifier: GPL-2.0-only
#include "audit/signature.h"

#include <errno.h>
#include <string.h>

#include <openssl/evp.h>

#define DIGITS (SIGNATURE_TEXT - 1) /* of which the last two are padding */

/* The digits alone, without what stands between them: how many, of at most DIGITS + 1 that are looked at. */
static size_t take_digits(const char *text, size_t length, char digits[DIGITS + 1])
{
	static const char between[] = {' ', '\t', '\r', '\n'};
	size_t count = 0;

	for (size_t i = 0; i < length && count <= DIGITS; i++)
		if (!memchr(between, text[i], sizeof(between)))
			digits[count++] = text[i];
	return count;
}

int signature_parse(const void *bytes, size_t length, uint8_t ret_signature[SIGNATURE_BYTES])
{
	uint8_t decoded[DIGITS / 4 * 3];
	char digits[DIGITS + 1], again[SIGNATURE_TEXT];

	if (length == SIGNATURE_BYTES) {
		memcpy(ret_signature, bytes, SIGNATURE_BYTES);
		return 0;
	}
	if (take_digits(bytes, length, digits) != DIGITS ||
	    EVP_DecodeBlock(decoded, (const uint8_t *)digits, DIGITS) != (int)sizeof(decoded))
		return -EINVAL;
	/* What libcrypto takes, and is not what it would write, is not base64. */
	signature_print(decoded, again);
	if (memcmp(again, digits, DIGITS) != 0)
		return -EINVAL;
	memcpy(ret_signature, decoded, SIGNATURE_BYTES);
	return 0;
}

void signature_print(const uint8_t signature[SIGNATURE_BYTES], char text[SIGNATURE_TEXT])
{
	EVP_EncodeBlock((uint8_t *)text, signature, SIGNATURE_BYTES);
}
