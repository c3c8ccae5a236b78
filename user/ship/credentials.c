// SPDX-License-Identifier: GPL-2.0-only
#include "ship/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/err.h>

#include "base/cleanup.h"

#define FILE_MAX (4u << 20)

static int read_file(const char *path, struct problem *problem, char **ret_text)
{
	_cleanup_close_ int file = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = calloc(1, FILE_MAX + 1);
	size_t length = 0;
	ssize_t got = 1;

	if (!text)
		return problem_set(problem, -ENOMEM, "no memory");
	while (file >= 0 && length < FILE_MAX && (got = read(file, text + length, FILE_MAX - length)) > 0)
		length += (size_t)got;
	if (file < 0 || got < 0)
		return problem_set(problem, -errno, "cannot read %s: %s", path, strerror(errno));
	*ret_text = strndup(text, length);
	OPENSSL_cleanse(text, length);
	return *ret_text ? 0 : problem_set(problem, -ENOMEM, "no memory");
}

static int refuse(struct problem *problem, const char *path, const char *what)
{
	unsigned long error = ERR_peek_last_error();
	const char *reason = error ? ERR_reason_error_string(error) : NULL;

	ERR_clear_error();
	return problem_set(problem, -EINVAL, "%s has no %s that can be used%s%s", path, what, reason ? ": " : "",
			   reason ? reason : "");
}

static int take_certificate(const char *certificate_file, const char *key_file, struct problem *problem,
			    struct credentials *to)
{
	int error = read_file(certificate_file, problem, &to->certificate);

	if (!error)
		error = read_file(key_file, problem, &to->key);
	if (error)
		return error;
	if (SSL_CTX_use_certificate_chain_file(to->context, certificate_file) != 1)
		return refuse(problem, certificate_file, "certificate");
	if (SSL_CTX_use_PrivateKey_file(to->context, key_file, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(to->context) != 1)
		return refuse(problem, key_file, "key of that certificate's");
	return 0;
}

static int read_all(const char *certificate_file, const char *key_file, struct problem *problem, struct credentials *to)
{
	int error = read_file(to->ca_file, problem, &to->ca);

	if (error)
		return error;
	to->context = SSL_CTX_new(TLS_client_method());
	if (!to->context || SSL_CTX_set_min_proto_version(to->context, TLS1_2_VERSION) != 1)
		return problem_set(problem, -ENOMEM, "cannot set TLS up");
	SSL_CTX_set_verify(to->context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(to->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (SSL_CTX_load_verify_locations(to->context, to->ca_file, NULL) != 1)
		return refuse(problem, to->ca_file, "certificates");
	return certificate_file ? take_certificate(certificate_file, key_file, problem, to) : 0;
}

int credentials_read(const char *ca_file, const char *certificate_file, const char *key_file, struct problem *problem,
		     struct credentials *ret_credentials)
{
	struct credentials credentials = {.ca_file = ca_file ? ca_file : CREDENTIALS_CA_FILE};
	int error = read_all(certificate_file, key_file, problem, &credentials);

	if (error)
		credentials_free(&credentials);
	else
		*ret_credentials = credentials;
	return error;
}

void credentials_free(struct credentials *credentials)
{
	if (credentials->key)
		OPENSSL_cleanse(credentials->key, strlen(credentials->key));
	free(credentials->ca);
	free(credentials->certificate);
	free(credentials->key);
	SSL_CTX_free(credentials->context);
	*credentials = (struct credentials){0};
}
