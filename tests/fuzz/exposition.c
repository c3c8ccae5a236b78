// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reader of metrics pages and what telemetry makes of them.
 *
 * An input is a page, which is read in either format; what follows is checked in the one in which it gets further. Whatever it is:
 *
 * 1. The page in one piece, byte by byte and cut anyhow gives the same samples, the same error, the same figures and findings.
 * 2. No byte outside a piece is read, and none of a piece once it has been fed: each has a heap block of its own.
 * 3. Nothing is allocated while a page is read.
 * 4. What is handed out is what was promised: names, UTF-8, no label twice, a sentence of printable ASCII for every error; figures
 *    that are known are finite and not negative, shares at most 1.
 * 5. A page whose lines nobody wants is refused just as one whose lines somebody does.
 * 6. A number is what the C library reads, to the last bit.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "edge/decimal.h"
#include "edge/telemetry.h"
#include "holds.h"

/* As in <sanitizer/allocator_interface.h>, which gcc does not have. */
int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void *, size_t),
					      void (*free_hook)(const volatile void *));

/* All that came of a page. */
struct outcome {
	int error;
	struct exposition_error complaint;
	uint64_t samples; /* a hash */
	struct telemetry_reading reading;
	struct telemetry_findings findings;
	const struct telemetry_preset *preset;
};

struct reader {
	struct telemetry *telemetry;
	struct exposition_consumer telemetry_consumer;
	uint64_t samples;
};

static __thread size_t allocations; /* libFuzzer has a thread of its own */

static void count_allocation(const volatile void *block, size_t size)
{
	(void)block;
	(void)size;
	allocations++;
}

static void count_nothing(const volatile void *block)
{
	(void)block;
}

static void mix(uint64_t *hash, const void *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		*hash = (*hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3;
	*hash = (*hash ^ length) * 0x100000001b3;
}

static bool is_name(const char *name, size_t length, bool colon)
{
	for (size_t i = 0; i < length; i++) {
		bool letter =
			(name[i] >= 'a' && name[i] <= 'z') || (name[i] >= 'A' && name[i] <= 'Z') || name[i] == '_';

		if (!letter && !(name[i] >= '0' && name[i] <= '9' && i) && !(name[i] == ':' && colon))
			return false;
	}
	return length > 0;
}

/* Another way than the reader's: by the code point that comes out. */
static bool is_utf8(const char *bytes, size_t length)
{
	static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};

	for (size_t at = 0; at < length;) {
		uint32_t first = (uint8_t)bytes[at++];
		uint32_t more = first < 0x80	   ? 0
				: first >> 5 == 6  ? 1
				: first >> 4 == 14 ? 2
				: first >> 3 == 30 ? 3
						   : 4;
		uint32_t code_point = more ? first & (0x3fu >> more) : first;

		if (more == 4 || more > length - at)
			return false;
		for (uint32_t i = 0; i < more; i++, at++) {
			if (((uint8_t)bytes[at] & 0xc0) != 0x80)
				return false;
			code_point = code_point << 6 | ((uint8_t)bytes[at] & 0x3f);
		}
		if (code_point < smallest[more] || code_point > 0x10ffff || code_point >> 11 == 0x1b)
			return false;
	}
	return true;
}

static void take(void *context, const struct exposition_sample *sample)
{
	struct reader *reader = context;

	HOLDS(is_name(sample->name, sample->name_length, true));
	HOLDS(sample->type <= EXPOSITION_STATESET);
	HOLDS(sample->label_count <= EXPOSITION_LABELS_MAX);
	mix(&reader->samples, sample->name, sample->name_length);
	mix(&reader->samples, &sample->type, sizeof(sample->type));
	for (size_t i = 0; i < sample->label_count; i++) {
		const struct exposition_label *label = &sample->labels[i];

		HOLDS(is_name(label->name, label->name_length, false));
		HOLDS(is_utf8(label->value, label->value_length));
		for (size_t j = 0; j < i; j++)
			HOLDS(sample->labels[j].name_length != label->name_length ||
			      memcmp(sample->labels[j].name, label->name, label->name_length) != 0);
		mix(&reader->samples, label->name, label->name_length);
		mix(&reader->samples, label->value, label->value_length);
	}
	if (!isnan(sample->value)) /* of which there are many */
		mix(&reader->samples, &sample->value, sizeof(sample->value));
	mix(&reader->samples, &sample->has_timestamp, sizeof(sample->has_timestamp));
	mix(&reader->samples, &sample->timestamp_ms, sizeof(sample->timestamp_ms));
	if (reader->telemetry_consumer.wants(reader->telemetry_consumer.context, sample->name, sample->name_length))
		reader->telemetry_consumer.take(reader->telemetry_consumer.context, sample);
}

static void feed(struct exposition *exposition, const uint8_t *bytes, size_t length)
{
	static uint8_t *single; /* pieces of one byte are many, so they share a block */
	uint8_t *piece = length == 1 && single ? single : malloc(length ? length : 1);
	size_t before = allocations;

	HOLDS(piece);
	memcpy(piece, bytes, length);
	exposition_feed(exposition, piece, length);
	HOLDS(allocations == before);
	if (length == 1)
		single = piece;
	else
		free(piece);
}

static bool wants_nothing(void *context, const char *name, size_t length)
{
	(void)context;
	(void)name;
	(void)length;
	return false;
}

