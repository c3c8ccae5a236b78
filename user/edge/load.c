// SPDX-License-Identifier: GPL-2.0-only
#include "edge/load.h"

#include <math.h>
#include <string.h>

#include "base/array.h"

#define START_TIME "process_start_time_seconds"

static const char *const finding_words[] = {
	[TELEMETRY_NO_PRESET] = "no-preset",   [TELEMETRY_MISSING] = "missing",
	[TELEMETRY_DRIFTED] = "drifted",       [TELEMETRY_NOT_A_GAUGE] = "not-a-gauge",
	[TELEMETRY_PERCENTAGE] = "percentage", [TELEMETRY_NO_VALUE] = "no-value",
	[TELEMETRY_TOO_MANY] = "too-many",
};
_Static_assert(ARRAY_COUNT(finding_words) == EDGE_FINDING_CODES, "the edge's codes are those of telemetry.h");

const char *load_finding_word(uint8_t code)
{
	return code < ARRAY_COUNT(finding_words) ? finding_words[code] : "unknown";
}

static const struct telemetry_preset *preset_of(enum load_server server)
{
	return server > LOAD_OWN && server < LOAD_SERVERS_COUNT ? telemetry_preset(load_server_words[server]) : NULL;
}

/* Those that are named, in the order of `names`. */
static size_t own_series(const struct edge_source *source, struct telemetry_series own[LOAD_OWN_SERIES])
{
	const struct telemetry_series all[LOAD_OWN_SERIES] = {
		{.name = source->waiting, .quantity = TELEMETRY_WAITING, .kind = TELEMETRY_COUNT},
		{.name = source->running, .quantity = TELEMETRY_RUNNING, .kind = TELEMETRY_COUNT},
		{.name = source->use,
		 .quantity = TELEMETRY_USE,
		 .kind = source->use_percent ? TELEMETRY_PERCENT : TELEMETRY_RATIO},
	};
	size_t count = 0;

	for (size_t i = 0; i < LOAD_OWN_SERIES; i++)
		if (*all[i].name)
			own[count++] = all[i];
	return count;
}

void load_begin(struct telemetry *telemetry, const struct edge_source *source,
		struct telemetry_series own[LOAD_OWN_SERIES])
{
	const struct telemetry_preset *preset = preset_of((enum load_server)source->server);

	if (source->server == LOAD_AUTO)
		telemetry_begin_any(telemetry);
	else if (preset)
		telemetry_begin(telemetry, preset->series, preset->count);
	else
		telemetry_begin(telemetry, own, own_series(source, own));
}

static enum load_server server_of(const struct telemetry_preset *preset)
{
	for (size_t i = LOAD_OWN + 1; preset && i < LOAD_SERVERS_COUNT; i++)
		if (!strcmp(load_server_words[i], preset->name))
			return (enum load_server)i;
	return LOAD_NOT_SCRAPED;
}

/* Its number, as load_series has it. */
static uint8_t number_of(const struct edge_source *source, const struct telemetry_preset *preset, const char *name)
{
	const char *const own[LOAD_OWN_SERIES] = {source->waiting, source->running, source->use};

	for (uint8_t i = 0; preset && i < preset->count; i++)
		if (!strcmp(preset->series[i].name, name))
			return i;
	for (uint8_t i = 0; !preset && *name && i < LOAD_OWN_SERIES; i++)
		if (!strcmp(own[i], name))
			return i;
	return strcmp(name, START_TIME) != 0 ? EDGE_SERIES_NONE : EDGE_SERIES_START_TIME;
}

void load_end(const struct telemetry *telemetry, const struct edge_source *source, struct edge_load *ret_load)
{
	enum load_server server = (enum load_server)source->server;
	struct telemetry_findings findings = {0};
	struct telemetry_reading reading;
	const struct telemetry_preset *found = telemetry_end(telemetry, &reading, &findings), *preset;

	if (server == LOAD_AUTO)
		server = server_of(found);
	preset = preset_of(server);
	*ret_load = (struct edge_load){.server = (uint8_t)server};
	for (size_t i = 0; i < EDGE_FIGURES; i++)
		ret_load->figures[i] = reading.figures[i].known ? reading.figures[i].value : NAN;
	for (size_t i = 0; i < findings.count && ret_load->finding_count < EDGE_FINDINGS_MAX; i++)
		ret_load->findings[ret_load->finding_count++] = (struct edge_finding){
			.code = (uint8_t)findings.items[i].code,
			.series = number_of(source, preset, findings.items[i].name),
		};
}

const char *load_series(const struct load_source *source, enum load_server server, uint8_t series)
{
	const char *const own[LOAD_OWN_SERIES] = {source->waiting, source->running, source->use};
	const struct telemetry_preset *preset = preset_of(server);

	if (series == EDGE_SERIES_START_TIME)
		return START_TIME;
	if (preset)
		return series < preset->count ? preset->series[series].name : "";
	return source->server == LOAD_OWN && series < LOAD_OWN_SERIES && own[series] ? own[series] : "";
}
