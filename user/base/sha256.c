// SPDX-License-Identifier: GPL-2.0-only
#include "base/sha256.h"

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
	static const char digits[] = "0123456789abcdef";
	uint8_t digest[SHA256_BYTES];

	sha256(bytes, length, digest);
	for (size_t i = 0; i < SHA256_BYTES; i++) {
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 15];
	}
	hex[2 * SHA256_BYTES] = 0;
}
