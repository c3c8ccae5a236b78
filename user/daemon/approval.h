/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The approvals that a policy has come with, on this host.
 *
 * 1. Where the host names approvers, core_load puts nothing in force without enough of them; what was approved once is judged again, by the keys
 *    that there are, each time that it is put in force.
 * 2. Time goes forward: a policy comes into force by `apply` or at the start only if its metadata.revision is greater than that of every policy that
 *    was approved, put in force and confirmed here, or if it is the one that was in force last. Going back takes an approval of its own, which names the
 *    change that it is instead of, and so is good for once.
 */
#ifndef USHER_DAEMON_APPROVAL_H
#define USHER_DAEMON_APPROVAL_H

#include "daemon/request.h"
#include "policy/model.h"

/* May it come into force? approval: NULL: there is none. Returns 0, or -EKEYREJECTED with a sentence. */
int approval_check(const struct core *core, const struct policy *policy, const char *text, size_t length,
		   struct approval *approval, struct problem *problem);
/* The "signatures" of a request: base64 each; none if there are none. Returns PROTOCOL_OK, or a status once it is explained. */
int approval_read(const struct core *core, struct json_object *frame, struct answer *answer,
		  struct approval *ret_approval);
/* It is in force, and will stay: what is older does not come again. */
void approval_settled(struct core *core, uint64_t revision);
/* The signatures that lie beside a policy's file, as FILE.APPROVER.sig. What is none is said, and left out. */
void approval_beside(struct core *core, const char *file, struct approval *ret_approval);

/* On record: who wanted a policy to come into force without being approved, and what was missing. actor: NULL: at the start. */
void approval_refused(struct core *core, const char *verb, const struct record_actor *actor, const char *file,
		      const char *text, size_t length, const struct problem *problem);

#endif
