/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Operations as events of the Open Cybersecurity Schema Framework, release 1.3.0: class 3004, Entity Management, as what they change is what usher manages.
 *
 *   activity     Update; Delete: policy-deleted, segment-deleted; Suspend, Resume: quarantine, release; Deactivate, Activate: drain, stop, undrain, start, adopt;
 *                Other: one that is not known here
 *   entity       name, type, of a policy uid (its digest) and version (its revision): what was changed
 *   actor        user {name, uid}, process {pid} of who asked for it; app_name: usher itself
 *   status       Failure: refused;  severity  Informational; Low: refused; Medium: quarantined, mended, damaged; High: a segment of the log is lost
 *   comment      why;  metadata.event_code  the activity as the record has it
 *   unmapped     the record's other fields, as they are
 */
#ifndef USHER_AUDIT_OCSF_OPERATION_H
#define USHER_AUDIT_OCSF_OPERATION_H

#include "audit/fields.h"
#include "base/json.h"

/* Of a record that is an operation, whose fields these are. Returns as ocsf_event. */
bool ocsf_operation(struct json *to, const char *line, size_t length, const struct fields *fields,
		    const char *product_version);

#endif
