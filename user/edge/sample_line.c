// SPDX-License-Identifier: GPL-2.0-only
/* Labels, value, timestamp and exemplar of a sample. */
#include "edge/exposition_line.h"

#include <endian.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "edge/decimal.h"

#define NAME_FIRST 0x1 /* of a metric; a label's has no ':' */
#define NAME_REST 0x2
#define BLANK 0x4
#define VALUE 0x8 /* of a label value: neither quote, backslash nor line feed */

#define LETTER (VALUE | NAME_FIRST | NAME_REST)

/* What bytes may be; '\n' is nothing, so that every loop over bytes of one kind ends with the line. */
static const uint8_t kinds[256] = {
	[0 ... '\t' - 1] = VALUE,
	['\t'] = VALUE | BLANK,
	['\n' + 1 ... ' ' - 1] = VALUE,
	[' '] = VALUE | BLANK,
	['!'] = VALUE,
	['#' ... '/'] = VALUE,
	['0' ... '9'] = VALUE | NAME_REST,
	[':'] = LETTER,
	[';' ... '@'] = VALUE,
	['A' ... 'Z'] = LETTER,
	['['] = VALUE,
	[']' ... '^'] = VALUE,
	['_'] = LETTER,
	['`'] = VALUE,
	['a' ... 'z'] = LETTER,
	['{' ... 0xff] = VALUE,
};

static bool is(const char *at, uint8_t kind)
{
	return kinds[(unsigned char)*at] & kind;
}

int exposition_fail(struct exposition_line *line, int error, const char *format, ...)
{
	va_list arguments;

	line->error->column = (uint32_t)(line->at - line->start) + 1;
	va_start(arguments, format);
	vsnprintf(line->error->text, sizeof(line->error->text), format, arguments);
	va_end(arguments);
	return error;
}

int exposition_expected(struct exposition_line *line, const char *what)
{
	unsigned char next = (unsigned char)*line->at;

	if (line->at == line->end)
		return exposition_fail(line, -EINVAL, "expected %s, got the end of the line", what);
	if (next > ' ' && next < 0x7f)
		return exposition_fail(line, -EINVAL, "expected %s, got '%c'", what, next);
	return exposition_fail(line, -EINVAL, "expected %s, got byte 0x%02x", what, next);
}

size_t exposition_name(const struct exposition_line *line)
{
	const char *at = line->at;

	if (!is(at, NAME_FIRST))
		return 0;
	while (is(at, NAME_REST))
		at++;
	return (size_t)(at - line->at);
}

bool exposition_is_in_name(char byte)
{
	return is(&byte, NAME_REST);
}

/* RFC 3629. */
bool exposition_is_utf8(const char *bytes, size_t length)
{
	const unsigned char *at = (const unsigned char *)bytes, *end = at + length;

	while (at < end) {
		unsigned int more = *at < 0x80 ? 0 : *at < 0xe0 ? 1 : *at < 0xf0 ? 2 : 3;

		if ((*at >= 0x80 && *at < 0xc2) || *at > 0xf4 || (size_t)(end - at) <= more)
			return false;
		/* Too long for what it says, a surrogate, beyond U+10FFFF: the second byte tells. */
		if ((*at == 0xe0 && at[1] < 0xa0) || (*at == 0xed && at[1] > 0x9f) || (*at == 0xf0 && at[1] < 0x90) ||
		    (*at == 0xf4 && at[1] > 0x8f))
			return false;
		for (unsigned int i = 1; i <= more; i++)
			if ((at[i] & 0xc0) != 0x80)
				return false;
		at += more + 1;
	}
	return true;
}

/* A label's name, without the ':' of a metric's. */
static size_t label_name(struct exposition_line *line)
{
	const char *at = line->at;

	if (!is(at, NAME_FIRST))
		return 0;
	while (is(at, NAME_REST) && *at != ':')
		at++;
	return (size_t)(at - line->at);
}

/* From a backslash in a value on. What is no escape stands for itself, as in OpenMetrics' "\\a". */
static void unescape_value(struct exposition_line *line, const char *from, char **room,
			   struct exposition_label *ret_label)
{
	size_t before = (size_t)(line->at - from);
	char *to = *room;

	memcpy(to, from, before);
	to += before;
	while (*line->at != '"' && line->at < line->end) {
		if (*line->at != '\\') {
			*to++ = *line->at++;
			continue;
		}
		switch (line->at[1]) {
		case '\n': /* the line's end */
			line->at = line->end;
			continue;
		case 'n':
			*to++ = '\n';
			break;
		case '"':
		case '\\':
			*to++ = line->at[1];
			break;
		default:
			*to++ = '\\';
			line->at++;
			continue;
		}
		line->at += 2;
	}
	ret_label->value = *room;
	ret_label->value_length = (size_t)(to - *room);
	*room = to;
}

