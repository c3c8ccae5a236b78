// SPDX-License-Identifier: GPL-2.0-only
#include "ship/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define READS_A_TURN 16

struct stream {
	int socket;
	SSL *tls;	/* NULL: without */
	uint64_t plain; /* bytes sent without */
	bool write_wants_read;
};

void stream_close(struct stream *stream)
{
	if (!stream)
		return;
	SSL_free(stream->tls);
	if (stream->socket >= 0)
		close(stream->socket);
	free(stream);
}

static void cleanup_stream(struct stream **stream)
{
	stream_close(*stream);
}

/* ---- beginning ----------------------------------------------------------------------------------------------- */

/* Until `deadline`: 0 or -errno. */
static int wait_until(int socket, short events, int64_t deadline)
{
	int64_t left = deadline - clock_monotonic();
	int got = left > 0 ? poll(&(struct pollfd){.fd = socket, .events = events}, 1,
				  (int)((left + CLOCK_MILLISECOND - 1) / CLOCK_MILLISECOND))
			   : 0;

	return got > 0 ? 0 : got ? -errno : -ETIMEDOUT;
}

static int connect_to(const struct addrinfo *address, int64_t deadline, int *ret_socket)
{
	_cleanup_close_ int file = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t length = sizeof(int);
	const int yes = 1;
	int error = 0;

	if (file < 0)
		return -errno;
	setsockopt(file, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
	setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (connect(file, address->ai_addr, address->ai_addrlen) && errno != EINPROGRESS)
		return -errno;
	error = wait_until(file, POLLOUT, deadline);
	if (!error && getsockopt(file, SOL_SOCKET, SO_ERROR, &error, &length))
		error = errno;
	if (error)
		return error < 0 ? error : -error;
	*ret_socket = TAKE_FD(file);
	return 0;
}

/* Any of its addresses, one after the other. */
static int connect_any(const char *host, const char *port, int64_t patience, struct problem *problem, int *ret_socket)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *all = NULL;
	int error = getaddrinfo(host, port, &hints, &all);

	if (error)
		return problem_set(problem, -EHOSTUNREACH, "%s cannot be looked up: %s", host, gai_strerror(error));
	error = -EHOSTUNREACH;
	for (const struct addrinfo *at = all; at && error; at = at->ai_next)
		error = connect_to(at, clock_monotonic() + patience, ret_socket);
	freeaddrinfo(all);
	return error ? problem_set(problem, error, "no connection to %s port %s: %s", host, port, strerror(-error)) : 0;
}

/* What OpenSSL has to say of the last failure. */
static int tls_problem(const struct stream *stream, struct problem *problem, const char *what)
{
	long verified = SSL_get_verify_result(stream->tls);
	unsigned long error = ERR_peek_last_error();
	const char *reason = error ? ERR_reason_error_string(error) : NULL;

	ERR_clear_error();
	if (verified != X509_V_OK)
		return problem_set(problem, -EKEYREJECTED, "its certificate is not accepted: %s",
				   X509_verify_cert_error_string(verified));
	return problem_set(problem, -EPROTO, "%s: %s", what, reason ? reason : "the connection was ended");
}

static int shake_hands(struct stream *stream, int64_t deadline, struct problem *problem)
{
	int got, error = 0;

	while ((got = SSL_connect(stream->tls)) != 1 && !error) {
		int wants = SSL_get_error(stream->tls, got);

		if (wants != SSL_ERROR_WANT_READ && wants != SSL_ERROR_WANT_WRITE)
			return tls_problem(stream, problem, "no TLS with it");
		error = wait_until(stream->socket, wants == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline);
	}
	return error ? problem_set(problem, error, "no TLS with it: %s", strerror(-error)) : 0;
}

static int begin_tls(struct stream *stream, const char *host, SSL_CTX *context, int64_t deadline,
		     struct problem *problem)
{
	struct in6_addr address;
	bool is_address = inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
	bool good;

