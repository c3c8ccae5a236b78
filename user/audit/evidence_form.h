/* SPDX-License-Identifier: GPL-2.0-only */
/* The lines of evidence that are not of the log (evidence.h), and what one sees in those that are. */
#ifndef USHER_AUDIT_EVIDENCE_FORM_H
#define USHER_AUDIT_EVIDENCE_FORM_H

#include "audit/chain.h"

#define EVIDENCE_TIME 24 /* bytes of a time, without a NUL */
#define EVIDENCE_VERSION_ROOM 32

#define EVIDENCE_FORMAT 2 /* 1: without policies */

struct evidence_front {
	int64_t time;
	const char *usher, *log, *since, *until; /* of times "": any */
	uint64_t seal;
	const uint8_t *hash;
};

/* Each adds one line. signer: or NULL. */
void evidence_print_front(struct json *to, const struct evidence_front *front);
void evidence_print_key(struct json *to, const char *id, const char *public);
void evidence_print_end(struct json *to, uint64_t lines, uint64_t records, const uint8_t hash[SHA256_BYTES],
			const struct signer *signer);

/* What a front has, as text of its own. */
struct evidence_front_text {
	char time[CLOCK_TEXT], usher[EVIDENCE_VERSION_ROOM], log[CHAIN_LOG], since[CLOCK_TEXT], until[CLOCK_TEXT];
	uint64_t format, seal;
	uint8_t hash[SHA256_BYTES];
};
/* line: without what ends it. These return 0, or -EINVAL: it is not what is printed above. */
int evidence_parse_front(const char *line, size_t length, struct evidence_front_text *ret_front);
int evidence_parse_key(const char *line, size_t length, struct signer_key **ret_key);
struct evidence_end {
	uint64_t lines, records;
	uint8_t hash[SHA256_BYTES];
	char key[SIGNER_ID], signature[SIGNER_SIGNATURE]; /* "": none */
	size_t signed_length;				  /* of the line */
};
int evidence_parse_end(const char *line, size_t length, struct evidence_end *ret_end);

/* Of a line of the log: its time, EVIDENCE_TIME bytes; NULL: it has none where ours have it. */
const char *evidence_time(const char *line, size_t length);
bool evidence_is_before(const char *time, const char *limit); /* limit "": never */
bool evidence_is_behind(const char *time, const char *limit); /* at it, or later; "": never */
bool evidence_in_range(const char *line, size_t length, const char *since, const char *until);
/* Of something that has happened: no note of the log on itself (filter.h). */
bool evidence_is_record(const char *line, size_t length);

#endif