/* step: 0: everything at once. */
static void read_page(struct exposition *exposition, struct telemetry *telemetry, enum exposition_format format,
		      const uint8_t *page, size_t length, uint32_t step, bool wanted, struct outcome *ret_outcome)
{
	struct reader reader = {.telemetry = telemetry, .telemetry_consumer = telemetry_consumer(telemetry)};
	struct exposition_consumer consumer = {
		.take = take, .wants = wanted ? NULL : wants_nothing, .context = &reader};
	uint32_t random = step;

	memset(ret_outcome, 0, sizeof(*ret_outcome));
	telemetry_begin_any(telemetry);
	exposition_begin(exposition, format, &consumer);
	for (size_t at = 0; at < length;) {
		size_t piece = step == 0 ? length : step == 1 ? 1 : random % (2 * step);

		random = random * 1664525 + 1013904223;
		piece = piece < length - at ? piece : length - at;
		feed(exposition, page + at, piece);
		at += piece;
	}
	ret_outcome->error = exposition_end(exposition);
	ret_outcome->complaint = *exposition_error(exposition);
	ret_outcome->samples = reader.samples;
	ret_outcome->preset = telemetry_end(telemetry, &ret_outcome->reading, &ret_outcome->findings);
}

static void check(const struct outcome *outcome)
{
	HOLDS(!outcome->error == !outcome->complaint.line);
	HOLDS(!outcome->error == !outcome->complaint.text[0]);
	HOLDS(memchr(outcome->complaint.text, 0, sizeof(outcome->complaint.text) - 1));
	for (const char *at = outcome->complaint.text; *at; at++)
		HOLDS(*at >= ' ' && *at < 0x7f);
	for (size_t i = 0; i < TELEMETRY_QUANTITIES; i++) {
		HOLDS(isfinite(outcome->reading.figures[i].value) && outcome->reading.figures[i].value >= 0);
		HOLDS(outcome->reading.figures[i].known || outcome->reading.figures[i].value == 0);
	}
	HOLDS(outcome->reading.use.value <= 1);
	HOLDS(!outcome->findings.more);
}

static void compare(const struct outcome *a, const struct outcome *b, bool wanted)
{
	HOLDS(a->error == b->error);
	HOLDS(a->complaint.line == b->complaint.line);
	HOLDS(a->complaint.column == b->complaint.column);
	HOLDS(!strcmp(a->complaint.text, b->complaint.text));
	if (!wanted)
		return;
	HOLDS(a->samples == b->samples);
	HOLDS(a->preset == b->preset);
	HOLDS(a->findings.count == b->findings.count);
	for (size_t i = 0; i < a->findings.count; i++) {
		HOLDS(a->findings.items[i].code == b->findings.items[i].code);
		HOLDS(a->findings.items[i].name == b->findings.items[i].name);
	}
	for (size_t i = 0; i < TELEMETRY_QUANTITIES; i++) {
		HOLDS(a->reading.figures[i].known == b->reading.figures[i].known);
		HOLDS(a->reading.figures[i].value == b->reading.figures[i].value);
	}
}

static void check_number(const uint8_t *bytes, size_t length)
{
	char word[64];
	double value, expected;
	int error;

	memcpy(word, bytes, length);
	memcpy(word + length, "\n", 2);
	error = decimal_parse(word, length, &value);
	HOLDS(error == decimal_parse(word, length, NULL));
	if (error == -EINVAL)
		return;
	word[length] = 0;
	expected = strtod(word, NULL);
	HOLDS(error ? isinf(expected) : isnan(value) ? isnan(expected) : !memcmp(&value, &expected, sizeof(value)));
}

/* Every word of the page, as a number. */
static void check_numbers(const uint8_t *page, size_t length)
{
	size_t begin = 0;

	for (size_t at = 0; at <= length; at++) {
		if (at < length && page[at] > ' ')
			continue;
		if (at > begin && at - begin < 62 && page[begin] <= '9')
			check_number(page + begin, at - begin);
		begin = at + 1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct exposition *exposition;
	static struct telemetry *telemetry;
	static struct outcome wholes[2], other, *whole;
	enum exposition_format format;

	if (!exposition) {
		HOLDS(!exposition_new(&exposition) && !telemetry_new(&telemetry));
		HOLDS(__sanitizer_install_malloc_and_free_hooks(count_allocation, count_nothing));
	}
	check_numbers(data, size);
	for (format = EXPOSITION_PROMETHEUS; format <= EXPOSITION_OPENMETRICS; format++) {
		read_page(exposition, telemetry, format, data, size, 0, true, &wholes[format]);
		check(&wholes[format]);
	}
	format = wholes[0].error && (!wholes[1].error || wholes[1].complaint.line > wholes[0].complaint.line)
			 ? EXPOSITION_OPENMETRICS
			 : EXPOSITION_PROMETHEUS;
	whole = &wholes[format];
	read_page(exposition, telemetry, format, data, size, 1, true, &other);
	compare(whole, &other, true);
	read_page(exposition, telemetry, format, data, size, 2 + (uint32_t)size % 61, true, &other);
	compare(whole, &other, true);
	read_page(exposition, telemetry, format, data, size, 0, false, &other);
	compare(whole, &other, false);
	return 0;
}
