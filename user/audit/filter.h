/* SPDX-License-Identifier: GPL-2.0-only */
/* Which records of the audit log are meant. A line is judged by its bytes (line.h): most are left after their first few keys. */
#ifndef USHER_AUDIT_FILTER_H
#define USHER_AUDIT_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/chain.h"
#include "audit/veil.h"
#include "base/arena.h"
#include "base/clock.h"

/* Fields of a record that are text: enum, key. */
#define FILTER_TEXTS(X)                                                                                                \
	X(TYPE, "type")                                                                                                \
	X(TENANT, "tenant")                                                                                            \
	X(SERVICE, "service")                                                                                          \
	X(MODEL, "model")                                                                                              \
	X(VERSION, "version")                                                                                          \
	X(BACKEND, "backend")                                                                                          \
	X(VERDICT, "verdict")                                                                                          \
	X(REASON, "reason")                                                                                            \
	X(RULE, "rule")

#define FILTER_ENUM(name, key) FILTER_##name,
enum filter_text { FILTER_TEXTS(FILTER_ENUM) FILTER_TEXT_COUNT };
#undef FILTER_ENUM

/* Zeroed: every record, whatever its type. All that is set has to hold. */
struct filter {
	const char *texts[FILTER_TEXT_COUNT]; /* NULL: any, also none */
	const char *flow; /* Community ID, as the client's or the backend's addresses have it; NULL: any */
	bool by_client, client_is_ipv4;
	uint8_t client[16]; /* IPv4 as mapped (abi.h) */
	unsigned int client_bits;
	const char (*pseudonyms)[VEIL_PSEUDONYM]; /* that stand for the client, where it is one address */
	const char (*pseudonym_keys)[VEIL_ID];	  /* which these are of */
	size_t pseudonym_count;
	char since[CLOCK_TEXT], until[CLOCK_TEXT]; /* as clock_print; from the one on and before the other; "": any */
};

/* Key of a text, as it stands in records. */
const char *filter_key(enum filter_text text);

/* Address, or prefix (ADDRESS/BITS): 0 or -EINVAL. */
int filter_set_client(struct filter *filter, const char *text);
/* RFC 3339, or a date; without an offset it is UTC. The end of a date is that of the day. 0 or -EINVAL. */
int filter_set_since(struct filter *filter, const char *text);
int filter_set_until(struct filter *filter, const char *text);

/* UNKNOWN: it would match if it were known who the client was: he is on record by a network that is wider than what is asked for, or by a
 * pseudonym of which the key is not at hand, or which says nothing of prefixes, or together with others. */
enum filter_answer { FILTER_NO, FILTER_UNKNOWN, FILTER_YES };
/* What else than a time is asked for, in words such as "tenant acme-bank, client 203.0.113.0/26"; NULL: nothing. */
const char *filter_describe(const struct filter *filter, struct arena *arena);

/* line: without what ends it. What is no JSON, and what the log notes of itself (positions, seals...), matches nothing. */
enum filter_answer filter_ask(const struct filter *filter, const char *line, size_t length);
bool filter_matches(const struct filter *filter, const char *line, size_t length);
/* Can there be one that matches where all lines are of this span? */
bool filter_may_match(const struct filter *filter, const struct chain_span *span);

#endif
