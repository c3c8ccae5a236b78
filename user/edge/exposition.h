/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads a page of metrics as it arrives, in pieces of any size: Prometheus' text format 0.0.4, or OpenMetrics 1.0. Pure.
 *
 * https://prometheus.io/docs/instrumenting/exposition_formats/ and draft-richih-opsawg-openmetrics-01; where these leave a choice, what
 * Prometheus' own server does (model/textparse). Stricter than it in this: lines that have no end, labels without a comma between
 * them, a label that is there twice, a family with two types.
 *
 * The page may be written by an enemy. Nothing is allocated while it is read, and time is in proportion to its bytes. Invariants:
 *   1. What is read does not depend on where the page is cut into pieces: neither the samples nor the error.
 *   2. After the first error nothing more is handed out.
 *   3. Until exposition_end() has returned 0 the samples are a rumour: a page that is broken, or cut short, is void as a whole
 *      (OpenMetrics demands it; and half a page reads as half the load). Whoever takes them acts on them only then.
 */
#ifndef USHER_EDGE_EXPOSITION_H
#define USHER_EDGE_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPOSITION_LINE_MAX 16384u    /* bytes, the line feed not counted */
#define EXPOSITION_LABELS_MAX 64u     /* of a sample, and of its exemplar */
#define EXPOSITION_PAGE_MAX 8388608u  /* bytes */
#define EXPOSITION_FAMILIES_MAX 2048u /* whose types are remembered; beyond, only until the next TYPE line */

enum exposition_format {
	EXPOSITION_PROMETHEUS,
	EXPOSITION_OPENMETRICS,
};

enum exposition_type {
	EXPOSITION_UNKNOWN, /* or untyped, or none declared */
	EXPOSITION_COUNTER,
	EXPOSITION_GAUGE,
	EXPOSITION_HISTOGRAM,
	EXPOSITION_SUMMARY,
	EXPOSITION_GAUGEHISTOGRAM, /* this one and those below: OpenMetrics only */
	EXPOSITION_INFO,
	EXPOSITION_STATESET,
};

/* No text here ends in a NUL, and any byte may be in a value. */
struct exposition_label {
	const char *name, *value; /* unescaped, UTF-8 */
	size_t name_length, value_length;
};

struct exposition_sample {
	const char *name; /* as on the line, suffix included */
	size_t name_length;
	/* Of the family that the sample belongs to: that of its name, or of its name without a suffix that the type has (_bucket,
	 * _sum, _count, _created, _total, _info, _gsum, _gcount). So the time in x_created has the type of x. */
	enum exposition_type type;
	const struct exposition_label *labels; /* no name twice */
	size_t label_count;
	double value; /* NaN, +Inf and -Inf among them */
	bool has_timestamp;
	int64_t timestamp_ms; /* since 1970; OpenMetrics' seconds are rounded */
};

/* Exemplars are checked and left out. */
struct exposition_consumer {
	/* Is anyone interested in samples of this name? The same for the whole page: of samples in a row that have one name, only the
	 * first is asked for. The others' lines are checked, no more. NULL: everything is. */
	bool (*wants)(void *context, const char *name, size_t length);
	/* What the sample points to is gone afterwards. */
	void (*take)(void *context, const struct exposition_sample *sample);
	void *context;
};

struct exposition_error {
	uint32_t line, column; /* from 1, in bytes; at the end of a page: where more was expected */
	char text[128];	       /* one line of printable ASCII, whatever the page holds */
};

struct exposition; /* about 70 kB; may read one page after the other */

/* Of an HTTP Content-Type, NULL or "" if there was none. Returns 0, or -EINVAL if it is neither format (JSON, HTML). */
int exposition_format_of(const char *content_type, enum exposition_format *ret_format);

/* To read nothing yet: each page needs its exposition_begin(). Returns 0 or -ENOMEM. */
int exposition_new(struct exposition **ret_exposition);
void exposition_free(struct exposition *exposition);
/* A new page, whatever became of the last one. The consumer is copied. */
void exposition_begin(struct exposition *exposition, enum exposition_format format,
		      const struct exposition_consumer *consumer);
/* The next bytes. Returns 0; -EINVAL: they break the format; -EMSGSIZE: a bound is passed. An error stays. */
int exposition_feed(struct exposition *exposition, const void *bytes, size_t length);
/* There are no more bytes. Returns 0 if they were a page, or as exposition_feed(). */
int exposition_end(struct exposition *exposition);
/* What was wrong; line 0: nothing so far. */
const struct exposition_error *exposition_error(const struct exposition *exposition);

#endif
