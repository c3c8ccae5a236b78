// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/alarms.h"

#include <inttypes.h>
#include <string.h>

#include "audit/alarm.h"
#include "audit/journal.h"
#include "base/clock.h"
#include "base/log.h"

#define LOST_APART (60 * CLOCK_SECOND)

/* Is it to be said now? */
static bool begins(bool *said, bool is_there)
{
	bool before = *said;

	*said = is_there;
	return is_there && !before;
}

void alarms_log(struct alarms *alarms, struct core *core, int error)
{
	if (begins(&alarms->log, error))
		core_problem(core, "the audit log in %s cannot be written: %s; records wait in memory",
			     core->options->audit_dir, strerror(-error));
}

/* Which is tried again each minute: between two tries nothing has failed. */
void alarms_keeper(struct alarms *alarms, struct core *core, int error)
{
	if (error && begins(&alarms->keeper, true))
		core_problem(core, "closed files of the audit log in %s cannot be seen to: %s; tried again each minute",
			     core->options->audit_dir, strerror(-error));
}

static void look_at_losses(struct alarms *alarms, struct core *core, const struct journal_totals *totals, int64_t now)
{
	if (totals->segments_lost != alarms->segments_lost)
		core_problem(core,
			     "the newest file of the audit log in %s was deleted, or a disk that failed has lost what "
			     "was written to it; another one goes on",
			     core->options->audit_dir);
	alarms->segments_lost = totals->segments_lost;
	if (totals->lost == alarms->lost || (alarms->lost && now - alarms->lost_at < LOST_APART))
		return;
	log_warning("%" PRIu64
		    " decisions found no room to wait for the audit log: they are on record as gaps, %" PRIu64
		    " by now since the daemon began",
		    totals->lost - alarms->lost, totals->lost);
	alarms->lost = totals->lost;
	alarms->lost_at = now;
}

void alarms_look(struct alarms *alarms, struct core *core, int64_t now)
{
	struct journal_totals totals;

	journal_totals(core->journal, &totals);
	look_at_losses(alarms, core, &totals, now);
	if (begins(&alarms->witness, totals.witness_error))
		core_problem(core, "the witness %s cannot be written: %s; the audit log goes on",
			     core->options->witness_file, strerror(-totals.witness_error));
	if (begins(&alarms->behind, totals.behind >= ALARM_BEHIND_MS * CLOCK_MILLISECOND))
		core_problem(core, "records have waited for the disk of the audit log in %s for more than %d s",
			     core->options->audit_dir, ALARM_BEHIND_MS / 1000);
	if (begins(&alarms->room, alarm_is_short(totals.disk_free, totals.disk_size)))
		core_problem(core, "the disk of the audit log in %s has %" PRIu64 " of %" PRIu64 " MiB left",
			     core->options->audit_dir, totals.disk_free >> 20, totals.disk_size >> 20);
}
