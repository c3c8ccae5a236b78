/* SPDX-License-Identifier: GPL-2.0-only */
/* Servers of a test's own, on the loopback, each a process: what one does with a client is a function. Plain, or behind TLS with a
 * certificate that is made on the spot. */
#ifndef TESTS_UNIT_EDGE_SERVED_H
#define TESTS_UNIT_EDGE_SERVED_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct peer {
	int socket;
	SSL *tls; /* NULL: plain */
	int said; /* where what it has asked is written, or -1 */
};

struct served {
	pid_t process;
	uint16_t port;
	int said; /* what clients have asked, one after the other */
};

/* ---- what a server says ------------------------------------------------------------------------------------------ */

static inline bool peer_write(struct peer *peer, const char *bytes, size_t length)
{
	while (length) {
		ssize_t sent = peer->tls ? SSL_write(peer->tls, bytes, (int)length)
					 : send(peer->socket, bytes, length, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		bytes += sent;
		length -= (size_t)sent;
	}
	return true;
}

static inline bool peer_say(struct peer *peer, const char *text)
{
	return peer_write(peer, text, strlen(text));
}

/* Up to the end of a head. */
static inline void peer_listen(struct peer *peer)
{
	char text[4096];
	size_t length = 0;

	while (length < sizeof(text) - 1) {
		char *to = text + length;
		ssize_t got = peer->tls ? SSL_read(peer->tls, to, (int)(sizeof(text) - 1 - length))
					: recv(peer->socket, to, sizeof(text) - 1 - length, 0);

		if (got <= 0)
			_exit(0);
		length += (size_t)got;
		text[length] = '\0';
		if (strstr(text, "\r\n\r\n"))
			break;
	}
	if (write(peer->said, text, length) < 0 && errno != EAGAIN) /* nobody reads it */
		_exit(1);
}

static inline void behave_good(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n");
}

static inline void behave_busy(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
}

static inline void behave_hanging(struct peer *peer)
{
	peer_listen(peer);
	pause();
}

/* ---- certificates ------------------------------------------------------------------------------------------------ */

struct identity {
	EVP_PKEY *key;
	X509 *certificate;
};

/* names: "DNS:scorer.example.com,IP:127.0.0.1". days: that it has left; it is a hundred days old. */
static inline struct identity identity_make(const char *names, long days)
{
	struct identity identity = {.key = EVP_EC_gen("P-256"), .certificate = X509_new()};
	X509_EXTENSION *alternative = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
	X509_NAME *name = X509_get_subject_name(identity.certificate);

	X509_set_version(identity.certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(identity.certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(identity.certificate), -100 * 86400L);
	X509_gmtime_adj(X509_getm_notAfter(identity.certificate), days * 86400L);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)names, -1, -1, 0);
	X509_set_issuer_name(identity.certificate, name);
	X509_set_pubkey(identity.certificate, identity.key);
	X509_add_ext(identity.certificate, alternative, -1);
	X509_EXTENSION_free(alternative);
	assert_true(X509_sign(identity.certificate, identity.key, EVP_sha256()) > 0);
	return identity;
}

static inline void identity_free(struct identity *identity)
{
	X509_free(identity->certificate);
	EVP_PKEY_free(identity->key);
}

/* Writes the certificates into a file that everybody may read. */
static inline void identities_save(const struct identity *identities, size_t count, char path[64])
{
	strcpy(path, "/tmp/usher-test-ca-XXXXXX");
	FILE *file = fdopen(mkstemp(path), "w");

	assert_non_null(file);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(PEM_write_X509(file, identities[i].certificate), 1);
	assert_int_equal(fchmod(fileno(file), 0644), 0);
	fclose(file);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

/* Also if it has ended before this. */
static inline void end_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
}

/* One process for each client, so that one that hangs keeps nobody. */
static inline void serve(pid_t parent, int listener, int said, const struct identity *identity,
			 void (*behave)(struct peer *peer))
{
	SSL_CTX *context = NULL;
	pid_t self = getpid();

	end_with(parent);
	signal(SIGCHLD, SIG_IGN);
	if (identity) {
		context = SSL_CTX_new(TLS_server_method());
		SSL_CTX_use_certificate(context, identity->certificate);
		SSL_CTX_use_PrivateKey(context, identity->key);
	}
	for (;;) {
		struct peer peer = {.socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC), .said = said};

		if (peer.socket < 0)
			_exit(1);
		if (!fork()) {
			close(listener);
			end_with(self);
			signal(SIGPIPE, SIG_IGN);
			if (context) {
				peer.tls = SSL_new(context);
				SSL_set_fd(peer.tls, peer.socket);
				if (SSL_accept(peer.tls) != 1)
					_exit(0);
			}
			behave(&peer);
			_exit(0);
		}
		close(peer.socket);
	}
}

/* port: 0 for any. identity: NULL for a plain one. */
static inline struct served served_begin_at(uint16_t port, void (*behave)(struct peer *peer),
					    const struct identity *identity)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), said[2];
	const int yes = 1;
	pid_t self = getpid();
	struct served served;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	/* What served clients before on this port may be about to end. */
	for (int i = 0; bind(listener, (struct sockaddr *)&address, sizeof(address)); i++) {
		assert_true(i < 200);
		poll(NULL, 0, 10);
	}
	assert_int_equal(listen(listener, 512), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
	assert_int_equal(pipe2(said, O_CLOEXEC | O_NONBLOCK), 0);
	served.process = fork();
	if (!served.process)
		serve(self, listener, said[1], identity, behave);
	close(listener);
	close(said[1]);
	served.port = ntohs(address.sin_port);
	served.said = said[0];
	return served;
}

static inline struct served served_begin(void (*behave)(struct peer *peer), const struct identity *identity)
{
	return served_begin_at(0, behave, identity);
}

static inline void served_end(const struct served *served)
{
	kill(served->process, SIGKILL);
	waitpid(served->process, NULL, 0);
	close(served->said);
}

#endif
