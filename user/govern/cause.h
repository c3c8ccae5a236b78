/* SPDX-License-Identifier: GPL-2.0-only */
/* Why an endpoint did not answer as it should: a word for programs and a number that goes with it, both of fixed size. */
#ifndef USHER_GOVERN_CAUSE_H
#define USHER_GOVERN_CAUSE_H

#include <stdbool.h>
#include <stdint.h>

/* name, word, what the number is */
#define CAUSES(X)                                                                                                      \
	X(NONE, "none", "0: it did")                                                                                   \
	X(OURS, "ours", "0: we ourselves lack something; says nothing of the endpoint")                                \
	X(REFUSED, "refused", "errno")                                                                                 \
	X(UNREACHABLE, "unreachable", "errno")                                                                         \
	X(TIMEOUT, "timeout", "milliseconds that it was given")                                                        \
	X(TLS, "tls", "libcurl's code")                                                                                \
	X(CERTIFICATE, "certificate", "X509_V_ERR_... of OpenSSL")                                                     \
	X(CLOSED, "closed", "0: before the answer was complete")                                                       \
	X(HEAD, "head", "bytes that a head may have")                                                                  \
	X(BODY, "body", "bytes that a body may have")                                                                  \
	X(GARBAGE, "garbage", "libcurl's code: what came is no HTTP/1.1")                                              \
	X(STATUS, "status", "the status of the answer, which is not one that was asked for")                           \
	X(TYPE, "type", "0: by its Content-Type the answer is no page of metrics")                                     \
	X(PAGE, "page", "the line of a page of metrics that is none")                                                  \
	X(DOCUMENT, "document", "0: the answer is no JSON")                                                            \
	X(POINTER, "pointer", "0: the answer has nothing where it was looked for")                                     \
	X(NAME, "name", "0: DNS has no such name")                                                                     \
	X(ADDRESS, "address", "0: the name has no address of the families that are asked for")                         \
	X(RCODE, "rcode", "RCODE of DNS")                                                                              \
	X(SERVERS, "servers", "0: each name server has refused the question, or has answered with a failure")          \
	X(ANSWER, "answer", "0: what came is no answer of DNS to the question")                                        \
	X(REPLY, "reply", "0: the answer is not what a Prometheus server replies to a query")

enum cause_kind {
#define X(name, word, number) CAUSE_##name,
	CAUSES(X)
#undef X
		CAUSE_KINDS
};

extern const char *const cause_words[CAUSE_KINDS];

struct cause {
	enum cause_kind kind;
	int32_t number;
};

bool cause_equal(struct cause a, struct cause b);

#define CAUSE_TEXT 384
/* "status 503 from /ready"; path: what was asked for, or NULL. */
const char *cause_print(struct cause cause, const char *path, char text[CAUSE_TEXT]);

#endif
