/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the exposition's reader share: where it is in a line, and how it complains. For exposition.c and sample_line.c
 * alone. */
#ifndef USHER_EDGE_EXPOSITION_LINE_H
#define USHER_EDGE_EXPOSITION_LINE_H

#include "edge/exposition.h"

struct exposition_line {
	const char *start, *at;
	const char *end; /* *end is '\n' */
	bool openmetrics;
	struct exposition_error *error;
};

/* What a sample's line says. */
struct sample_line {
	struct exposition_label labels[EXPOSITION_LABELS_MAX], exemplar[EXPOSITION_LABELS_MAX];
	char unescaped[EXPOSITION_LINE_MAX]; /* of label values with a backslash */
};

/* Past blanks and tabs, of which OpenMetrics has none. */
static inline void exposition_skip_blanks(struct exposition_line *line)
{
	while (!line->openmetrics && (*line->at == ' ' || *line->at == '\t'))
		line->at++;
}

/* Keeps the sentence, for where the line is at, and returns `error`. */
int exposition_fail(struct exposition_line *line, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* -EINVAL with `expected …, got …`. */
int exposition_expected(struct exposition_line *line, const char *what);

/* Length of the metric name that begins here; 0: none does. */
size_t exposition_name(const struct exposition_line *line);
/* Can the byte be in a metric name that has begun? */
bool exposition_is_in_name(char byte);
bool exposition_is_utf8(const char *bytes, size_t length);

/*
 * All that follows the metric name. `wanted`: the labels and the value are for somebody; otherwise the line is only checked.
 * sample: has its name already. Returns 0, -EINVAL or -EMSGSIZE.
 */
int sample_line_read(struct exposition_line *line, bool wanted, struct sample_line *memory,
		     struct exposition_sample *sample);

#endif
