// SPDX-License-Identifier: GPL-2.0-only
#include "edge/series.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "edge/decimal.h"

#define NONE UINT32_MAX
#define NUMBER_TEXT 64 /* bytes of a bound that anybody would write */

/* Series of one name that are told apart by the same labels. */
struct shape {
	uint32_t like; /* a series of it */
	size_t name_length;
	uint32_t next; /* another one whose name has that hash, or NONE */
};

struct sum {
	double value;
	int64_t oldest; /* timestamp of a sample; INT64_MAX: none has one */
	uint32_t samples;
	uint8_t type;
};

struct series_set {
	const struct edge_series *series;
	uint32_t count, shape_count, mask;
	struct shape *shapes;
	struct sum *sums;
	uint64_t lengths; /* that names have; bit 63: that or more */
	uint32_t *named;  /* by hash of a name: the first shape, or NONE */
	uint32_t *first;  /* by hash: the first series, or NONE */
	uint32_t *next;	  /* by series: another one of that hash */
	uint32_t *shape_of;
};

/* ---- the table ------------------------------------------------------------------------------------------------- */

/* FNV-1a, with an end that no value holds twice. */
static uint64_t mix(uint64_t hash, const void *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3;
	return (hash ^ 0x1ff) * 0x100000001b3;
}

static uint64_t mix_number(uint64_t hash, double number)
{
	number += 0.0; /* -0 becomes 0 */
	return mix(hash, &number, sizeof(number));
}

static uint64_t begin_hash(uint32_t shape)
{
	return mix(0xcbf29ce484222325, &shape, sizeof(shape));
}

static bool same_shape(const struct edge_series *a, const struct edge_series *b)
{
	if (strcmp(a->name, b->name) != 0 || a->label_count != b->label_count || isnan(a->le) != isnan(b->le))
		return false;
	for (uint32_t i = 0; i < a->label_count; i++)
		if (strcmp(a->labels[i].name, b->labels[i].name) != 0)
			return false;
	return true;
}

/* Where the shapes of this name begin. */
static uint32_t *shapes_named(const struct series_set *set, const char *name, size_t length)
{
	return &set->named[mix(0xcbf29ce484222325, name, length) & set->mask];
}

static uint32_t find_shape(struct series_set *set, const struct edge_series *series)
{
	size_t length = strlen(series->name);
	uint32_t *first = shapes_named(set, series->name, length);

	for (uint32_t i = *first; i != NONE; i = set->shapes[i].next)
		if (same_shape(&set->series[set->shapes[i].like], series))
			return i;
	set->shapes[set->shape_count] = (struct shape){(uint32_t)(series - set->series), length, *first};
	set->lengths |= 1ull << (length < 63 ? length : 63);
	*first = set->shape_count;
	return set->shape_count++;
}

static void index_series(struct series_set *set, uint32_t number)
{
	const struct edge_series *series = &set->series[number];
	uint64_t hash;
	uint32_t *first;

	set->shape_of[number] = find_shape(set, series);
	hash = begin_hash(set->shape_of[number]);
	for (uint32_t i = 0; i < series->label_count; i++)
		hash = mix(hash, series->labels[i].value, strlen(series->labels[i].value));
	if (!isnan(series->le))
		hash = mix_number(hash, series->le);
	first = &set->first[hash & set->mask];
	set->next[number] = *first;
	*first = number;
}

int series_new(const struct edge_series *series, uint32_t count, struct series_set **ret_set)
{
	struct series_set *set = calloc(1, sizeof(*set));
	size_t slots = 16;

	if (!set)
		return -ENOMEM;
	while (slots < 2 * (size_t)count)
		slots *= 2;
	set->series = series;
	set->count = count;
	set->mask = (uint32_t)(slots - 1);
	set->shapes = calloc(count + 1, sizeof(*set->shapes));
	set->sums = calloc(count + 1, sizeof(*set->sums));
	set->named = malloc(slots * sizeof(*set->named));
	set->first = malloc(slots * sizeof(*set->first));
	set->next = calloc(count + 1, sizeof(*set->next));
	set->shape_of = calloc(count + 1, sizeof(*set->shape_of));
	if (!set->shapes || !set->sums || !set->named || !set->first || !set->next || !set->shape_of) {
		series_free(set);
		return -ENOMEM;
	}
	memset(set->named, 0xff, slots * sizeof(*set->named));
	memset(set->first, 0xff, slots * sizeof(*set->first));
	for (uint32_t i = 0; i < count; i++)
		index_series(set, i);
	series_begin(set);
	*ret_set = set;
	return 0;
}

void series_free(struct series_set *set)
{
	if (!set)
		return;
	free(set->shapes);
	free(set->sums);
	free(set->named);
	free(set->first);
	free(set->next);
	free(set->shape_of);
	free(set);
}

