// SPDX-License-Identifier: GPL-2.0-only
/*
 * The series that gates want, of a page of metrics: what the tables find is what a walk over all of them finds, sample by sample.
 *
 * An input is a page, in text format. Wanted are series made of what a page says of itself: the names and labels of its first samples,
 * and such that differ from them a little.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "edge/decimal.h"
#include "edge/series.h"
#include "holds.h"

#define NOW 1700000010000
#define WANTED_MAX 64u

static struct edge_series wanted[WANTED_MAX];
static uint32_t wanted_count;

struct oracle {
	double sum[WANTED_MAX];
	uint32_t samples[WANTED_MAX];
	int64_t oldest[WANTED_MAX];
	uint8_t type[WANTED_MAX];
	bool odd[WANTED_MAX];
};

static bool is_text(const char *bytes, size_t length, size_t most)
{
	return length <= most && !memchr(bytes, 0, length);
}

/* Wants series like this sample: by its name; by some of its labels; with its last label changed; by its bound. */
static void want(void *context, const struct exposition_sample *sample)
{
	struct edge_series series = {.le = NAN};

	(void)context;
	if (wanted_count + 4 > WANTED_MAX || !is_text(sample->name, sample->name_length, USHER_METRIC_NAME_MAX))
		return;
	memcpy(series.name, sample->name, sample->name_length);
	wanted[wanted_count++] = series;
	for (size_t i = 0; i < sample->label_count && series.label_count < USHER_SERIES_LABELS_MAX; i++) {
		const struct exposition_label *label = &sample->labels[i];
		double bound;

		if (!is_text(label->name, label->name_length, USHER_NAME_MAX) ||
		    !is_text(label->value, label->value_length, USHER_LABEL_VALUE_MAX - 1))
			continue;
		if (label->name_length == 2 && !memcmp(label->name, "le", 2)) {
			char text[USHER_LABEL_VALUE_MAX + 1] = "";

			memcpy(text, label->value, label->value_length);
			if (label->value_length <= 64 && !decimal_parse(text, label->value_length, &bound))
				series.le = bound;
			continue;
		}
		memcpy(series.labels[series.label_count].name, label->name, label->name_length);
		memcpy(series.labels[series.label_count].value, label->value, label->value_length);
		series.label_count++;
	}
	wanted[wanted_count++] = series;
	if (!series.label_count)
		return;
	strcat(series.labels[series.label_count - 1].value, "x");
	wanted[wanted_count++] = series;
	series.label_count--;
	wanted[wanted_count++] = series;
}

static bool matches(const struct edge_series *series, const struct exposition_sample *sample)
{
	uint32_t found = 0;
	bool bound = isnan(series->le);

	if (strlen(series->name) != sample->name_length ||
	    strncmp(series->name, sample->name, sample->name_length) != 0)
		return false;
	for (size_t i = 0; i < sample->label_count; i++) {
		const struct exposition_label *label = &sample->labels[i];
		char text[65] = "";
		double value;

		for (uint32_t l = 0; l < series->label_count; l++)
			found += strlen(series->labels[l].name) == label->name_length &&
				 !memcmp(series->labels[l].name, label->name, label->name_length) &&
				 strlen(series->labels[l].value) == label->value_length &&
				 !memcmp(series->labels[l].value, label->value, label->value_length);
		if (label->name_length != 2 || memcmp(label->name, "le", 2) != 0 || label->value_length > 64)
			continue;
		memcpy(text, label->value, label->value_length);
		if (!decimal_parse(text, label->value_length, &value))
			bound |= memcmp(&value, &series->le, sizeof(value)) == 0 || value - series->le == 0;
	}
	return bound && found == series->label_count;
}

static void take(void *context, const struct exposition_sample *sample)
{
	struct oracle *oracle = context;

	for (uint32_t i = 0; i < wanted_count; i++) {
		if (!matches(&wanted[i], sample))
			continue;
		oracle->sum[i] += sample->value;
		oracle->odd[i] |= !isfinite(sample->value);
		oracle->samples[i]++;
		oracle->type[i] = (uint8_t)sample->type;
		if (sample->has_timestamp && sample->timestamp_ms < oracle->oldest[i])
			oracle->oldest[i] = sample->timestamp_ms;
	}
}

static int read_page(const uint8_t *data, size_t size, const struct exposition_consumer *consumer)
{
	static struct exposition *exposition;

	HOLDS(exposition || !exposition_new(&exposition));
	exposition_begin(exposition, EXPOSITION_PROMETHEUS, consumer);
	exposition_feed(exposition, data, size);
	return exposition_end(exposition);
}

static void compare(const struct oracle *oracle, uint32_t i, const struct edge_value *value)
{
	bool known = oracle->samples[i] && !oracle->odd[i] && isfinite(oracle->sum[i]);

	HOLDS(known ? !memcmp(&value->value, &oracle->sum[i], sizeof(double)) : isnan(value->value));
	HOLDS(value->samples == oracle->samples[i]);
	HOLDS(value->type == oracle->type[i]);
	HOLDS(oracle->oldest[i] < NOW || !value->age_ms);
	HOLDS(oracle->oldest[i] >= NOW || oracle->oldest[i] < NOW - UINT32_MAX ||
	      value->age_ms == NOW - oracle->oldest[i]);
	HOLDS(oracle->oldest[i] >= NOW - UINT32_MAX || value->age_ms == UINT32_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct exposition_consumer wants_all = {.take = want};
	struct exposition_consumer consumer = {.take = take};
	struct edge_value values[WANTED_MAX];
	static struct oracle oracle;
	struct series_set *set;

	wanted_count = 0;
	if (read_page(data, size, &wants_all))
		return 0;
	memset(&oracle, 0, sizeof(oracle));
	for (uint32_t i = 0; i < WANTED_MAX; i++)
		oracle.oldest[i] = INT64_MAX;
	consumer.context = &oracle;
	HOLDS(!read_page(data, size, &consumer));
	HOLDS(!series_new(wanted, wanted_count, &set));
	consumer = series_consumer(set);
	HOLDS(!read_page(data, size, &consumer));
	series_end(set, NOW, values);
	for (uint32_t i = 0; i < wanted_count; i++)
		compare(&oracle, i, &values[i]);
	series_free(set);
	return 0;
}
