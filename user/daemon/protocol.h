/* SPDX-License-Identifier: GPL-2.0-only */
/* clang-format off */
/*
 * What `usher` and `usherd` say to each other.
 *
 * A unix socket of type SOCK_SEQPACKET at PROTOCOL_SOCKET (mode 0660, group `usher` if there is one). One frame is one JSON object of
 * at most PROTOCOL_FRAME_MAX bytes. What may be larger, a policy on the way in and most answers on the way out, is the *body*: a sealed
 * memfd beside the frame. A client may ask one thing after the other on one connection; a frame that is not understood is answered
 * with an error and ends the connection.
 *
 * Request:  {"verb": VERB, ...}
 * Answer:   {"status": PROTOCOL_..., ...}, with "error" (one sentence) unless status is PROTOCOL_OK
 *
 * Times are RFC 3339 strings in UTC. "?" marks fields that may be missing. NAME|null: null when there is none.
 *
 * apply      request  file, dry_run?: bool, confirm_within_ms?: int, why?: as of quarantine, signatures?: [base64 of 64 bytes...]; body: the
 *                     policy's text
 *            answer   generation, epoch, digest, name|null, revision, changed: bool, pending?: bool, confirm_by?: time
 *            body     {"diagnostics": [D...]}, also when refused
 *            PROTOCOL_REFUSED if the policy has errors, does not fit or is not approved; nothing has changed then. Where the host names
 *            approvers, an apply needs a `why`, and signatures by enough of them over the policy's statement (policy/statement.h); a dry run needs
 *            none, but those that it has must be good. Where it names none, signatures are PROTOCOL_USAGE. `changed` is false if the tables
 *            came out as they were. With dry_run the answer is about what would be published. Without confirm in time the policy
 *            before it comes back by itself. Answers once the generation is in force; backends whose health is not known yet join
 *            with the generations that follow. `pending`: the daemon has just started, and publishes the policy as soon as it knows
 *            which backends can be used, within 5 s; generation and epoch mean nothing then.
 * confirm    request  -
 *            answer   generation, digest
 *            PROTOCOL_NEGATIVE if nothing waits for it; PROTOCOL_UNCONFIRMED if it came too late.
 * rollback   request  revision?: string, decimal number of metadata.revision, or the first 4 or more digits of a digest; without it
 *                     the policy that was in force before; why?, signatures?: as of apply, over the statement of this going back, unless
 *                     it is what will come back by itself for want of a confirm; statement?: true: that statement is asked for, and no more
 *            answer   as apply, body too; of the statement: body: its text
 * history    request  -
 *            body     {"history": [H...]}, newest first
 * document   request  revision: as of rollback; a digest may be that of the document as well
 *            answer   digest, document, name|null, revision, first: time, last: time|null (in force; null: it is)
 *            body     the policy's text, and the geography files that it named behind it (policy/bundle.h)
 *            Of every policy that was in force, as long as a record can name it. PROTOCOL_NEGATIVE if none is kept that is called so.
 * policy     request  -
 *            answer   file, digest, name|null, revision
 *            body     the active policy's text
 *            PROTOCOL_NEGATIVE if none is loaded.
 * show       request  what: services, tenants, models, backends, routes, quarantines, gates, evaluators, surges, rollouts,
 *                     ejections, flows, facts, stats or generation;
 *                     limit?: int (flows, routes; 1000 unless given); service?: name (flows, routes)
 *            body     {WHAT: ...}, see below
 * explain    request  client: address, or address:port (IPv6 in brackets); service: name, or address:port;
 *                     protocol?: "tcp"|"udp" (needed only if address:port is both)
 *            body     E
 *            PROTOCOL_OK if the packet would be forwarded, PROTOCOL_NEGATIVE if not.
 * drain      request  backend
 *            answer   generation, changed: bool
 * undrain    request  backend
 *            answer   generation, changed: bool
 * quarantine request  version: "MODEL@VERSION", or backend: name; why: one line of 1 to PROTOCOL_WHY_MAX bytes of UTF-8, without
 *                     control characters
 *            answer   generation, epoch, changed: bool, pending?: bool, backends: int (of the policy, that it takes out), why, since,
 *                     uid, user|null
 *            Takes every backend that serves the version, or the one that is named, out of all constraint sets: no new flows, and open
 *            ones are cut. Kept by name, through restarts and policies, until it is released. Of what is in quarantine already nothing
 *            changes, its why neither: `changed` is false, and the rest says who had said so, when and why. `pending`: the daemon has
 *            just started; it comes into force with what is published within 5 s, and generation and epoch mean nothing yet.
 *            PROTOCOL_USAGE if the policy does not have it. PROTOCOL_FAILED: it is not in force, and not kept.
 * release    request  as quarantine
 *            answer   generation, epoch, changed: bool, pending?: bool; and unless `changed` is false, of the quarantine that is over:
 *                     backends: int, why, since, uid, user|null
 *            or       gate; version, backend or service; why
 *            answer   was: "ok"|"breached"|"no-data", generation, epoch, changed: bool
 *            Also of what the policy does not have any more. `changed` is false of what the policy has and is in no quarantine.
 * rollout    request  order: "pause"|"resume"|"promote"|"abort", rollout: name; why: as of quarantine
 *            answer   generation, epoch, changed: bool, pending?: bool, state, version: "MODEL@VERSION", share: int, per cent
 *            `changed` is false of what is so already. PROTOCOL_NEGATIVE if it is over, or a gate that it needs is breached; PROTOCOL_USAGE if the
 *            policy does not have it; PROTOCOL_FAILED: it could not be saved or published, and nothing has changed.
 * rotate-key request  why: as of quarantine
 *            answer   old_key, new_key (ids; the public keys lie beside the audit log)
 *            The record that names both is signed by the old one, and what comes after it by the new one. PROTOCOL_FAILED: the old one goes on.
 * status     request  -
 *            answer   version, pid, since, interface, mode ("native"|"generic"), generation, epoch, digest|null, name|null,
 *                     revision, closed: bool, pin_dir, audit_file, edge_pid, problems: [string...], confirm_by?: time
 *            `closed`: no valid policy; packets for the services that the last one named are dropped. `problems` is what an operator
 *            should know: a state file set aside, an audit log that cannot be written, an address missing.
 *
 * D  {"severity": "error"|"warning", "line", "column", "path", "text", "file"?}; line 0: the document as a whole;
 *    `file`: line and column are in this geography file that the policy names
 * H  {"digest", "name"|null, "revision", "file", "applied", "verb": "apply"|"rollback"|"start", "uid", "user"|null,
 *     "generation", "active": bool, "confirmed": bool, "number": of the change, "document": SHA-256 of its text, "why"|null,
 *     "approvals": [{"approver"|null, "signature": base64}...], "instead_of"?: of a rollback that was approved: number of the change before}
 * C  counter {"packets", "bytes"}
 * Q  quarantine {"model"|null, "version"|null, "backend"|null, "why", "since", "uid", "user"|null}: of a version, or of a backend
 * G  gate {"gate", "on": "version"|"backend"|"service", "model" and "version", or "backend", or "service",
 *     "state": "ok"|"breached"|"no-data", "was": the one before, "verdict": "unknown"|"bad"|"between"|"good",
 *     "signal": "fresh"|"missing"|"invalid"|"stale"|"few-samples", "figure": "metric"|"proportion"|"difference"|"ratio"|"stability",
 *     "value"|null, "low"|null, "high"|null, "samples"|null, "age"|null (these five of the last estimate there was), "state_for",
 *     "bad_for", "good_for", "unknown_for", "latched": bool, "alert": bool, "action": "quarantine"|"share"|"reroute"|"alert",
 *     "acts": bool}; times in seconds
 * L  latencies {"count", "mean_seconds"|null, "p50_seconds"|null, "p99_seconds"|null}
 *
 * services    [{"name", "model", "protocol", "tenant"|null, "sticky": bool, "announce": bool, "addresses": ["A:P"...],
 *               "received": C, "verdicts": {VERDICT: {REASON: C}}}]          only counters that are not zero
 * tenants     [{"name" ("unknown", the last: whoever no prefix covers), "audit": "every-flow"|"required", "half_open": int,
 *               "active": int (with those half open), "new_flows_per_second", "burst", "active_flows", "bits_per_second" (0: no
 *               limit), "new_flows_refused", "active_flows_refused", "packets_refused": int, "sources": [{"prefix", "region"}
 *               or {"geo": file, "prefixes": int, "regions": int, "sha256"}]}]
 * models      [{"name", "versions": [{"name", "stage", "digest"|null, "score"?, "samples"?, "validation_expires"?,
 *               "labels": [{"name", "evidence", "expires"|null, "lapsed": bool}], "backends": [name...], "quarantine": Q|null}]}]
 * backends    [{"name", "address", "model", "version", "region", "capacity", "forward", "id", "incarnation",
 *               "health": "up"|"down"|"unknown"|"unchecked", "health_cause": {"kind": word of govern/cause.h, "number": int}|null,
 *               "health_text"|null (the same as a sentence; both null unless "health" is "down"), "draining": bool,
 *               "quarantined": bool (by itself, or with its version), "next_hop": MAC|null,
 *               "ejected": bool (as an outlier), "reason"|null (why it starts no flows), "continues": bool (may open flows stay),
 *               "flows", "packets_to", "bytes_to", "packets_from", "bytes_from",
 *               "connect": L, "first_byte": L, "failures": {"refused", "resets", "connect_timeouts",
 *               "first_byte_timeouts"}}]                                     these three null unless "forward" is "nat"
 * routes      [{"service", "tenant", "region", "family": "ipv4"|"ipv6", "reason", "rule"|null, "target", "answer",
 *               "arms": [{"version"|null, "share": percent, "backends": {name: percent}}], "continues": [backend...]}]
 * quarantines [Q with "in_policy": bool, "backends": [name...]], oldest first
 * flows       [{"client": "A:P", "service_address": "A:P", "protocol", "service"|null, "tenant"|null, "region"|null,
 *               "backend"|null, "status": "half-open"|"live"|"quiet"|"cut", "nat": "A:P"|null, "idle_seconds", "epoch"}]
 * facts       [{"backend", "health", "telemetry": {"preset"|null (the policy names the series), "read_as"|null, "path",
 *               "state": "unasked"|"missing" (never read)|"fresh"|"stale", "cause"|null (why the last page could not be read: word of
 *               govern/cause.h), "cause_text"|null, "age_seconds"|null, "waiting"|null, "running"|null, "use"|null (0 to 1),
 *               "since"|null (time: start of its process; figures are null unless fresh),
 *               "findings": [{"code", "series", "text"}...]}|null (the policy has none),
 *               "verification": {"state": "unasked"|"verified"|"mismatched"|"stale"|"restarted", "expected", "found"|null (what it
 *               said last), "cause"|null (why it has not answered), "cause_text"|null, "age_seconds"|null}|null (the policy has none)}]
 * gates       [G with "source": evaluator, "breach_below"|null, "breach_above"|null, "min_samples", "sentence",
 *               "gap": {"code", "series", "text"}|null (why the last reading did not count)]
 * surges      [{"service", "tiers": int (beside the one that is always open), "open", "sheds": int (priorities that may be), "shed": int,
 *               "shed_part": per cent (of the next one's new connections), "part_of": int|null (which priority that is),
 *               "below"|null (priorities below this one are), "ratio"|null (load over capacity of the open tiers),
 *               "verdict": "unknown"|"low"|"between"|"high", "known": int (of so many the load is), "backends": int,
 *               "open_at", "close_at", "close_after": seconds (that the next way down waits)}]
 * ejections   [{"backend", "model", "version", "out": bool, "since": time (that it went out last), "seconds_left": int|null,
 *               "finding": {"signal": "connect"|"resets"|"given-up"|"first-byte", "failures", "samples", "peer_failures"|null,
 *               "slower_than_seconds"|null (of first-byte), "peer_samples", "text"}|null (of one that is out; not known after a restart)}]
 * evaluators  [{"evaluator", "protocol": "page"|"prometheus", "address": "A:P", "path", "series": int, "state": as of facts,
 *               "cause"|null, "cause_text"|null, "age_seconds"|null}]
 * rollouts    [{"rollout", "service", "model", "from", "to", "state": "waiting"|"running"|"paused"|"rolled-back"|"aborted"|"done",
 *               "in_force": bool, "share": per cent of the new version, "steps": [int...], "step": int (of how many it has taken),
 *               "since": time|null, "watched", "every" (seconds), "flows", "min_flows", "on_breach": "rollback"|"pause",
 *               "needs": [{"gate", "says": "good"|"breached"|"unknown", "knows"|null, "hold": "good"|"unknown"|"earlier"|"breached",
 *               "value"|null, "low"|null, "high"|null, "samples"|null, "age"|null}], "by": {"uid", "user"|null, "why"}|null (whose order
 *               led to the state), "sentence" (what is missing, or why it stands still)}]
 * stats       {"received": C, "not_for_service": C, "verdicts": {VERDICT: {REASON: C}}, "flows": {"alive", "lines",
 *              "inserted", "expired", "evicted", "replaced", "deleted", "replies", "replies_suppressed"},
 *              "audit": {"taken", "lost", "written", "gaps", "waiting", "write_errors", "compressed", "deleted",
 *              "segment_errors", "witnessed", "witness_errors"}}
 * generation  {"generation", "epoch", "digest"|null, "name"|null, "revision", "published", "slot", "closed": bool,
 *              "used": {"services", "tenants", "classes", "routes", "arms", "sets", "ring_slots", "backends",
 *                       "source4_keys", "source6_keys"}, "next_change": time|null}
 * E           {"client", "client_port", "service"|null, "service_address", "protocol", "generation",
 *              "verdict", "reason", "sentence", "tenant", "region", "rule"|null, "target"|null, "arm"|null, "rollout"|null (that sets the arms),
 *              "version"|null, "backend"|null, "backend_address"|null, "route", "ring_slot",
 *              "steps": [{"step": "who"|"may-ask"|"who-may-answer"|"which-arm"|"which-backend"|"verdict",
 *                         "text", "rule"|null}...],
 *              "candidates": [{"backend", "version", "region", "state": "start"|"continue"|"out", "reason"|null,
 *                              "rule"|null, "service"}],
 *              "quarantines": [Q...] (that take out one of them), "gates": [G...] (that take out or lessen one of them)}
 *             The verdict and all that goes with it come from the running program; steps and candidates say why.
 */
