/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A TCP connection, with TLS or without, that one writes to: never waited for once it stands, and every byte accounted for.
 *
 * 1. With TLS the other side's certificate is verified, and that it is this host's. There is no way around that.
 * 2. It is known how many bytes the other side's kernel has acknowledged (SIOCOUTQ). That is not to say that anybody there has read them.
 */
#ifndef USHER_SHIP_STREAM_H
#define USHER_SHIP_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/problem.h"
#include "ship/credentials.h"

struct stream;

/* Looks the host up, connects and shakes hands, for `patience` ns at each address. context: NULL for no TLS. Returns 0, or -errno with a sentence. */
int stream_open(const char *host, const char *port, SSL_CTX *context, int64_t patience, struct problem *problem,
		struct stream **ret_stream);
void stream_close(struct stream *stream);

/* How much of it was taken; what was not must be offered again, from there on, no shorter. Returns -EAGAIN: nothing, now; or -errno with a sentence. */
ssize_t stream_write(struct stream *stream, const char *bytes, size_t length, struct problem *problem);
/* Reads what the other side has to say, which counts for nothing. Returns 0, or -errno with a sentence: it has ended the connection. */
int stream_listen(struct stream *stream, struct problem *problem);
/* Waits until something can be read, or also written. */
void stream_wait(const struct stream *stream, bool writing, int wait_ms);
/* Bytes on the wire since the beginning: handed to the kernel, and of those acknowledged by the other one. */
uint64_t stream_sent(const struct stream *stream);
uint64_t stream_acknowledged(const struct stream *stream);

#endif
