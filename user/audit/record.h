/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records of the audit log as lines of JSON. One record is one object on one line.
 *
 * Every record has:
 *   time        RFC 3339, UTC, milliseconds      boot        id of the program's run, hexadecimal
 *   type        "decision", "flow", "gap", "operation", "position", and what proves the others: "segment", "seal", "checkpoint"
 *
 * Decisions and flows of all CPUs are in the order of their times, as far as the daemon had them when it looked; of those of one tick of the kernel's
 * (`time` is one of its ticks, 1 to 10 ms) those of one CPU are, others in no order.
 *
 * A decision (field names of OCSF's network activity where there are some):
 *   cpu, ring ("events" | "required"), sequence   its number; per cpu and ring, from 0, none twice, none left out
 *   verdict, reason     as in `usher show stats`           rule          id of the rule that decided, or null
 *   generation          number                             policy_digest, policy_revision
 *   tenant, client_region, service, model, target          target: the service that answers, if it is another one
 *   client_prefix       the policy's source prefix that tenant and region are from. null: none; or the policy does not let a prefix as long
 *                       as that on record (veil.h); or the generation is not known any more; or the record stands for many
 *   version, backend, backend_region                       null where there is none
 *   src_endpoint {ip, port}, dst_endpoint {ip, port}       the client, and the address it called. As the policy has it the client's ip is its
 *                       network, with "bits"; or null, with a pseudonym and the key that it was made with (veil.h)
 *   backend_endpoint, nat_endpoint {ip, port}              where it was sent on to, and as whom; or null
 *   connection_info {protocol_name, protocol_num, community_uid, backend_community_uid}   how others call the flow (community_id.h): as its
 *                       client's addresses have it, null where these are not on record; and through NAT as its backend sees it
 *   numbers {...}       only if a name is not known: what stands in its place
 *   count, start_time, end_time   only where this record stands for `count` decisions, which were too many to be recorded one by
 *                       one: all those of one class of clients, service, rule and reason from start_time to end_time. They have
 *                       no endpoints and no backend; sum(count, or 1 where there is none) counts all decisions
 * A flow, which is one's end; of those whose opening is on record by itself. What a decision has, without verdict, reason, rule, client_region
 * and count, and
 *   ended               how: enum usher_ended       start_time, end_time, duration   of its first and last packet; ms
 *   sides               "both"; or "client": in direct return only what its client sent was seen, and the client's close is its end
 *   traffic {packets_out, bytes_out, packets_in, bytes_in}   sent on to the backend, and to the client (null: not seen); bytes of IP packets,
 *                       headers included
 *   generation          that it ended under (as are policy_digest and policy_revision); opened_generation: that of its opening
 * A gap: cpu, ring, first, last, count: numbers whose records found no room.
 * An operation: activity ("start", "adopt", "stop", "apply", "confirm", "rollback", "drain", "undrain", "quarantine", "release",
 *   "policy-refused", "policy-deleted", ...), actor {uid, user, pid}, and what it is about. Without an actor it was usher itself. Of a quarantine and a release: model
 *   and version, or backend; why; generation and epoch that brought it, null if the daemon had just started and was to publish it soon.
 *   Of an apply, a rollback, a confirm and the policy of a start (which has the activity "start" as well): policy_digest, policy_revision, generation and epoch (null as above), file,
 *   change (its number in the history), document (SHA-256 of the text), why or null, approvals [approver, signature], and of a rollback that was
 *   approved instead_of. Of a policy-refused, which was not approved: verb ("apply", "rollback", "start", "restore"), file, document, problem. Of a
 *   policy-deleted, whose document is no longer kept: policy_digest, document, policy_revision, last_in_force, why.
 *   Of the daemon's start, adopt and stop: version, pid, interface, generation, approvers (names), approvals_needed (0: none).
 *   Of a "rollout": rollout, service, model, from, to, change ("step", the state that it came to by itself, or the operator's order),
 *   was, state, share_before, share (per cent), watched (seconds) and flows of the step before, needs [gate, says, knows, hold, value, low,
 *   high, samples, age]; and of an order why, generation and epoch.
 *   Of a "damage": file, of the state folder, that cannot be read, and consequence.
 * A segment, the first line of each file: number, log (the log's name), seal (number of the last one before it), key (that signs), previous
 *   (the hash of that seal, or null). A seal: number, lines (that it closes), sequences [cpu, ring, first, last] (numbers among them; or
 *   recovered: true), hash. A checkpoint: log, seal, key, hash, signature. See chain.h.
 * A position: next_events, next_required: arrays, by cpu, of the number that is due next; lost_events, lost_required: how many of those before it are in gaps.
 */
#ifndef USHER_AUDIT_RECORD_H
#define USHER_AUDIT_RECORD_H

#include "audit/veil.h"
#include "base/json.h"
#include "compile/tables.h"

struct record_stamp {
	int64_t realtime; /* ns since 1970 */
	uint64_t boot_id;
};

struct record_actor {
	uint32_t uid;
	int32_t pid;
	const char *user; /* or NULL */
};

struct record_gap {
	uint32_t cpu;
	enum usher_ring ring;
	uint64_t first, last;
};

/* Of the numbers of one (CPU, ring), since the program was loaded: those below `next` are on record, `lost` of them in gaps. */
struct record_account {
	uint64_t next, lost;
};

/* Names of verdicts and reasons; "unknown" for numbers that have none. */
const char *record_reason(uint8_t reason);
const char *record_verdict(uint8_t reason);

/* Begins a line with what every record has; the caller adds to it and ends object and line. */
void record_begin(struct json *to, const struct record_stamp *stamp, const char *type);
/* Each adds one line. catalog: of the event's generation, or NULL if that is not known: names are null then. backend: the
 * one that the event means, or NULL if there is none or it is not known. nat: the same of the NAT address. veil: how the client's address is
 * put on record; NULL: as it is. */
void record_decision(struct json *to, const struct record_stamp *stamp, const struct usher_event *event,
		     const struct catalog *catalog, const struct catalog_backend *backend,
		     const struct usher_address *nat, const struct veil *veil);
/* The end of a flow, which is event.ended; stamp: when. */
void record_flow(struct json *to, const struct record_stamp *stamp, const struct usher_flow_end *end,
		 const struct catalog *catalog, const struct catalog_backend *backend, const struct usher_address *nat,
		 const struct veil *veil);
void record_gap(struct json *to, const struct record_stamp *stamp, const struct record_gap *gap);
/* accounts: cpu * USHER_RINGS + ring */
void record_position(struct json *to, const struct record_stamp *stamp, const struct record_account *accounts,
		     size_t cpus);
/* Begins an operation's object; the caller adds to it, then ends it with record_operation_end. actor: NULL for usher
 * itself. */
void record_operation(struct json *to, const struct record_stamp *stamp, const char *activity,
		      const struct record_actor *actor);
void record_operation_end(struct json *to);

#endif
