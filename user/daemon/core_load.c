// SPDX-License-Identifier: GPL-2.0-only
/* What backends' metrics say of their load: whom the edge asks, and what it has told. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/core.h"

_Static_assert(ARRAY_COUNT(((struct load_facts *)0)->findings) == EDGE_FINDINGS_MAX, "as many as the edge tells");

static void copy_text(char *to, size_t room, const char *from)
{
	snprintf(to, room, "%s", from ? from : "");
}

struct edge_source core_source(const struct backend *backend)
{
	const struct load_source *load = &backend->load;
	struct edge_source source = {.address = backend->address,
				     .port = load->port ? load->port : backend->port,
				     .tls = load->tls,
				     .verify = load->verify,
				     .server = (uint8_t)load->server,
				     .use_percent = load->use_percent,
				     .every_ms = load->every_ms,
				     .timeout_ms = load->timeout_ms};

	copy_text(source.host, sizeof(source.host), load->host);
	copy_text(source.path, sizeof(source.path), load->path);
	copy_text(source.waiting, sizeof(source.waiting), load->waiting);
	copy_text(source.running, sizeof(source.running), load->running);
	copy_text(source.use, sizeof(source.use), load->use);
	return source;
}

static void take_page(struct load_facts *facts, const struct edge_load *load)
{
	facts->observed_at = clock_monotonic() - load->age_ms * CLOCK_MILLISECOND;
	facts->waiting = load->figures[0];
	facts->running = load->figures[1];
	facts->use = load->figures[2];
	facts->start_time = load->figures[3];
	facts->server = (enum load_server)load->server;
	facts->finding_count = load->finding_count;
	for (size_t i = 0; i < load->finding_count; i++) {
		facts->findings[i].code = load->findings[i].code;
		facts->findings[i].series = load->findings[i].series;
	}
}

/* A line when metrics that could be read no longer can, and when they can again. */
static void say(struct core *core, const struct backend *backend, struct cause before, struct cause cause)
{
	char text[CAUSE_TEXT];

	if ((before.kind == CAUSE_NONE) == (cause.kind == CAUSE_NONE) ||
	    !quota_take(&core->verdict_lines, clock_monotonic()))
		return;
	if (cause.kind == CAUSE_NONE)
		log_info("the metrics of backend %s can be read", backend->name);
	else
		log_info("the metrics of backend %s cannot be read: %s", backend->name,
			 cause_print(cause, backend->load.path, text));
}

void core_load_fact(struct core *core, const struct edge_fact *fact)
{
	struct cause cause = {(enum cause_kind)fact->cause, fact->number};
	struct load_facts *facts;
	size_t backend;

	if (fact->round != core->watch_round || fact->target >= core->scraped_count)
		return;
	backend = core->scraped[fact->target];
	facts = &core->facts.backends[backend].load;
	say(core, &core->policy->backends[backend], facts->cause, cause);
	facts->asked = true;
	facts->cause = cause;
	if (cause.kind == CAUSE_NONE) {
		take_page(facts, &fact->load);
		core_process_seen(core, backend);
	}
}

bool core_load_is_fresh(const struct load_source *source, const struct load_facts *facts, int64_t now)
{
	return facts->observed_at && now - facts->observed_at <= source->stale_after_ms * CLOCK_MILLISECOND;
}
