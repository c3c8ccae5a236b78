/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The policy in force: facts are decided upon, what comes out is compiled, and published if it differs.
 *
 * 1. What is in force is changed by a publish alone; a policy that cannot be compiled or published changes nothing.
 * 2. Nothing is published before the facts of the start are in, or START_PATIENCE has passed: a daemon that takes over must
 *    not take backends for dead because it has not asked them yet.
 * 3. The state is saved before a generation with new numbers is published, so that no number is given out twice.
 * 4. Where the host names approvers, nothing is put in force without their approval, whichever way it comes (approval.h).
 */
#ifndef USHER_DAEMON_CORE_H
#define USHER_DAEMON_CORE_H

#include "base/diagnostics.h"
#include "compile/compile.h"
#include "kernel/addresses.h"
#include "kernel/inject.h"
#include "kernel/neighbours.h"
#include "kernel/paths.h"
#include "kernel/publish.h"
#include "audit/approvers.h"
#include "audit/journal.h"
#include "edge/edge.h"
#include "ship/ship.h"
#include "daemon/balance.h"
#include "daemon/options.h"
#include "daemon/quota.h"
#include "daemon/revisions.h"
#include "daemon/shipping.h"
#include "daemon/standing.h"
#include "daemon/state.h"

#define AUDIT_KEY_FILE "audit-key.pem" /* these two in the state folder */
#define CLIENT_KEYS_FILE "client-keys"
#define START_PATIENCE (5 * CLOCK_SECOND)
#define PROBLEMS_MAX 32

struct core_used {
	size_t services, tenants, classes, routes, arms, sets, ring_slots, backends, source4_keys, source6_keys;
};

struct core {
	const struct options *options;
	struct approvers *approvers; /* NULL: the host asks for no approval */
	struct state *state;
	struct revisions revisions;
	int64_t revisions_looked; /* CLOCK_MONOTONIC */
	struct program *program;
	struct publisher *publisher;
	struct balance *balance;
	struct injector *injector;
	struct neighbours *neighbours;
	struct addresses *addresses;
	struct paths *paths; /* NULL: they cannot be had */
	int paths_error;     /* then this is why */
	struct journal *journal;
	struct edge *edge;
	char *problems[PROBLEMS_MAX]; /* what an operator should know */
	size_t problem_count;
	int64_t started, started_monotonic; /* CLOCK_REALTIME, CLOCK_MONOTONIC */

	struct policy *policy; /* in force; NULL: none */
	char *text;	       /* of it, as it was given */
	size_t text_length;
	struct facts facts;
	struct effective *effective; /* that the tables were made of */
	struct compile_memory memory;
	char tables_digest[SHA256_HEX];
	const struct catalog *catalog; /* of what is in force; the journal's */
	struct core_used used;
	int64_t published;	    /* CLOCK_REALTIME; 0: not by this daemon */
	int64_t patience;	    /* CLOCK_MONOTONIC until which facts are waited for; 0: they are in */
	bool dirty;		    /* facts have changed since the tables were made */
	bool closed;		    /* no valid policy */
	bool unconfirmed;	    /* the last change was rolled back for want of a confirm */
	uint32_t watch_round;	    /* of the list that the edge has */
	struct quota verdict_lines; /* of the log, for changes of health */
	size_t *watched;	    /* policy backend index of each target of it */
	size_t watched_count;
	size_t *scraped; /* the same of each source */
	size_t scraped_count;
	size_t *resolved; /* policy pool index of each name */
	size_t resolved_count;
	struct standing standing;    /* of the policy; without one, what an earlier daemon knew */
	int64_t gates_stepped;	     /* CLOCK_MONOTONIC */
	int64_t gates_saved;	     /* CLOCK_MONOTONIC */
	bool gates_taken;	     /* readings since then */
	bool gates_unsaved;	     /* a transition since then */
	int64_t rollouts_saved;	     /* CLOCK_MONOTONIC */
	int64_t verifications_saved; /* the same */
	struct ship *ship;	     /* NULL: records are sent to nobody else */
	struct shipping shipping;
};

/* What a change of policy has led to. */
struct core_result {
	uint64_t generation, revision;
	uint32_t epoch;
	char digest[SHA256_HEX];
	const char *name; /* of the policy, or NULL */
	bool changed;
	bool pending; /* in force as soon as the facts of the start are in */
};