#define EACH_BYTE(byte) (0x0101010101010101u * (uint64_t)(byte))

/* The highest bit of each byte that is 0, and of none before the first of them. */
static uint64_t zeros(uint64_t bytes)
{
	return (bytes - EACH_BYTE(1)) & ~bytes & EACH_BYTE(0x80);
}

/* Where the first byte is that cannot stand for itself in a value. *ret_high: a byte before it may be beyond ASCII. */
static const char *skip_value(const char *at, const char *end, bool *ret_high)
{
	uint64_t high = 0;

	for (; end - at >= 8; at += 8) {
		uint64_t bytes, special;

		memcpy(&bytes, at, 8);
		bytes = le64toh(bytes); /* the first byte is the lowest */
		high |= bytes & EACH_BYTE(0x80);
		special = zeros(bytes ^ EACH_BYTE('"')) | zeros(bytes ^ EACH_BYTE('\\'));
		if (special) {
			*ret_high = high;
			return at + __builtin_ctzll(special) / 8;
		}
	}
	while (is(at, VALUE))
		high |= (unsigned char)*at++ & 0x80u;
	*ret_high = high;
	return at;
}

/* From behind the opening quote past the closing one. */
static int read_value(struct exposition_line *line, char **room, struct exposition_label *label)
{
	const char *from = line->at;
	bool high;

	line->at = skip_value(from, line->end, &high);
	label->value = from;
	label->value_length = (size_t)(line->at - from);
	if (*line->at == '\\') {
		unescape_value(line, from, room, label);
		high = true;
	}
	if (*line->at != '"')
		return exposition_fail(line, -EINVAL, "the label value has no closing quote");
	if (high && !exposition_is_utf8(label->value, label->value_length))
		return exposition_fail(line, -EINVAL, "the label value is not UTF-8");
	line->at++;
	return 0;
}

static bool is_twice(const struct exposition_label *labels, size_t count, const struct exposition_label *label)
{
	for (size_t i = 0; i < count; i++)
		if (labels[i].name_length == label->name_length &&
		    !memcmp(labels[i].name, label->name, label->name_length))
			return true;
	return false;
}

static int read_label(struct exposition_line *line, char **room, struct exposition_label *labels, size_t count)
{
	struct exposition_label *label = &labels[count];

	if (count == EXPOSITION_LABELS_MAX)
		return exposition_fail(line, -EMSGSIZE, "more than %u labels", EXPOSITION_LABELS_MAX);
	label->name = line->at;
	label->name_length = label_name(line);
	if (!label->name_length)
		return exposition_expected(line, "a label name");
	if (is_twice(labels, count, label))
		return exposition_fail(line, -EINVAL, "the label %.*s is there twice",
				       (int)(label->name_length < 64 ? label->name_length : 64), label->name);
	line->at += label->name_length;
	exposition_skip_blanks(line);
	if (*line->at != '=')
		return exposition_expected(line, "'=' after the label name");
	line->at++;
	exposition_skip_blanks(line);
	if (*line->at != '"')
		return exposition_expected(line, "'\"' before the label value");
	line->at++;
	return read_value(line, room, label);
}

/* From the opening brace past the closing one. Only the text format takes a comma before that. */
static int read_labels(struct exposition_line *line, char **room, struct exposition_label *labels, size_t *ret_count)
{
	size_t count = 0;

	line->at++;
	exposition_skip_blanks(line);
	while (*line->at != '}' || (line->openmetrics && count)) {
		int error = read_label(line, room, labels, count);

		if (error)
			return error;
		count++;
		exposition_skip_blanks(line);
		if (*line->at == '}')
			break;
		if (*line->at != ',')
			return exposition_expected(line, "',' or '}' after the label value");
		line->at++;
		exposition_skip_blanks(line);
	}
	line->at++;
	*ret_count = count;
	return 0;
}

/* Length of what is there up to the next blank; of OpenMetrics' only spaces part words. */
static size_t word(const struct exposition_line *line)
{
	const char *at = line->at;

	while (at < line->end && *at != ' ' && (*at != '\t' || line->openmetrics))
		at++;
	return (size_t)(at - line->at);
}

/* ret_value may be NULL. */
static int read_number(struct exposition_line *line, const char *what, double *ret_value)
{
	size_t length = word(line);
	int error;

	if (!length)
		return exposition_expected(line, what);
	/* Behind the word is a blank, or the line feed. */
	error = decimal_parse(line->at, length, ret_value);
	if (error == -ERANGE)
		return exposition_fail(line, -EINVAL, "%s too large for a double", what);
	if (error)
		return exposition_fail(line, -EINVAL, "expected %s, and this is not a number", what);
	line->at += length;
	return 0;
}

