// SPDX-License-Identifier: GPL-2.0-only
#include "edge/telemetry.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "edge/telemetry_presets.h"

/* No queue is this long and no share this large: what DCGM says instead of nothing begins here (DCGM_INT32_BLANK). */
#define SENTINEL 0x7ffffff0

#define EVERY_PRESET (-1)

struct slot {
	const struct telemetry_series *series;
	size_t name_length;
	int preset; /* index, or EVERY_PRESET */
	/* What the page has of it. */
	bool seen, not_gauge, percentage, no_value, too_many;
	double value;
};

/* The samples of one slot that agree in the label `each`. */
struct group {
	uint64_t label; /* FNV-1a of its value */
	size_t slot;
	double largest;
};

struct telemetry {
	bool any;  /* preset was looked for */
	bool seen; /* a sample of a series that is looked for */
	size_t slot_count, group_count;
	uint64_t lengths; /* that names have; bit 63: that or more */
	struct slot slots[TELEMETRY_SERIES_MAX];
	struct group groups[TELEMETRY_GROUPS_MAX];
};

static const struct telemetry_series start_time = {.name = "process_start_time_seconds",
						   .quantity = TELEMETRY_START_TIME,
						   .kind = TELEMETRY_TIME,
						   .optional = true};

/* ---- the tables -------------------------------------------------------------------------------------------- */

const struct telemetry_preset *telemetry_preset_at(size_t index)
{
	return index < TELEMETRY_PRESETS ? &telemetry_presets[index] : NULL;
}

const struct telemetry_preset *telemetry_preset(const char *name)
{
	for (size_t i = 0; i < TELEMETRY_PRESETS; i++)
		if (!strcmp(telemetry_presets[i].name, name))
			return &telemetry_presets[i];
	return NULL;
}

const char *telemetry_finding_text(enum telemetry_finding_code code)
{
#define TELEMETRY_FINDING(code, text) text,
	static const char *const texts[] = {TELEMETRY_FINDINGS(TELEMETRY_FINDING)};
#undef TELEMETRY_FINDING

	return texts[code];
}

int telemetry_new(struct telemetry **ret_telemetry)
{
	struct telemetry *telemetry = calloc(1, sizeof(*telemetry));

	if (!telemetry)
		return -ENOMEM;
	*ret_telemetry = telemetry;
	return 0;
}

void telemetry_free(struct telemetry *telemetry)
{
	free(telemetry);
}

static uint64_t length_bit(size_t length)
{
	return 1ull << (length < 63 ? length : 63);
}

static void add_slot(struct telemetry *telemetry, const struct telemetry_series *series, int preset)
{
	struct slot *slot = &telemetry->slots[telemetry->slot_count++];

	*slot = (struct slot){.series = series, .name_length = strlen(series->name), .preset = preset};
	telemetry->lengths |= length_bit(slot->name_length);
}

static void begin(struct telemetry *telemetry, bool any)
{
	telemetry->any = any;
	telemetry->slot_count = 0;
	telemetry->seen = false;
	telemetry->group_count = 0;
	telemetry->lengths = 0;
	add_slot(telemetry, &start_time, EVERY_PRESET);
}

int telemetry_begin(struct telemetry *telemetry, const struct telemetry_series *series, size_t count)
{
	if (count >= TELEMETRY_SERIES_MAX)
		return -E2BIG;
	begin(telemetry, false);
	for (size_t i = 0; i < count; i++)
		add_slot(telemetry, &series[i], EVERY_PRESET);
	return 0;
}

void telemetry_begin_any(struct telemetry *telemetry)
{
	begin(telemetry, true);
	for (size_t i = 0; i < TELEMETRY_PRESETS; i++)
		for (size_t j = 0; j < telemetry_presets[i].count; j++)
			add_slot(telemetry, &telemetry_presets[i].series[j], (int)i);
}

/* ---- samples ----------------------------------------------------------------------------------------------- */

static bool has_name(const struct slot *slot, const char *name, size_t length)
{
	return slot->name_length == length && !memcmp(slot->series->name, name, length);
}