/* A sentence for whoever looks: logged, and kept for `usher show`. */
void core_problem(struct core *core, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Parses, compiles and, unless dry_run, publishes. approval: signatures that came with it, or NULL; a dry run needs none, but those that there are
 * have to be good. Returns 0; -EINVAL or -E2BIG with what is wrong in `diagnostics`; -EKEYREJECTED: it is not approved; or -errno; these with
 * a sentence; nothing has changed then. The caller enters the policy into the history.
 */
int core_load(struct core *core, const char *file, const char *text, size_t length, struct approval *approval,
	      bool dry_run, struct diagnostics *diagnostics, struct problem *problem, struct core_result *ret_result);
/* Facts or what operators have ordered has changed, or a date has passed: publishes if that makes a difference. 0, or -errno, said.
 * While the facts of the start are waited for it does nothing: they bring a publish of their own. */
int core_refresh(struct core *core);
/* Drops the packets of the services that the last policy named. */
void core_close_services(struct core *core);
/* Are all facts in that a first publish wants? */
bool core_settled(const struct core *core);
void core_free_policy(struct core *core);

/* What the policy's backend was found to be; -1 where there is no such backend. */
int core_backend(const struct core *core, const char *name, size_t *ret_index);
/* A fact from the edge, of a backend's health. */
void core_fact(struct core *core, const struct edge_fact *fact);
/* Says, every now and then, how many changes of health were too many to be logged. */
void core_verdicts_unsaid(struct core *core);
/* Next hops anew. */
void core_next_hops(struct core *core);
/* The facts of a policy's backends, as far as they are those of backends of the policy in force. 0, or -ENOMEM. */
int core_carry_facts(const struct core *core, const struct policy *policy, struct facts *ret_facts);
/* Fills in what operators have ordered: drains and quarantines. */
void core_recall_orders(const struct core *core, const struct policy *policy, struct facts *facts);
/* Fills able_since of the facts of a policy's backends from the state. 0, or -ENOMEM. */
int core_recall_able(const struct core *core, const struct policy *policy, const struct facts *facts);
/* Keeps in the state what was decided about able_since; after: the identities that go with it, while the state still has those
 * before. 0, or -errno. */
int core_note_able(struct core *core, const struct effective *effective, const struct identities *after);
/* A fact from the edge, of a backend's load. */
void core_load_fact(struct core *core, const struct edge_fact *fact);
/* The same, of what it says it serves. */
void core_identity_fact(struct core *core, const struct edge_fact *fact);
/* Its metrics have been read, which say since when its process runs. */
void core_process_seen(struct core *core, size_t backend);
/* Every second. */
void core_verify_tick(struct core *core);
/* What is kept of its verification; nothing: it has not been asked. */
void core_recall_verification(const struct core *core, const struct backend *backend, struct verification *to);
/* Is an answer of the one an answer of the other? */
bool core_asks_the_same(const struct backend *a, const struct backend *b);
/* Forgets what is kept of whom the policy does not ask, or not this: nobody watches meanwhile. */
void core_forget_verifications(struct core *core);
/* Keeps how old the good answers are. Returns 0, or -errno, said. */
int core_verify_save(struct core *core);
/* Where the edge reads what it serves. */
struct edge_source core_identity_source(const struct backend *backend);
/* Is what the metrics said last still worth something? now: CLOCK_MONOTONIC. */
bool core_load_is_fresh(const struct load_source *source, const struct load_facts *facts, int64_t now);
/* Where the edge reads it. */
struct edge_source core_source(const struct backend *backend);
/* The clock of gates: milliseconds since the epoch, at its own pace while the daemon runs. */
int64_t core_gate_clock(const struct core *core);
/* What an earlier daemon knew of gates. Returns 0, or -errno with a sentence. */
int core_gates_open(struct core *core, struct problem *problem);
/* Returns 0, or -errno, said. */
int core_gates_save(struct core *core);
/* Every second. */
void core_gates_tick(struct core *core);
/* A fact from the edge, of an evaluator. */
void core_gates_fact(struct core *core, const struct edge_fact *fact);
/* What an earlier daemon knew of roll-outs. Returns 0, or -errno with a sentence. */
/* Reads a file that an earlier daemon has kept; consequence: of it being damaged, and set aside, which is said and recorded: ret_lost. 0, also
 * if there is none, or -errno with a sentence. */
int core_kept_read(struct core *core, const char *file, const char *consequence,
		   int (*parse)(struct core *core, const char *text, size_t length), bool *ret_lost,
		   struct problem *problem);
/* A record of the audit log: a file of the state folder cannot be read, and what comes of that. */
void core_record_damage(struct core *core, const char *file, const char *consequence);
/* Writes it, and frees the text. Returns 0, or -errno, said. */
int core_kept_write(struct core *core, const char *file, struct json *text);
/* "generation" and "epoch" that an operator's word is in force from; null: of one that is still to come. */
void core_record_generation(const struct core *core, struct json *record);
int core_surges_open(struct core *core, struct problem *problem);
void core_surges_save(struct core *core);
/* Every second. */
void core_surges_tick(struct core *core);
int core_ejections_open(struct core *core, struct problem *problem);
/* Returns 0, or -errno, said. */
int core_ejections_save(struct core *core);
/* Every second. */
void core_ejections_tick(struct core *core);
int core_pools_open(struct core *core, struct problem *problem);
void core_pools_save(struct core *core);
/* A fact from the edge, of a name. */
void core_pools_fact(struct core *core, const struct edge_fact *fact);
/* What the edge is to ask DNS for. Returns how many it is; to: room for all pools. */
uint32_t core_pools_names(struct core *core, struct edge_name *to);
/* Often: looks at what is due. */
void core_pools_tick(struct core *core);
int core_rollouts_open(struct core *core, struct problem *problem);
/* 0, or -errno, said. */
int core_rollouts_save(struct core *core);
/* Every second, after the gates. */
void core_rollouts_tick(struct core *core);
/* What has become of a roll-out, and what that rests on. */
struct rollout_change {
	const char *what; /* "step", the state that it came to, or the operator's order */
	enum rollout_state was;
	uint8_t share_before;
	int64_t watched; /* of the step before: seconds, flows */
	uint64_t flows;
	const struct record_actor *actor; /* NULL: nobody, it went by itself */
	const char *why;		  /* the actor's; NULL without one */
};
/* A record of the audit log. */
void core_rollout_record(struct core *core, const struct rollout_instance *instance,
			 const struct rollout_change *change);
/* Tells the edge whom to probe, and has the backends' neighbours watched. */
void core_watch(struct core *core);

#endif
