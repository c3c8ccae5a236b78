// SPDX-License-Identifier: GPL-2.0-only
#include "govern/rollout.h"

#include <string.h>

const char *const rollout_state_names[ROLLOUT_STATES] = {
	[ROLLOUT_WAITING] = "waiting",	       [ROLLOUT_RUNNING] = "running", [ROLLOUT_PAUSED] = "paused",
	[ROLLOUT_ROLLED_BACK] = "rolled-back", [ROLLOUT_ABORTED] = "aborted", [ROLLOUT_DONE] = "done",
};

const char *const rollout_hold_names[ROLLOUT_HOLDS] = {
	[ROLLOUT_HOLD_NOT] = "good",
	[ROLLOUT_HOLD_UNKNOWN] = "unknown",
	[ROLLOUT_HOLD_EARLIER] = "earlier",
	[ROLLOUT_HOLD_BREACHED] = "breached",
};

const char *const rollout_order_names[ROLLOUT_ORDERS] = {
	[ROLLOUT_PAUSE] = "pause",
	[ROLLOUT_RESUME] = "resume",
	[ROLLOUT_ABORT] = "abort",
	[ROLLOUT_PROMOTE] = "promote",
};

uint8_t rollout_share(const struct rollout_settings *settings, const struct rollout *rollout)
{
	return rollout->step ? settings->steps[rollout->step - 1] : 0;
}

void rollout_wake(struct rollout *rollout)
{
	rollout->looked = false;
}

void rollout_forget_evidence(struct rollout *rollout)
{
	rollout->watched = 0;
	rollout->flows = 0;
	rollout->breach = 0;
}

/* ---- moves --------------------------------------------------------------------------------------------------- */

static void go_on(const struct rollout_settings *settings, struct rollout *rollout)
{
	rollout->state = !rollout->step				 ? ROLLOUT_WAITING
			 : rollout->step == settings->step_count ? ROLLOUT_DONE
								 : ROLLOUT_RUNNING;
}

static void take_step(const struct rollout_settings *settings, struct rollout *rollout)
{
	rollout_forget_evidence(rollout);
	rollout->step++;
	/* Who has paused it goes on by hand. */
	if (rollout->state != ROLLOUT_PAUSED || rollout->step == settings->step_count)
		go_on(settings, rollout);
}

static void fall_back(struct rollout *rollout, enum rollout_state state)
{
	rollout_forget_evidence(rollout);
	rollout->step = 0;
	rollout->state = (uint8_t)state;
}

static uint8_t first_breach(const struct rollout_settings *settings, const struct rollout_need *needs)
{
	for (size_t i = 0; i < settings->need_count; i++)
		if (needs[i].verdict == ROLLOUT_BAD)
			return (uint8_t)(i + 1);
	return 0;
}

/* ---- looking ------------------------------------------------------------------------------------------------- */

/* What has passed since the last look, as far as it counts. */
static int64_t passed(struct rollout *rollout, int64_t now)
{
	int64_t seconds = 0;

	if (rollout->looked && now > rollout->looked_at)
		seconds = __builtin_sub_overflow(now, rollout->looked_at, &seconds) ? ROLLOUT_LOOKS_APART : seconds;
	rollout->looked = true;
	rollout->looked_at = now;
	return seconds < ROLLOUT_LOOKS_APART ? seconds : ROLLOUT_LOOKS_APART;
}

static void gather(struct rollout *rollout, const struct rollout_evidence *evidence, int64_t now)
{
	bool looked = rollout->looked;
	int64_t seconds = passed(rollout, now);

	if (!looked || rollout->state != ROLLOUT_RUNNING || !evidence->in_force)
		return;
	if (__builtin_add_overflow(rollout->watched, seconds, &rollout->watched))
		rollout->watched = INT64_MAX;
	if (__builtin_add_overflow(rollout->flows, evidence->flows, &rollout->flows))
		rollout->flows = UINT64_MAX;
}

static enum rollout_hold hold_of(const struct rollout *rollout, const struct rollout_need *need)
{
	switch (need->verdict) {
	case ROLLOUT_BAD:
		return ROLLOUT_HOLD_BREACHED;
	case ROLLOUT_GOOD:
		if (need->age < 0)
			return ROLLOUT_HOLD_UNKNOWN;
		/* Before the first step there is no traffic that it could have been measured on. */
		return rollout->step && need->age > rollout->watched ? ROLLOUT_HOLD_EARLIER : ROLLOUT_HOLD_NOT;
	case ROLLOUT_UNKNOWN:
		break;
	}
	return ROLLOUT_HOLD_UNKNOWN;
}

/* What is missing now; returns whether nothing is. */
static bool missing(const struct rollout_settings *settings, const struct rollout *rollout,
		    const struct rollout_need *needs, struct rollout_outcome *outcome)
{
	bool all = true;

	outcome->time_left = 0;
	outcome->flows_left = 0;
	if (rollout->step && rollout->watched < settings->every)
		outcome->time_left = settings->every - rollout->watched;
	if (rollout->step && rollout->flows < settings->min_flows)
		outcome->flows_left = settings->min_flows - rollout->flows;
	for (size_t i = 0; i < settings->need_count; i++) {
		outcome->holds[i] = hold_of(rollout, &needs[i]);
		all = all && outcome->holds[i] == ROLLOUT_HOLD_NOT;
	}
	return all && !outcome->time_left && !outcome->flows_left;
}

