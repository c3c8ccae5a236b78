/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Typed readers: they take a value as it is written or report why not, and never convert. Each returns 0, or -EINVAL
 * once the error is in the diagnostics (also when it was there before: a value marked bad).
 */
#ifndef USHER_POLICY_READER_H
#define USHER_POLICY_READER_H

#include "policy/document.h"

/* One key that an object may have, and the value that it has. */
struct field {
	const char *key;
	bool required;
	bool given;
	struct node value;
};

#define FIELD_REQUIRED true
#define FIELD_OPTIONAL false

/* Fills `fields`; reports unknown and missing keys. Fails only if the value is no object. */
int read_object(struct document *document, struct node node, struct field *fields, size_t count);

/* What the keys of an object name. */
struct naming {
	const char *what; /* "tenant", for messages */
	const char *form; /* as a regular expression */
	bool (*matches)(const char *name);
};

/*
 * An object of `max` names at most. Sorted, so that a name's position is its index. Bad names are reported and stay in,
 * so that what refers to them is not reported as well.
 */
int read_named(struct document *document, struct node node, const struct naming *naming, size_t max,
	       struct member **ret_members, size_t *ret_count);
/* A list of min to max items. A string that is there twice is reported, and left out the second time. */
int read_list(struct document *document, struct node node, size_t min, size_t max, struct node **ret_items,
	      size_t *ret_count);

/* 1 to USHER_STRING_MAX bytes. The copy belongs to the policy. */
int read_string(struct document *document, struct node node, const char **ret_string);
/* [a-z0-9][a-z0-9._-]{0,62}; what: "tenant". */
int read_name(struct document *document, struct node node, const char *what, const char **ret_name);
int read_boolean(struct document *document, struct node node, bool *ret_boolean);
/* Only `true`. why: what to write instead of false. */
int read_true(struct document *document, struct node node, const char *why);
int read_integer(struct document *document, struct node node, int64_t min, int64_t max, int64_t *ret_integer);
int read_count(struct document *document, struct node node, uint32_t min, uint32_t max, uint32_t *ret_count);
int read_number(struct document *document, struct node node, double min, double max, double *ret_number);
/* A number from 0 to 1. */
int read_score(struct document *document, struct node node, double *ret_score);
/* One of `count` words: its index. */
int read_choice(struct document *document, struct node node, const char *const *words, size_t count,
		size_t *ret_choice);
/* "2027-01-31": the last second of that day. */
int read_date(struct document *document, struct node node, int64_t *ret_date);
/* "500ms", "2s", "5m", "1h", "1d", within bounds. */
int read_long_duration(struct document *document, struct node node, uint64_t min_ms, uint64_t max_ms, uint64_t *ret_ms);
int read_duration(struct document *document, struct node node, uint32_t min_ms, uint32_t max_ms, uint32_t *ret_ms);

#define NAME_FORM "[a-z0-9][a-z0-9._-]{0,62}"
bool is_name(const char *text);

#endif