	stream->tls = SSL_new(context);
	if (!stream->tls || SSL_set_fd(stream->tls, stream->socket) != 1)
		return problem_set(problem, -ENOMEM, "no memory for TLS");
	if (is_address)
		good = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(stream->tls), host) == 1;
	else
		good = SSL_set1_host(stream->tls, host) == 1 && SSL_set_tlsext_host_name(stream->tls, host) == 1;
	SSL_set_hostflags(stream->tls, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (!good)
		return problem_set(problem, -EINVAL, "%s cannot be the name in a certificate", host);
	return shake_hands(stream, deadline, problem);
}

int stream_open(const char *host, const char *port, SSL_CTX *context, int64_t patience, struct problem *problem,
		struct stream **ret_stream)
{
	_cleanup_(cleanup_stream) struct stream *stream = calloc(1, sizeof(*stream));
	int error;

	if (!stream)
		return problem_set(problem, -ENOMEM, "no memory");
	stream->socket = -1;
	error = connect_any(host, port, patience, problem, &stream->socket);
	if (!error && context)
		error = begin_tls(stream, host, context, clock_monotonic() + patience, problem);
	if (!error)
		*ret_stream = TAKE_PTR(stream);
	return error;
}

/* ---- while it stands ----------------------------------------------------------------------------------------- */

static int ended(struct problem *problem, int error)
{
	return problem_set(problem, error ? -error : -EPIPE, "the connection broke: %s",
			   error ? strerror(error) : "the other side has closed it");
}

ssize_t stream_write(struct stream *stream, const char *bytes, size_t length, struct problem *problem)
{
	ssize_t got;
	int wants;

	if (!stream->tls) {
		got = send(stream->socket, bytes, length, MSG_NOSIGNAL);
		if (got < 0)
			return errno == EAGAIN || errno == EINTR ? -EAGAIN : ended(problem, errno);
		stream->plain += (uint64_t)got;
		return got;
	}
	got = SSL_write(stream->tls, bytes, length > INT32_MAX ? INT32_MAX : (int)length);
	if (got > 0)
		return got;
	wants = SSL_get_error(stream->tls, (int)got);
	stream->write_wants_read = wants == SSL_ERROR_WANT_READ;
	if (wants == SSL_ERROR_WANT_READ || wants == SSL_ERROR_WANT_WRITE)
		return -EAGAIN;
	if (wants == SSL_ERROR_SYSCALL)
		return ended(problem, errno);
	return tls_problem(stream, problem, "the connection broke");
}

int stream_listen(struct stream *stream, struct problem *problem)
{
	char bytes[4096];
	ssize_t got = 1;
	int wants;

	for (int i = 0; i < READS_A_TURN && got > 0; i++)
		got = stream->tls ? SSL_read(stream->tls, bytes, sizeof(bytes))
				  : recv(stream->socket, bytes, sizeof(bytes), 0);
	if (got > 0)
		return 0;
	if (!stream->tls)
		return !got ? ended(problem, 0) : errno == EAGAIN || errno == EINTR ? 0 : ended(problem, errno);
	wants = SSL_get_error(stream->tls, (int)got);
	if (wants == SSL_ERROR_WANT_READ || wants == SSL_ERROR_WANT_WRITE)
		return 0;
	if (wants == SSL_ERROR_ZERO_RETURN || wants == SSL_ERROR_SYSCALL)
		return ended(problem, wants == SSL_ERROR_SYSCALL ? errno : 0);
	return tls_problem(stream, problem, "the connection broke");
}

void stream_wait(const struct stream *stream, bool writing, int wait_ms)
{
	short events = (short)(POLLIN | (writing && !stream->write_wants_read ? POLLOUT : 0));

	poll(&(struct pollfd){.fd = stream->socket, .events = events}, 1, wait_ms);
}

uint64_t stream_sent(const struct stream *stream)
{
	return stream->tls ? BIO_number_written(SSL_get_wbio(stream->tls)) : stream->plain;
}

uint64_t stream_acknowledged(const struct stream *stream)
{
	uint64_t sent = stream_sent(stream);
	int waiting = 0;

	if (ioctl(stream->socket, SIOCOUTQ, &waiting) || waiting < 0 || (uint64_t)waiting > sent)
		return 0;
	return sent - (uint64_t)waiting;
}