void series_begin(struct series_set *set)
{
	for (uint32_t i = 0; i < set->count; i++)
		set->sums[i] = (struct sum){.oldest = INT64_MAX, .type = EXPOSITION_UNKNOWN};
}

/* ---- samples --------------------------------------------------------------------------------------------------- */

static bool has_name(const struct series_set *set, uint32_t shape, const char *name, size_t length)
{
	return set->shapes[shape].name_length == length &&
	       !memcmp(set->series[set->shapes[shape].like].name, name, length);
}

static bool wants(void *context, const char *name, size_t length)
{
	const struct series_set *set = context;

	if (!(set->lengths >> (length < 63 ? length : 63) & 1))
		return false;
	for (uint32_t i = *shapes_named(set, name, length); i != NONE; i = set->shapes[i].next)
		if (has_name(set, i, name, length))
			return true;
	return false;
}

static const struct exposition_label *find_label(const struct exposition_sample *sample, const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < sample->label_count; i++)
		if (sample->labels[i].name_length == length && !memcmp(sample->labels[i].name, name, length))
			return &sample->labels[i];
	return NULL;
}

static bool read_bound(const struct exposition_sample *sample, double *ret_bound)
{
	const struct exposition_label *label = find_label(sample, "le");
	char text[NUMBER_TEXT + 1];

	if (!label || label->value_length > NUMBER_TEXT)
		return false;
	memcpy(text, label->value, label->value_length);
	text[label->value_length] = '\0';
	return !decimal_parse(text, label->value_length, ret_bound) && !isnan(*ret_bound);
}

static bool has_values(const struct edge_series *series, const struct exposition_sample *sample, double bound)
{
	for (uint32_t i = 0; i < series->label_count; i++) {
		const struct exposition_label *label = find_label(sample, series->labels[i].name);
		size_t length = strlen(series->labels[i].value);

		if (label->value_length != length || memcmp(label->value, series->labels[i].value, length) != 0)
			return false;
	}
	return isnan(series->le) || !(series->le < bound || series->le > bound);
}

static void add(struct series_set *set, uint32_t index, double value, uint8_t type, int64_t at)
{
	struct sum *sum = &set->sums[index];

	sum->value += value; /* which stays infinite, or no number, whatever follows */
	sum->samples++;
	sum->type = type;
	if (at < sum->oldest)
		sum->oldest = at;
}

/* All that this sample is, among the series of one shape. */
static void take_as(struct series_set *set, uint32_t shape, const struct exposition_sample *sample)
{
	const struct edge_series *like = &set->series[set->shapes[shape].like];
	uint64_t hash = begin_hash(shape);
	double bound = 0;

	for (uint32_t i = 0; i < like->label_count; i++) {
		const struct exposition_label *label = find_label(sample, like->labels[i].name);

		if (!label)
			return;
		hash = mix(hash, label->value, label->value_length);
	}
	if (!isnan(like->le)) {
		if (!read_bound(sample, &bound))
			return;
		hash = mix_number(hash, bound);
	}
	for (uint32_t n = set->first[hash & set->mask]; n != NONE; n = set->next[n])
		if (set->shape_of[n] == shape && has_values(&set->series[n], sample, bound))
			add(set, n, sample->value, (uint8_t)sample->type,
			    sample->has_timestamp ? sample->timestamp_ms : INT64_MAX);
}

static void take(void *context, const struct exposition_sample *sample)
{
	struct series_set *set = context;

	for (uint32_t i = *shapes_named(set, sample->name, sample->name_length); i != NONE; i = set->shapes[i].next)
		if (has_name(set, i, sample->name, sample->name_length))
			take_as(set, i, sample);
}

struct exposition_consumer series_consumer(struct series_set *set)
{
	return (struct exposition_consumer){.wants = wants, .take = take, .context = set};
}

void series_add(struct series_set *set, uint32_t index, double value, int64_t at_ms)
{
	add(set, index, value, EXPOSITION_UNKNOWN, at_ms ? at_ms : INT64_MAX);
}

static uint32_t age_of(const struct sum *sum, int64_t now_ms)
{
	if (sum->oldest >= now_ms) /* of none, and of a clock that is ahead */
		return 0;
	if (sum->oldest <= now_ms - UINT32_MAX)
		return UINT32_MAX;
	return (uint32_t)(now_ms - sum->oldest);
}

void series_end(const struct series_set *set, int64_t now_ms, struct edge_value *ret_values)
{
	for (uint32_t i = 0; i < set->count; i++) {
		const struct sum *sum = &set->sums[i];

		ret_values[i] =
			(struct edge_value){.value = sum->samples && isfinite(sum->value) ? sum->value : NAN,
					    .age_ms = age_of(sum, now_ms),
					    .samples = sum->samples < UINT16_MAX ? (uint16_t)sum->samples : UINT16_MAX,
					    .type = sum->type};
	}
}
