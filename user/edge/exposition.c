// SPDX-License-Identifier: GPL-2.0-only
/* Pages, lines and their declarations. What a sample's line says is in sample_line.c. */
#include "edge/exposition.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "edge/exposition_line.h"
#include "edge/families.h"

#define LAST_NAME_MAX 256

struct exposition {
	enum exposition_format format;
	struct exposition_consumer consumer;
	struct exposition_error error;
	int failed; /* -errno; 0: nothing is wrong so far */
	uint32_t line_number;
	uint32_t page; /* bytes so far */
	bool ended;    /* by # EOF */

	struct families families;

	/* Of the last sample: most lines have the name of the one before. Length 0: none. */
	char last_name[LAST_NAME_MAX];
	size_t last_length;
	enum exposition_type last_type;
	bool last_wanted;

	size_t held; /* of a line whose end has not come */
	char line[EXPOSITION_LINE_MAX + 1];
	struct sample_line memory;
};

/* ---- lines ------------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum exposition_type type;
	bool prometheus, openmetrics; /* has it */
} types[] = {
	{"counter", EXPOSITION_COUNTER, true, true},
	{"gauge", EXPOSITION_GAUGE, true, true},
	{"histogram", EXPOSITION_HISTOGRAM, true, true},
	{"summary", EXPOSITION_SUMMARY, true, true},
	{"untyped", EXPOSITION_UNKNOWN, true, false},
	{"unknown", EXPOSITION_UNKNOWN, false, true},
	{"gaugehistogram", EXPOSITION_GAUGEHISTOGRAM, false, true},
	{"info", EXPOSITION_INFO, false, true},
	{"stateset", EXPOSITION_STATESET, false, true},
};

static bool is_blank(const struct exposition_line *line, const char *at)
{
	return *at == ' ' || (*at == '\t' && !line->openmetrics);
}

/* Past a word and the blank behind it. */
static bool skip_word(struct exposition_line *line, const char *expected)
{
	size_t length = strlen(expected);

	if ((size_t)(line->end - line->at) <= length || memcmp(line->at, expected, length) != 0 ||
	    !is_blank(line, line->at + length))
		return false;
	line->at += length + 1;
	exposition_skip_blanks(line);
	return true;
}

/* The name after HELP, TYPE or UNIT, and one blank or more behind it. */
static int read_family(struct exposition_line *line, const char **ret_name, size_t *ret_length)
{
	size_t length = exposition_name(line);

	if (!length)
		return exposition_expected(line, "the name of a family");
	*ret_name = line->at;
	*ret_length = length;
	line->at += length;
	if (line->at == line->end)
		return 0;
	if (!is_blank(line, line->at))
		return exposition_expected(line, "a space after the name of the family");
	line->at++;
	exposition_skip_blanks(line);
	return 0;
}

static int read_type(struct exposition *exposition, struct exposition_line *line)
{
	const char *name, *at;
	size_t length;
	int error = read_family(line, &name, &length);

	if (error)
		return error;
	for (at = line->at; at < line->end && !is_blank(line, at); at++)
		;
	for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
		if (!(line->openmetrics ? types[i].openmetrics : types[i].prometheus) ||
		    strlen(types[i].name) != (size_t)(at - line->at) ||
		    memcmp(types[i].name, line->at, (size_t)(at - line->at)) != 0)
			continue;
		exposition->last_length = 0; /* its name may be of this family */
		if (!families_declare(&exposition->families, name, length, types[i].type))
			return exposition_fail(line, -EINVAL, "the family has another type already");
		line->at = at;
		exposition_skip_blanks(line);
		return line->at == line->end ? 0 : exposition_expected(line, "the end of the line");
	}
	return exposition_fail(line, -EINVAL, "expected a type that the format has");
}

static int read_help(struct exposition_line *line)
{
	const char *name;
	size_t length;
	int error = read_family(line, &name, &length);

	if (!error && !exposition_is_utf8(line->at, (size_t)(line->end - line->at)))
		error = exposition_fail(line, -EINVAL, "the help text is not UTF-8");
	return error;
}

