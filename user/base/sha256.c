// SPDX-License-Identifier: GPL-2.0-only
#include "base/sha256.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/evp.h>

void sha256(const void *bytes, size_t length, uint8_t digest[SHA256_BYTES])
{
	/* Fails only without memory, or where the host's libcrypto forbids SHA-256: nothing can be proven there. */
	if (!EVP_Digest(bytes, length, digest, NULL, EVP_sha256(), NULL))
		abort();
}

void sha256_hex(const void *bytes, size_t length, char hex[SHA256_HEX])
{
	uint8_t digest[SHA256_BYTES];

	sha256(bytes, length, digest);
	hex_print(digest, SHA256_BYTES, hex);
}

struct sha256_stream *sha256_stream_new(void)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	if (context && !EVP_DigestInit_ex(context, EVP_sha256(), NULL))
		abort();
	return (struct sha256_stream *)context;
}

void sha256_stream_free(struct sha256_stream *stream)
{
	EVP_MD_CTX_free((EVP_MD_CTX *)stream);
}

void sha256_stream_add(struct sha256_stream *stream, const void *bytes, size_t length)
{
	if (!EVP_DigestUpdate((EVP_MD_CTX *)stream, bytes, length))
		abort();
}

void sha256_stream_end(struct sha256_stream *stream, uint8_t digest[SHA256_BYTES])
{
	EVP_MD_CTX *context = (EVP_MD_CTX *)stream;

	if (!EVP_DigestFinal_ex(context, digest, NULL) || !EVP_DigestInit_ex(context, EVP_sha256(), NULL))
		abort();
}

void hex_print(const uint8_t *bytes, size_t count, char *text)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < count; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	text[2 * count] = '\0';
}

static int digit_of(char letter)
{
	if (letter >= '0' && letter <= '9')
		return letter - '0';
	return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

int hex_parse(const char *text, size_t count, uint8_t *ret_bytes)
{
	for (size_t i = 0; i < 2 * count; i++)
		if (digit_of(text[i]) < 0)
			return -EINVAL;
	for (size_t i = 0; i < count; i++)
		ret_bytes[i] =
			(uint8_t)((unsigned int)digit_of(text[2 * i]) << 4 | (unsigned int)digit_of(text[2 * i + 1]));
	return 0;
}
