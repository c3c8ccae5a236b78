/* SPDX-License-Identifier: GPL-2.0-only */
/* Gates in words: for the log, the audit, `show gates` and `explain`. */
#ifndef USHER_DAEMON_GATE_REPORT_H
#define USHER_DAEMON_GATE_REPORT_H

#include "base/json.h"
#include "daemon/gates.h"

#define GATE_SENTENCE 512

/* "accuracy-floor on credit-scorer@3.2.0 is breached: 0.871 (0.856 to 0.885, 2,140 samples, 12 s old), for 10 m below 0.9: quarantine" */
const char *gate_sentence(const struct policy *policy, const struct gate_instance *instance, char text[GATE_SENTENCE]);
/* "gate", "on", and "model" with "version", "backend" or "service". */
void gate_report_subject(struct json *to, const struct policy *policy, const struct gate_instance *instance);
/* Everything about the state that it is in; of one that has never been stepped, what an earlier daemon knew. */
void gate_report_state(struct json *to, const struct gate_policy *gate, const struct gate_instance *instance);

#endif