/* clang-format on */
#ifndef USHER_DAEMON_PROTOCOL_H
#define USHER_DAEMON_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#define PROTOCOL_SOCKET "/run/usher/control.sock"
#define PROTOCOL_GROUP "usher"
#define PROTOCOL_FRAME_MAX 65536
#define PROTOCOL_DEPTH_MAX 8
#define PROTOCOL_BODY_MAX (256u << 20)
#define PROTOCOL_WHY_MAX 256

/* Exit status of `usher`, as the design numbers them. */
enum protocol_status {
	PROTOCOL_OK = 0,
	PROTOCOL_NEGATIVE = 1,	  /* no: differs, denied, nothing to confirm */
	PROTOCOL_USAGE = 2,	  /* the request makes no sense, or names what does not exist */
	PROTOCOL_REFUSED = 3,	  /* the policy has errors, or does not fit */
	PROTOCOL_UNREACHABLE = 4, /* only the client says this */
	PROTOCOL_FAILED = 5,	  /* kernel, permission or disk */
	PROTOCOL_UNCONFIRMED = 6,
};

/* Read-only mapping of a body; bytes is NULL if there was none. */
struct protocol_body {
	const void *bytes;
	size_t length;
};

/* Sends one frame, with a body if `body` is not NULL (length may be 0). Returns 0, -EMSGSIZE if the frame is too large,
 * -EAGAIN if a non-blocking peer does not read, or -errno. */
int protocol_send(int socket, struct json_object *frame, const void *body, size_t length);

/*
 * Receives one frame. Returns 0, -ENOTCONN at the end of the connection, -EAGAIN if there is none yet, -EBADMSG if it
 * is not a JSON object, -EMSGSIZE if frame or body is too large, -EPERM if the body is not sealed, or -errno.
 */
int protocol_receive(int socket, size_t body_max, struct json_object **ret_frame, struct protocol_body *ret_body);
void protocol_body_release(struct protocol_body *body);

/* Client: connects to `path` (NULL: PROTOCOL_SOCKET). Every later wait on the socket ends after timeout_ms (-EAGAIN).
 */
int protocol_connect(const char *path, int timeout_ms, int *ret_socket);

/* Typed readers of a frame. -ENOENT: no such field; -EINVAL: of another type, or out of [min, max]. */
int protocol_string(struct json_object *frame, const char *key, const char **ret_text);
int protocol_integer(struct json_object *frame, const char *key, int64_t min, int64_t max, int64_t *ret_value);
int protocol_boolean(struct json_object *frame, const char *key, int *ret_value);

#endif
