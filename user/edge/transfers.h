/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * HTTP/1.1 requests to addresses, many at a time, by libcurl's multi interface.
 *
 * 1. Nothing blocks: sockets are watched by an epoll instance of their own, which its user watches in turn.
 * 2. Once transfers_new has returned no file is opened, no name resolved, no thread or process started.
 * 3. What an endpoint can cost is bounded: the time of all of it, the bytes of the head (TRANSFER_HEAD_MAX) and those of the
 *    body. No redirect is followed, no proxy used, nothing authenticated, no cookie kept, no compression asked for.
 * 4. Connections are closed with a reset: they leave no TIME_WAIT behind.
 */
#ifndef USHER_EDGE_TRANSFERS_H
#define USHER_EDGE_TRANSFERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "govern/cause.h"
#include "usher/abi.h"

#define TRANSFER_HEAD_MAX 16384 /* bytes, those of interim answers among them */

struct transfers;
struct transfer;

/* GET path. Nothing of it is needed once transfers_begin has returned. */
struct transfer_request {
	struct usher_address address;
	uint16_t port; /* host order */
	bool tls;
	bool verify; /* the certificate: chain, dates, and `host`, or the address if there is none */
	bool keep;   /* a connection may be that of the transfer before to the same place, and is kept for the next */
	const char *host;    /* of the Host header and of TLS, or "": the address */
	const char *path;    /* from "/" on, query included */
	uint32_t timeout_ms; /* for all of it, from connecting to the last byte */
	uint32_t body_max;   /* bytes; 0: the transfer is over with the head of the answer */
};

struct transfer_result {
	struct cause cause; /* CAUSE_NONE: an answer, whatever its status */
	uint16_t status;    /* of an answer whose head is complete, or 0 */
};

/* Who is told; has to outlive the transfer. */
struct transfer_owner {
	/* The head of the answer is complete; type: its Content-Type, or NULL. Returns whether the body is wanted. NULL: it is. Not
	 * called where no body was asked for. Must not begin or end a transfer. */
	bool (*head)(void *context, uint64_t mark, uint16_t status, const char *type);
	/* A piece of the body. Returns whether more of it is wanted; if not, the transfer is over. Must not begin or end one. */
	bool (*body)(void *context, uint64_t mark, const char *bytes, size_t length);
	/* It is over; the transfer is no more. Others may be begun and ended. */
	void (*done)(void *context, uint64_t mark, const struct transfer_result *result);
	void *context;
};

/* Initialises libcurl and OpenSSL. most: transfers under way at once; kept: connections beside theirs that wait for the next one. ca_file: certificates in PEM that answer for others; if it
 * cannot be read that is logged, and nobody is verified. Returns 0, -ENOMEM, or -errno. */
int transfers_new(uint32_t most, uint32_t kept, const char *ca_file, struct transfers **ret_transfers);
/* All that are under way end; nobody is told. */
void transfers_free(struct transfers *transfers);
/* Readable when transfers_run has something to do. */
int transfers_fd(const struct transfers *transfers);
/* When transfers_run has to be called at the latest, CLOCK_MONOTONIC ns; INT64_MAX: not before transfers_fd is readable. */
int64_t transfers_due(const struct transfers *transfers);
/* Goes on with what is ready or due, and tells the owners of what is over. */
void transfers_run(struct transfers *transfers);

/* Returns 0, -EBUSY if there are as many as may be, or -ENOMEM. mark: handed back to the owner. */
int transfers_begin(struct transfers *transfers, const struct transfer_request *request,
		    const struct transfer_owner *owner, uint64_t mark, struct transfer **ret_transfer);
/* From now on its owner knows it by another mark. */
void transfer_mark(struct transfer *transfer, uint64_t mark);
/* Ends it before it is over; its owner is not told. */
void transfer_end(struct transfer *transfer);

#endif