/* A breach has to act on whatever shares are in force. */
static bool take_back(const struct rollout_settings *settings, struct rollout *rollout, uint8_t breach)
{
	if (!breach || !rollout->step)
		return false;
	if (settings->on_breach == ROLLOUT_BREACH_ROLLBACK)
		fall_back(rollout, ROLLOUT_ROLLED_BACK);
	else if (rollout->state == ROLLOUT_PAUSED)
		return false;
	else
		rollout->state = ROLLOUT_PAUSED;
	rollout->breach = breach;
	return true;
}

void rollout_look(const struct rollout_settings *settings, struct rollout *rollout,
		  const struct rollout_evidence *evidence, int64_t now, struct rollout_outcome *ret_outcome)
{
	struct rollout_outcome outcome = {.was = (enum rollout_state)rollout->state,
					  .share_before = rollout_share(settings, rollout)};
	bool ready;

	gather(rollout, evidence, now);
	outcome.watched = rollout->watched;
	outcome.flows = rollout->flows;
	ready = missing(settings, rollout, evidence->needs, &outcome) &&
		(rollout->state == ROLLOUT_WAITING || rollout->state == ROLLOUT_RUNNING) && evidence->in_force;
	outcome.changed = take_back(settings, rollout, first_breach(settings, evidence->needs));
	if (!outcome.changed && ready) {
		take_step(settings, rollout);
		outcome.changed = true;
	}
	if (outcome.changed)
		missing(settings, rollout, evidence->needs, &outcome);
	outcome.share = rollout_share(settings, rollout);
	if (rollout->step < settings->step_count)
		outcome.next_share = settings->steps[rollout->step];
	*ret_outcome = outcome;
}

/* ---- operators ----------------------------------------------------------------------------------------------- */

static enum rollout_answer resume(const struct rollout_settings *settings, struct rollout *rollout, bool breached)
{
	if (rollout->state == ROLLOUT_ROLLED_BACK || rollout->state == ROLLOUT_ABORTED)
		fall_back(rollout, ROLLOUT_WAITING);
	else if (rollout->state != ROLLOUT_PAUSED)
		return ROLLOUT_NOTHING;
	else if (breached && rollout->step)
		return ROLLOUT_BREACH;
	else
		go_on(settings, rollout);
	rollout_wake(rollout); /* what came before it is no evidence */
	rollout->breach = 0;
	return ROLLOUT_OBEYED;
}

enum rollout_answer rollout_obey(const struct rollout_settings *settings, struct rollout *rollout,
				 enum rollout_order order, const struct rollout_need *needs)
{
	bool breached = first_breach(settings, needs);
	bool over = rollout->state == ROLLOUT_DONE || rollout->state == ROLLOUT_ROLLED_BACK ||
		    rollout->state == ROLLOUT_ABORTED;

	switch (order) {
	case ROLLOUT_PAUSE:
		if (rollout->state == ROLLOUT_PAUSED)
			return ROLLOUT_NOTHING;
		if (over)
			return ROLLOUT_OVER;
		rollout->state = ROLLOUT_PAUSED;
		return ROLLOUT_OBEYED;
	case ROLLOUT_RESUME:
		return resume(settings, rollout, breached);
	case ROLLOUT_ABORT:
		if (rollout->state == ROLLOUT_ABORTED)
			return ROLLOUT_NOTHING;
		fall_back(rollout, ROLLOUT_ABORTED);
		return ROLLOUT_OBEYED;
	case ROLLOUT_PROMOTE:
		if (over || rollout->step == settings->step_count)
			return ROLLOUT_OVER;
		if (breached)
			return ROLLOUT_BREACH;
		rollout_wake(rollout);
		take_step(settings, rollout);
		return ROLLOUT_OBEYED;
	case ROLLOUT_ORDERS:
		break;
	}
	return ROLLOUT_NOTHING;
}

/* ---- memory -------------------------------------------------------------------------------------------------- */

bool rollout_is_sound(const struct rollout_settings *settings, const struct rollout *rollout)
{
	static const uint8_t none[sizeof(rollout->padding)];

	if (rollout->looked > 1 || rollout->watched < 0 || rollout->step > settings->step_count ||
	    rollout->breach > settings->need_count || memcmp(rollout->padding, none, sizeof(none)) != 0)
		return false;
	switch (rollout->state) {
	case ROLLOUT_WAITING:
	case ROLLOUT_ROLLED_BACK:
	case ROLLOUT_ABORTED:
		return !rollout->step;
	case ROLLOUT_RUNNING:
		return rollout->step && rollout->step < settings->step_count;
	case ROLLOUT_PAUSED:
		return true;
	case ROLLOUT_DONE:
		return rollout->step == settings->step_count;
	default:
		return false;
	}
}