static int read_unit(struct exposition_line *line)
{
	const char *name;
	size_t length, unit;
	int error = read_family(line, &name, &length);

	if (error)
		return error;
	unit = (size_t)(line->end - line->at);
	if (unit &&
	    (length <= unit || name[length - unit - 1] != '_' || memcmp(name + length - unit, line->at, unit) != 0))
		return exposition_fail(line, -EINVAL, "the name of the family does not end in '_' and this unit");
	return 0;
}

static int read_comment(struct exposition *exposition, struct exposition_line *line)
{
	line->at++;
	if (line->openmetrics) {
		if (line->end - line->at == 4 && !memcmp(line->at, " EOF", 4)) {
			exposition->ended = true;
			return 0;
		}
		if (skip_word(line, " UNIT"))
			return read_unit(line);
		if (skip_word(line, " HELP"))
			return read_help(line);
		if (skip_word(line, " TYPE"))
			return read_type(exposition, line);
		return exposition_fail(line, -EINVAL, "expected ' HELP', ' TYPE', ' UNIT' or ' EOF' after '#'");
	}
	if (!is_blank(line, line->at))
		return 0;
	exposition_skip_blanks(line);
	if (skip_word(line, "HELP"))
		return read_help(line);
	if (skip_word(line, "TYPE"))
		return read_type(exposition, line);
	return 0;
}

/* Does the line begin with the name of the sample before? */
static bool has_last_name(const struct exposition *exposition, const struct exposition_line *line)
{
	size_t length = exposition->last_length;

	return length && (size_t)(line->end - line->at) >= length && !memcmp(line->at, exposition->last_name, length) &&
	       !exposition_is_in_name(line->at[length]);
}

static int read_name(struct exposition *exposition, struct exposition_line *line)
{
	const struct exposition_consumer *consumer = &exposition->consumer;
	size_t length = exposition_name(line);

	if (!length)
		return exposition_expected(line, "a metric name or '#'");
	exposition->last_type = families_sample_type(&exposition->families, line->at, length, line->openmetrics);
	exposition->last_wanted = !consumer->wants || consumer->wants(consumer->context, line->at, length);
	exposition->last_length = length <= LAST_NAME_MAX ? length : 0;
	memcpy(exposition->last_name, line->at, exposition->last_length);
	line->at += length;
	return 0;
}

static int read_sample(struct exposition *exposition, struct exposition_line *line)
{
	const struct exposition_consumer *consumer = &exposition->consumer;
	struct exposition_sample sample = {.name = line->at};
	int error = 0;

	if (has_last_name(exposition, line))
		line->at += exposition->last_length;
	else
		error = read_name(exposition, line);
	if (error)
		return error;
	sample.name_length = (size_t)(line->at - sample.name);
	error = sample_line_read(line, exposition->last_wanted, &exposition->memory, &sample);
	if (error || !exposition->last_wanted)
		return error;
	sample.type = exposition->last_type;
	consumer->take(consumer->context, &sample);
	return 0;
}

static int read_line(struct exposition *exposition, const char *start, size_t length)
{
	struct exposition_line line = {
		.start = start,
		.at = start,
		.end = start + length,
		.openmetrics = exposition->format == EXPOSITION_OPENMETRICS,
		.error = &exposition->error,
	};

	exposition_skip_blanks(&line);
	if (*line.at == '#')
		return read_comment(exposition, &line);
	if (line.at == line.end && !line.openmetrics)
		return 0;
	return read_sample(exposition, &line);
}

/* ---- pages ------------------------------------------------------------------------------------------------- */

/* The next byte is wrong: that of the line which is held. */
static int fail_here(struct exposition *exposition, int error, const char *text)
{
	struct exposition_line line = {.error = &exposition->error};

	exposition_fail(&line, error, "%s", text);
	exposition->error.column = (uint32_t)exposition->held + 1;
	exposition->error.line = exposition->line_number;
	exposition->failed = error;
	return error;
}