static bool wants(void *context, const char *name, size_t length)
{
	const struct telemetry *telemetry = context;

	if (!(telemetry->lengths & length_bit(length)))
		return false;
	for (size_t i = 0; i < telemetry->slot_count; i++)
		if (has_name(&telemetry->slots[i], name, length))
			return true;
	return false;
}

/* The value of a label; a label that is not there is as good as an empty one. */
static const char *label_value(const struct exposition_sample *sample, const char *name, size_t *ret_length)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < sample->label_count; i++) {
		const struct exposition_label *label = &sample->labels[i];

		if (label->name_length == length && !memcmp(label->name, name, length)) {
			*ret_length = label->value_length;
			return label->value;
		}
	}
	*ret_length = 0;
	return "";
}

static bool is_meant(const struct telemetry_series *series, const struct exposition_sample *sample)
{
	const char *value;
	size_t length;

	if (!series->label)
		return true;
	value = label_value(sample, series->label, &length);
	return length == strlen(series->equals) && !memcmp(value, series->equals, length);
}

/* To the sum, unless it is a replica of what is there. */
static void add_count(struct telemetry *telemetry, size_t index, const struct exposition_sample *sample)
{
	struct slot *slot = &telemetry->slots[index];
	uint64_t hash = 0xcbf29ce484222325;
	struct group *group;
	const char *value;
	size_t length;

	if (!slot->series->each) {
		slot->value += sample->value;
		return;
	}
	value = label_value(sample, slot->series->each, &length);
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)value[i]) * 0x100000001b3;
	for (size_t i = 0; i < telemetry->group_count; i++) {
		group = &telemetry->groups[i];
		if (group->slot != index || group->label != hash)
			continue;
		if (sample->value > group->largest) {
			slot->value += sample->value - group->largest;
			group->largest = sample->value;
		}
		return;
	}
	if (telemetry->group_count == TELEMETRY_GROUPS_MAX) {
		slot->too_many = true;
		return;
	}
	telemetry->groups[telemetry->group_count++] =
		(struct group){.label = hash, .slot = index, .largest = sample->value};
	slot->value += sample->value;
}

static void add(struct telemetry *telemetry, size_t index, const struct exposition_sample *sample)
{
	struct slot *slot = &telemetry->slots[index];
	enum telemetry_kind kind = slot->series->kind;
	double value = sample->value, limit = kind == TELEMETRY_PERCENT ? 100 : 1;

	slot->seen = telemetry->seen = true;
	if (sample->type != EXPOSITION_GAUGE && sample->type != EXPOSITION_UNKNOWN)
		slot->not_gauge = true;
	else if (!isfinite(value) || value < 0 || (value >= SENTINEL && kind != TELEMETRY_TIME))
		slot->no_value = true;
	else if (kind == TELEMETRY_COUNT)
		add_count(telemetry, index, sample);
	else if (kind == TELEMETRY_PERCENT && value > limit)
		slot->no_value = true;
	else if (kind == TELEMETRY_RATIO && value > limit)
		slot->percentage = true;
	else if (kind == TELEMETRY_PERCENT && value / limit > slot->value)
		slot->value = value / limit;
	else if (kind != TELEMETRY_PERCENT && value > slot->value)
		slot->value = value;
}

static void take(void *context, const struct exposition_sample *sample)
{
	struct telemetry *telemetry = context;

	for (size_t i = 0; i < telemetry->slot_count; i++)
		if (has_name(&telemetry->slots[i], sample->name, sample->name_length) &&
		    is_meant(telemetry->slots[i].series, sample))
			add(telemetry, i, sample);
}

struct exposition_consumer telemetry_consumer(struct telemetry *telemetry)
{
	return (struct exposition_consumer){.wants = wants, .take = take, .context = telemetry};
}

/* ---- what comes of it -------------------------------------------------------------------------------------- */

static bool is_bad(const struct slot *slot)
{
	return slot->not_gauge || slot->percentage || slot->no_value || slot->too_many;
}

static bool gives(const struct slot *slot, int preset, enum telemetry_quantity quantity)
{
	return (slot->preset == preset || slot->preset == EVERY_PRESET) && slot->series->quantity == quantity;
}

