/* SPDX-License-Identifier: GPL-2.0-only */
/* Approvals as members of a JSON object: "approvals": [{"approver"|null, "signature": base64}...], and of a going back "instead_of". */
#ifndef USHER_DAEMON_APPROVAL_TEXT_H
#define USHER_DAEMON_APPROVAL_TEXT_H

#include <json-c/json.h>

#include "audit/approvers.h"
#include "base/json.h"

void approval_print(struct json *to, const struct approval *approval);
/* As kept ones. An object without them has none. Returns 0 or -EINVAL. */
int approval_parse(struct json_object *object, struct approval *ret_approval);

#endif
