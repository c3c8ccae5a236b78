// SPDX-License-Identifier: GPL-2.0-only
/* What backends say they serve: whom the edge asks, what comes of the answers, and what is kept of it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/core.h"
#include "daemon/verify.h"

/* How often what is kept is written down while answers live: four times in the shortest life of one, once a minute at least. */
#define SAVES_A_LIFE 4
#define SAVE_APART_MS 60000

_Static_assert(VERIFICATION_FOUND == EDGE_FOUND_MAX + 1, "as much as the edge tells");

struct edge_source core_identity_source(const struct backend *backend)
{
	const struct verify *verify = &backend->verify;
	struct edge_source source = {.address = backend->address,
				     .port = verify->port ? verify->port : backend->port,
				     .tls = verify->tls,
				     .verify = verify->certificate,
				     .kind = EDGE_SOURCE_IDENTITY,
				     .every_ms = verify->every_ms,
				     .timeout_ms = verify->timeout_ms};

	snprintf(source.host, sizeof(source.host), "%s", verify->host ? verify->host : "");
	snprintf(source.path, sizeof(source.path), "%s", verify->path);
	snprintf(source.pointer, sizeof(source.pointer), "%s", verify->pointer);
	snprintf(source.equals, sizeof(source.equals), "%s", verify->equals);
	return source;
}

/* Of another question or another place an answer says nothing. */
static void print_expects(const struct backend *backend, char expects[SHA256_HEX])
{
	struct edge_source source = core_identity_source(backend);

	source.every_ms = source.timeout_ms = 0;
	sha256_hex(&source, sizeof(source), expects);
}

bool core_asks_the_same(const struct backend *a, const struct backend *b)
{
	char first[SHA256_HEX], second[SHA256_HEX];

	if (!a->verify.given || !b->verify.given)
		return false;
	print_expects(a, first);
	print_expects(b, second);
	return !strcmp(first, second);
}

static void note_transition(struct core *core, const struct backend *backend, const struct verification *verification);

/* ---- what is kept -------------------------------------------------------------------------------------------- */

/*
 * Who has answered before need not prove itself to each new daemon, nor is it forgotten that somebody was another. How old an answer is
 * goes on while no daemon runs: one that is stale by now, or of a time that is still to come, verifies nobody.
 */
void core_recall_verification(const struct core *core, const struct backend *backend, struct verification *to)
{
	const struct state_verification *kept = state_verification(core->state, backend->name);
	char expects[SHA256_HEX];
	int64_t age;

	*to = (struct verification){.start_time = NAN};
	if (!backend->verify.given || !kept)
		return;
	print_expects(backend, expects);
	if (strcmp(kept->expects, expects) != 0)
		return;
	to->state = kept->state;
	to->start_time = kept->start_time;
	age = clock_realtime() - kept->good_at;
	if (kept->good_at)
		to->good_at = clock_monotonic() - age;
	if (to->state == VERIFICATION_VERIFIED &&
	    (!kept->good_at || age < 0 || age > backend->verify.stale_after_ms * CLOCK_MILLISECOND))
		to->state = VERIFICATION_STALE;
	snprintf(to->found, sizeof(to->found), "%s", kept->found);
}

/* On the wall's clock, which outlives the daemon. */
static int64_t good_at(const struct verification *verification)
{
	return verification->good_at ? clock_realtime() - (clock_monotonic() - verification->good_at) : 0;
}

static void keep(struct core *core, const struct backend *backend, const struct verification *verification)
{
	struct state_verification kept = {
		.state = verification->state, .start_time = verification->start_time, .good_at = good_at(verification)};

	snprintf(kept.name, sizeof(kept.name), "%s", backend->name);
	snprintf(kept.found, sizeof(kept.found), "%s", verification->found);
	print_expects(backend, kept.expects);
	state_keep_verification(core->state, &kept);
}