static int read_milliseconds(struct exposition_line *line, int64_t *ret_milliseconds)
{
	static const char what[] = "a timestamp, which is a whole number of milliseconds";
	bool negative = *line->at == '-';
	const char *start = line->at, *at = start + (*start == '-' || *start == '+'), *digits = at;
	uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX, value = 0;

	for (; *at >= '0' && *at <= '9'; at++) {
		unsigned int digit = (unsigned int)(*at - '0');

		if (value > (limit - digit) / 10)
			return exposition_fail(line, -EINVAL, "the timestamp is too large for 64 bits");
		value = value * 10 + digit;
	}
	if (at == digits || (at < line->end && !is(at, BLANK)))
		return exposition_fail(line, -EINVAL, "expected %s", what);
	line->at = at;
	*ret_milliseconds = (int64_t)(negative ? -value : value);
	return 0;
}

static int read_seconds(struct exposition_line *line, int64_t *ret_milliseconds)
{
	const char *start = line->at;
	double seconds = 0;
	int error = read_number(line, "a timestamp", &seconds);

	if (error)
		return error;
	if (!(fabs(seconds * 1000) < (double)INT64_MAX)) {
		line->at = start;
		return exposition_fail(line, -EINVAL, "the timestamp is no time");
	}
	*ret_milliseconds = llround(seconds * 1000);
	return 0;
}

/* Past OpenMetrics' one space. */
static int read_space(struct exposition_line *line, const char *before)
{
	if (*line->at != ' ')
		return exposition_expected(line, before);
	line->at++;
	return 0;
}

/* From the '#' to the end of the line. */
static int skip_exemplar(struct exposition_line *line, char **room, struct exposition_label *labels)
{
	int64_t timestamp;
	size_t count;
	int error;

	line->at++;
	error = read_space(line, "a space before the exemplar's labels");
	if (error)
		return error;
	if (*line->at != '{')
		return exposition_expected(line, "'{' of the exemplar's labels");
	error = read_labels(line, room, labels, &count);
	if (!error)
		error = read_space(line, "a space before the exemplar's value");
	if (!error)
		error = read_number(line, "the exemplar's value", NULL);
	if (error || line->at == line->end)
		return error;
	line->at++; /* a number ends with a space or the line */
	error = read_seconds(line, &timestamp);
	if (error)
		return error;
	return line->at == line->end ? 0 : exposition_expected(line, "the end of the line");
}

/* What may follow the value. */
static int read_rest_prometheus(struct exposition_line *line, struct exposition_sample *sample)
{
	int error;

	exposition_skip_blanks(line);
	if (line->at == line->end)
		return 0;
	error = read_milliseconds(line, &sample->timestamp_ms);
	if (error)
		return error;
	sample->has_timestamp = true;
	exposition_skip_blanks(line);
	return line->at == line->end ? 0 : exposition_expected(line, "the end of the line");
}

static int read_rest_openmetrics(struct exposition_line *line, char **room, struct sample_line *memory,
				 struct exposition_sample *sample)
{
	int error;

	if (line->at == line->end)
		return 0;
	line->at++;
	if (*line->at != '#') {
		error = read_seconds(line, &sample->timestamp_ms);
		if (error)
			return error;
		sample->has_timestamp = true;
		if (line->at == line->end)
			return 0;
		line->at++;
	}
	if (*line->at != '#')
		return exposition_expected(line, "'#' of an exemplar");
	return skip_exemplar(line, room, memory->exemplar);
}

int sample_line_read(struct exposition_line *line, bool wanted, struct sample_line *memory,
		     struct exposition_sample *sample)
{
	char *room = memory->unescaped;
	int error;

	sample->labels = memory->labels;
	sample->label_count = 0;
	sample->has_timestamp = false;
	sample->timestamp_ms = 0;
	if (*line->at != '{' && *line->at != ' ' && (line->openmetrics || !is(line->at, BLANK)))
		return exposition_expected(line, "a label list or a value after the metric name");
	exposition_skip_blanks(line);
	if (*line->at == '{') {
		error = read_labels(line, &room, memory->labels, &sample->label_count);
		if (error)
			return error;
		exposition_skip_blanks(line);
	}
	if (line->openmetrics) {
		error = read_space(line, "a space before the value");
		if (error)
			return error;
	}
	error = read_number(line, "a value", wanted ? &sample->value : NULL);
	if (error)
		return error;
	return line->openmetrics ? read_rest_openmetrics(line, &room, memory, sample)
				 : read_rest_prometheus(line, sample);
}