/* Is any series of the quantity there, by one of its names now, or by a former one? */
static bool is_seen(const struct telemetry *telemetry, int preset, enum telemetry_quantity quantity, bool former)
{
	for (size_t i = 0; telemetry->seen && i < telemetry->slot_count; i++)
		if (telemetry->slots[i].seen && gives(&telemetry->slots[i], preset, quantity) &&
		    telemetry->slots[i].series->former == former)
			return true;
	return false;
}

/* Of the preset's quantities, how many are there? */
static unsigned int score(const struct telemetry *telemetry, int preset)
{
	unsigned int quantities = 0;

	for (size_t quantity = 0; quantity < TELEMETRY_START_TIME; quantity++)
		quantities += is_seen(telemetry, preset, (enum telemetry_quantity)quantity, false) ||
			      is_seen(telemetry, preset, (enum telemetry_quantity)quantity, true);
	return quantities;
}

static int best_preset(const struct telemetry *telemetry)
{
	unsigned int best_score = 0;
	int best = EVERY_PRESET;

	for (int i = 0; i < TELEMETRY_PRESETS; i++) {
		unsigned int found = score(telemetry, i);

		if (found > best_score) {
			best = i;
			best_score = found;
		}
	}
	return best;
}

static void find(struct telemetry_findings *findings, enum telemetry_finding_code code, const char *name)
{
	for (size_t i = 0; i < findings->count; i++)
		if (findings->items[i].code == code && !strcmp(findings->items[i].name, name))
			return;
	if (findings->count == TELEMETRY_FINDINGS_MAX) {
		findings->more = true;
		return;
	}
	findings->items[findings->count++] = (struct telemetry_finding){.code = code, .name = name};
}

static void find_faults(struct telemetry_findings *findings, const struct slot *slot)
{
	const char *name = slot->series->name;

	if (slot->series->former)
		find(findings, TELEMETRY_DRIFTED, name);
	if (slot->not_gauge)
		find(findings, TELEMETRY_NOT_A_GAUGE, name);
	if (slot->percentage)
		find(findings, TELEMETRY_PERCENTAGE, name);
	if (slot->no_value)
		find(findings, TELEMETRY_NO_VALUE, name);
	if (slot->too_many)
		find(findings, TELEMETRY_TOO_MANY, name);
}

/* Several series of one quantity are put together as the samples of one are. */
static struct telemetry_figure figure(const struct telemetry *telemetry, int preset, enum telemetry_quantity quantity,
				      struct telemetry_findings *findings)
{
	bool now = is_seen(telemetry, preset, quantity, false);
	bool former = !now && is_seen(telemetry, preset, quantity, true);
	struct telemetry_figure figure = {.known = now || former};

	for (size_t i = 0; i < telemetry->slot_count; i++) {
		const struct slot *slot = &telemetry->slots[i];

		if (!gives(slot, preset, quantity) || slot->series->former != former)
			continue;
		if (!slot->seen) {
			if (slot->series->optional || slot->series->former)
				continue;
			find(findings, TELEMETRY_MISSING, slot->series->name);
			figure.known = false;
			continue;
		}
		find_faults(findings, slot);
		figure.known &= !is_bad(slot);
		if (slot->series->kind == TELEMETRY_COUNT)
			figure.value += slot->value;
		else if (slot->value > figure.value)
			figure.value = slot->value;
	}
	if (!figure.known)
		figure.value = 0;
	return figure;
}

const struct telemetry_preset *telemetry_end(const struct telemetry *telemetry, struct telemetry_reading *ret_reading,
					     struct telemetry_findings *ret_findings)
{
	int preset = telemetry->any ? best_preset(telemetry) : EVERY_PRESET;
	struct telemetry_findings findings = {0};
	struct telemetry_reading reading;

	if (telemetry->any && preset == EVERY_PRESET)
		find(&findings, TELEMETRY_NO_PRESET, "");
	for (size_t i = 0; i < TELEMETRY_QUANTITIES; i++)
		reading.figures[i] = figure(telemetry, preset, (enum telemetry_quantity)i, &findings);
	*ret_reading = reading;
	if (ret_findings)
		*ret_findings = findings;
	return preset == EVERY_PRESET ? NULL : &telemetry_presets[preset];
}
