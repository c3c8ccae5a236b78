/* SPDX-License-Identifier: GPL-2.0-only */
/* Roll-outs in words: for the log, the audit, `show rollouts` and `explain`. */
#ifndef USHER_DAEMON_ROLLOUT_REPORT_H
#define USHER_DAEMON_ROLLOUT_REPORT_H

#include "base/json.h"
#include "daemon/core.h"

#define ROLLOUT_SENTENCE 1024

/* Why it stands where it does: "4.5 h to go; accuracy-floor is unknown (few-samples)", "accuracy-floor was breached". */
const char *rollout_sentence(const struct core *core, const struct rollout_instance *instance,
			     char text[ROLLOUT_SENTENCE]);
/* "rollout", "service", "model", "from", "to". */
void rollout_report_subject(struct json *to, const struct policy *policy, const struct rollout_instance *instance);
/* "needs": each gate with what it says now. */
void rollout_report_needs(struct json *to, const struct core *core, const struct rollout_instance *instance);

#endif