void core_forget_verifications(struct core *core)
{
	struct state *state = core->state;
	char expects[SHA256_HEX];
	size_t kept = 0, index;

	for (size_t i = 0; i < state->verification_count; i++) {
		if (core_backend(core, state->verifications[i].name, &index) ||
		    !core->policy->backends[index].verify.given)
			continue;
		print_expects(&core->policy->backends[index], expects);
		if (!strcmp(expects, state->verifications[i].expects))
			state->verifications[kept++] = state->verifications[i];
	}
	state->verification_count = kept;
}

/* Answers and processes make no transition, and are kept all the same. */
int core_verify_save(struct core *core)
{
	struct state *state = core->state;
	size_t index;
	int error;

	core->verifications_saved = clock_monotonic();
	if (!state->verification_count || !core->policy)
		return 0;
	for (size_t i = 0; i < state->verification_count; i++) {
		struct state_verification *kept = &state->verifications[i];
		const struct verification *verification;

		if (core_backend(core, kept->name, &index))
			continue;
		verification = &core->facts.backends[index].verification;
		kept->good_at = good_at(verification);
		kept->start_time = verification->start_time;
		/* What has become stale while no daemon ran. */
		if (kept->state != verification->state)
			note_transition(core, &core->policy->backends[index], verification);
	}
	error = state_save(state);
	if (error)
		core_problem(core, "cannot write the state folder %s: %s", core->options->state_dir, strerror(-error));
	return error;
}

/* ---- transitions --------------------------------------------------------------------------------------------- */

static void note_transition(struct core *core, const struct backend *backend, const struct verification *verification)
{
	char text[VERIFY_SENTENCE];
	struct json *record;

	verify_sentence(backend, verification, text);
	if (verification->state == VERIFICATION_VERIFIED)
		log_info("backend %s", text);
	else
		log_warning("backend %s", text);
	record = journal_operation(core->journal, "verification", NULL);
	json_string(record, "backend", backend->name);
	verify_report(record, backend, verification, clock_monotonic());
	if (journal_operation_end(core->journal))
		core_problem(core, "the audit log in %s cannot be written", core->options->audit_dir);
	keep(core, backend, verification);
	if (state_save(core->state))
		core_problem(core, "cannot write the state folder %s", core->options->state_dir);
	core->dirty = true;
}

void core_identity_fact(struct core *core, const struct edge_fact *fact)
{
	struct cause cause = {(enum cause_kind)fact->cause, fact->number};
	const struct backend *backend;
	struct verification *verification;
	bool changed, first;
	size_t index;

	if (fact->round != core->watch_round || fact->target >= core->scraped_count)
		return;
	index = core->scraped[fact->target];
	backend = &core->policy->backends[index];
	verification = &core->facts.backends[index].verification;
	first = !verification->asked;
	if (cause.kind == CAUSE_NONE)
		changed = verification_answer(verification, fact->identity.matches, fact->identity.found,
					      clock_monotonic() - fact->identity.age_ms * CLOCK_MILLISECOND);
	else
		changed = verification_silence(verification, cause);
	if (changed)
		note_transition(core, backend, verification);
	if (first)
		core->dirty = true;
}

void core_process_seen(struct core *core, size_t index)
{
	const struct load_facts *load = &core->facts.backends[index].load;
	struct verification *verification = &core->facts.backends[index].verification;

	if (core->policy->backends[index].verify.given &&
	    verification_process(verification, load->start_time, load->observed_at))
		note_transition(core, &core->policy->backends[index], verification);
}

void core_verify_tick(struct core *core)
{
	int64_t now = clock_monotonic(), least = SAVE_APART_MS * SAVES_A_LIFE;

	for (size_t b = 0; core->policy && b < core->policy->backend_count; b++) {
		const struct backend *backend = &core->policy->backends[b];

		if (backend->verify.given && verification_tick(&core->facts.backends[b].verification,
							       backend->verify.stale_after_ms * CLOCK_MILLISECOND, now))
			note_transition(core, backend, &core->facts.backends[b].verification);
		if (backend->verify.given && backend->verify.stale_after_ms < least)
			least = backend->verify.stale_after_ms;
	}
	/* So that a daemon that is killed and comes back at once finds what it has found good. */
	if (now - core->verifications_saved >= least / SAVES_A_LIFE * CLOCK_MILLISECOND)
		core_verify_save(core);
}
