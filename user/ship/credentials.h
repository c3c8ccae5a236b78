/* SPDX-License-Identifier: GPL-2.0-only */
/* Whom TLS trusts and who we are by it, read while files can be. What is wrong with them is said at the start. */
#ifndef USHER_SHIP_CREDENTIALS_H
#define USHER_SHIP_CREDENTIALS_H

#include <openssl/ssl.h>

#include "base/problem.h"

#define CREDENTIALS_CA_FILE "/etc/ssl/certs/ca-certificates.crt"

struct credentials {
	char *ca, *certificate, *key; /* PEM; the last two NULL: there is none */
	const char *ca_file;
	SSL_CTX *context; /* that verifies, TLS 1.2 at least */
};

/* Returns 0, or -errno with a sentence that names the file. */
int credentials_read(const char *ca_file, const char *certificate_file, const char *key_file, struct problem *problem,
		     struct credentials *ret_credentials);
void credentials_free(struct credentials *credentials);

#endif
