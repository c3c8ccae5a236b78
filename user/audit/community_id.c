// SPDX-License-Identifier: GPL-2.0-only
#include "audit/community_id.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "base/address.h"

#define INPUT_MAX 40 /* seed, two addresses, protocol, padding, two ports */

struct end {
	uint8_t bytes[18]; /* address and port */
	size_t address;	   /* bytes of it */
};

static struct end end_of(const struct community_end *from)
{
	bool ipv4 = address_is_ipv4(from->address);
	struct end end = {.address = ipv4 ? 4 : 16};

	memcpy(end.bytes, from->address->bytes + (ipv4 ? 12 : 0), end.address);
	memcpy(end.bytes + end.address, &from->port_be, sizeof(from->port_be));
	return end;
}

/*
 * Not for safety: whoever forges a record forges the id with it. A context that is used again has the algorithm; to look that up in libcrypto takes
 * four times as long as the digest, and each record has one.
 */
static void sha1(const uint8_t *bytes, size_t length, uint8_t digest[SHA_DIGEST_LENGTH])
{
	static _Thread_local EVP_MD_CTX *context;

	if (!context) {
		context = EVP_MD_CTX_new();
		if (!context || !EVP_DigestInit_ex(context, EVP_sha1(), NULL))
			abort();
	}
	if (!EVP_DigestInit_ex(context, NULL, NULL) || !EVP_DigestUpdate(context, bytes, length) ||
	    !EVP_DigestFinal_ex(context, digest, NULL))
		abort();
}

const char *community_id(struct community_end one, struct community_end other, uint8_t protocol,
			 char text[COMMUNITY_ID])
{
	struct end a = end_of(&one), b = end_of(&other);
	const struct end *first = &a, *second = &b;
	uint8_t input[INPUT_MAX] = {0}, digest[SHA_DIGEST_LENGTH], *at = input + 2; /* behind the seed, 0 */

	if (a.address != b.address ? a.address > b.address : memcmp(a.bytes, b.bytes, a.address + 2) > 0) {
		first = &b;
		second = &a;
	}
	memcpy(at, first->bytes, first->address);
	at += first->address;
	memcpy(at, second->bytes, second->address);
	at += second->address;
	*at = protocol;
	at += 2;
	memcpy(at, first->bytes + first->address, 2);
	memcpy(at + 2, second->bytes + second->address, 2);
	at += 4;
	sha1(input, (size_t)(at - input), digest);
	text[0] = '1';
	text[1] = ':';
	EVP_EncodeBlock((unsigned char *)text + 2, digest, sizeof(digest));
	return text;
}
