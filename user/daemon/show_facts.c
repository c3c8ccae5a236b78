// SPDX-License-Identifier: GPL-2.0-only
/* What is known of backends, how old it is, and what is odd about it. */
#include <math.h>

#include "base/clock.h"
#include "edge/load.h"
#include "daemon/show.h"
#include "daemon/verify.h"

void show_cause(struct json *to, struct cause cause, const char *path)
{
	char text[CAUSE_TEXT];

	if (cause.kind == CAUSE_NONE) {
		json_null(to, "cause");
		json_null(to, "cause_text");
		return;
	}
	json_string(to, "cause", cause_words[cause.kind]);
	json_string(to, "cause_text", cause_print(cause, path, text));
}

static void add_findings(struct json *to, const struct load_source *source, const struct load_facts *facts)
{
	json_array_begin(to, "findings");
	for (size_t i = 0; i < facts->finding_count; i++) {
		uint8_t code = facts->findings[i].code;

		json_object_begin(to, NULL);
		json_string(to, "code", load_finding_word(code));
		json_string(to, "series", load_series(source, facts->server, facts->findings[i].series));
		json_string(to, "text", telemetry_finding_text((enum telemetry_finding_code)code));
		json_object_end(to);
	}
	json_array_end(to);
}

static void add_figures(struct json *to, const struct load_facts *facts)
{
	char text[CLOCK_TEXT];

	json_number(to, "waiting", facts->waiting); /* NAN comes out as null */
	json_number(to, "running", facts->running);
	json_number(to, "use", facts->use);
	if (isnan(facts->start_time) || facts->start_time > 1e10)
		json_null(to, "since");
	else
		json_string(to, "since", clock_print((int64_t)facts->start_time * CLOCK_SECOND, text));
}

static void add_load(struct json *to, const struct load_source *source, const struct load_facts *facts, int64_t now)
{
	static const struct load_facts nothing = {.waiting = NAN, .running = NAN, .use = NAN, .start_time = NAN};
	bool fresh = core_load_is_fresh(source, facts, now);

	if (source->server == LOAD_NOT_SCRAPED) {
		json_null(to, "telemetry");
		return;
	}
	json_object_begin(to, "telemetry");
	json_string(to, "preset", load_server_words[source->server]);
	json_string(to, "read_as", facts->observed_at ? load_server_words[facts->server] : NULL);
	json_string(to, "path", source->path);
	json_string(to, "state",
		    !facts->asked	  ? "unasked"
		    : !facts->observed_at ? "missing"
		    : fresh		  ? "fresh"
					  : "stale");
	show_cause(to, facts->cause, source->path);
	if (facts->observed_at)
		json_number(to, "age_seconds", (double)(now - facts->observed_at) / CLOCK_SECOND);
	else
		json_null(to, "age_seconds");
	add_figures(to, fresh ? facts : &nothing);
	add_findings(to, source, facts);
	json_object_end(to);
}

void show_balance(struct question *question, uint16_t number)
{
	struct json *to = question->to;
	struct balance_view view;

	balance_view(question->core->balance, number, &view);
	if (view.basis == LOAD_BASIS_UNTOLD) {
		json_null(to, "balance");
		return;
	}
	json_object_begin(to, "balance");
	json_string(to, "basis", load_basis_words[view.basis]);
	json_number(to, "told", view.told);
	json_unsigned(to, "opened", view.opened);
	json_number(to, "load", view.now);
	json_object_end(to);
}

void show_facts(struct question *question)
{
	const struct core *core = question->core;
	struct json *to = question->to;

	for (size_t b = 0; core->policy && b < core->policy->backend_count; b++) {
		const struct backend *backend = &core->policy->backends[b];
		const struct backend_facts *facts = &core->facts.backends[b];

		json_object_begin(to, NULL);
		json_string(to, "backend", backend->name);
		json_string(to, "health", show_health(backend, facts->health));
		add_load(to, &backend->load, &facts->load, clock_monotonic());
		verify_add(to, "verification", backend, &facts->verification, clock_monotonic());
		json_object_end(to);
	}
}