static int feed(struct exposition *exposition, const char *at, const char *end)
{
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t part = (size_t)((newline ? newline : end) - at);
		const char *start = at;

		if (exposition->ended)
			return fail_here(exposition, -EINVAL, "the page goes on after # EOF");
		if (exposition->held + part > EXPOSITION_LINE_MAX) {
			exposition->held = EXPOSITION_LINE_MAX;
			return fail_here(exposition, -EMSGSIZE, "the line is too long");
		}
		if (exposition->held || !newline) {
			memcpy(exposition->line + exposition->held, at, part);
			exposition->held += part;
			part = exposition->held;
			start = exposition->line;
		}
		if (!newline)
			return 0;
		exposition->line[exposition->held] = '\n';
		exposition->held = 0;
		exposition->failed = read_line(exposition, start, part);
		if (exposition->failed) {
			exposition->error.line = exposition->line_number;
			return exposition->failed;
		}
		exposition->line_number++;
		at = newline + 1;
	}
	return 0;
}

int exposition_feed(struct exposition *exposition, const void *bytes, size_t length)
{
	size_t room = EXPOSITION_PAGE_MAX - exposition->page;
	size_t taken = length < room ? length : room;

	if (exposition->failed || !length)
		return exposition->failed;
	if (feed(exposition, bytes, (const char *)bytes + taken))
		return exposition->failed;
	exposition->page += (uint32_t)taken;
	return taken == length ? 0 : fail_here(exposition, -EMSGSIZE, "the page is too long");
}

int exposition_end(struct exposition *exposition)
{
	bool openmetrics = exposition->format == EXPOSITION_OPENMETRICS;

	if (exposition->failed || exposition->ended)
		return exposition->failed;
	/* Its line feed may be missing, no other one. */
	if (openmetrics && exposition->held == 5 && !memcmp(exposition->line, "# EOF", 5)) {
		exposition->ended = true;
		return 0;
	}
	if (exposition->held)
		return fail_here(exposition, -EINVAL, "the page ends inside a line");
	return openmetrics ? fail_here(exposition, -EINVAL, "the page ends without # EOF") : 0;
}

const struct exposition_error *exposition_error(const struct exposition *exposition)
{
	return &exposition->error;
}

void exposition_begin(struct exposition *exposition, enum exposition_format format,
		      const struct exposition_consumer *consumer)
{
	exposition->format = format;
	exposition->consumer = *consumer;
	exposition->error = (struct exposition_error){0};
	exposition->failed = 0;
	exposition->line_number = 1;
	exposition->page = 0;
	exposition->ended = false;
	families_clear(&exposition->families);
	exposition->last_length = 0;
	exposition->held = 0;
}

int exposition_new(struct exposition **ret_exposition)
{
	struct exposition *exposition = calloc(1, sizeof(*exposition));

	if (!exposition)
		return -ENOMEM;
	*ret_exposition = exposition;
	return 0;
}

void exposition_free(struct exposition *exposition)
{
	free(exposition);
}

int exposition_format_of(const char *content_type, enum exposition_format *ret_format)
{
	static const struct {
		const char *type;
		enum exposition_format format;
	} known[] = {
		{"text/plain", EXPOSITION_PROMETHEUS},
		{"application/openmetrics-text", EXPOSITION_OPENMETRICS},
	};
	size_t length;

	if (!content_type || !*content_type) {
		*ret_format = EXPOSITION_PROMETHEUS;
		return 0;
	}
	content_type += strspn(content_type, " \t");
	length = strcspn(content_type, "; \t\r\n");
	for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
		if (length != strlen(known[i].type) || strncasecmp(content_type, known[i].type, length) != 0)
			continue;
		*ret_format = known[i].format;
		return 0;
	}
	return -EINVAL;
}
