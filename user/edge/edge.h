/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The edge: a process that does all TCP and holds no capability. This is the core's side of it, and what the two say to each
 * other over a socketpair: the core hands over what to probe (a sealed memory file), the edge hands back facts of fixed size.
 * What /metrics serves lies in a memory file that the core writes and the edge reads.
 *
 * An edge that dies is followed by another one (nursery.h), which is handed the same list. What the core knew stays true until the
 * new one says otherwise.
 */
#ifndef USHER_EDGE_EDGE_H
#define USHER_EDGE_EDGE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/problem.h"
#include "govern/cause.h"
#include "kernel/counters.h"
#include "policy/model.h"

/* A backend to be probed, and how. */
struct edge_target {
	struct usher_address address;
	uint16_t port;	/* host order */
	uint8_t probe;	/* enum health_probe, not HEALTH_PROBE_NONE */
	uint8_t verify; /* the certificate, of https */
	uint32_t interval_ms, timeout_ms;
	uint32_t rise, fall;   /* probes in a row that change the verdict */
	uint32_t jitter;       /* thousandths of the interval */
	uint16_t status_count; /* of http and https; 0: 200 to 299 */
	uint16_t status[USHER_HEALTH_STATUS_MAX];
	char host[USHER_HEALTH_HOST_MAX + 1]; /* "": the address */
	char path[USHER_HEALTH_PATH_MAX + 1];
};
USHER_ASSERT_SIZE(struct edge_target, 584);

enum edge_source_kind {
	EDGE_SOURCE_LOAD,     /* its load, from a page of metrics */
	EDGE_SOURCE_IDENTITY, /* what it serves, from a JSON document */
	EDGE_SOURCE_KINDS,
};

/* A backend of which something is to be read, and where. */
struct edge_source {
	struct usher_address address;
	uint16_t port; /* host order */
	uint8_t tls, verify;
	uint8_t kind;	/* enum edge_source_kind */
	uint8_t server; /* enum load_server, not LOAD_NOT_SCRAPED; this one and the next: of a load */
	uint8_t use_percent;
	uint8_t padding;
	uint32_t every_ms, timeout_ms;
	char host[USHER_HEALTH_HOST_MAX + 1]; /* "": the address */
	char path[USHER_HEALTH_PATH_MAX + 1];
	char waiting[USHER_METRIC_NAME_MAX + 1]; /* these three: of LOAD_OWN; "": there is none */
	char running[USHER_METRIC_NAME_MAX + 1];
	char use[USHER_METRIC_NAME_MAX + 1];
	char pointer[USHER_POINTER_MAX + 1]; /* these two: of an identity */
	char equals[USHER_IDENTITY_MAX + 1];
	char padding2[2];
};
USHER_ASSERT_SIZE(struct edge_source, 1184);

/* Where figures are to be read that gates judge. */
struct edge_evaluator {
	struct usher_address address;
	uint16_t port; /* host order */
	uint8_t tls, verify;
	uint8_t protocol; /* enum evaluator_protocol */
	uint8_t padding[3];
	uint32_t every_ms, timeout_ms, stale_after_ms;
	uint32_t first, count;		      /* of the list of series */
	char host[USHER_HEALTH_HOST_MAX + 1]; /* "": the address */
	char path[USHER_HEALTH_PATH_MAX + 1];
	char padding2[6];
};
USHER_ASSERT_SIZE(struct edge_evaluator, 560);

/* The samples that make up one figure, which is their sum: those of this name that have all of these labels, whatever
 * others they have. */
struct edge_series {
	char name[USHER_METRIC_NAME_MAX + 1];
	double le; /* only samples whose label `le` is this number, +Inf among them; NAN: any */
	uint32_t label_count, padding;
	struct {
		char name[USHER_NAME_MAX + 1], value[USHER_LABEL_VALUE_MAX + 1];
	} labels[USHER_SERIES_LABELS_MAX];
};
USHER_ASSERT_SIZE(struct edge_series, 912);

#define EDGE_IPV4 1u
#define EDGE_IPV6 2u
/* Of one name: as many as a pool may have of each family, and one more to tell that there are too many. */
#define EDGE_ADDRESSES_MAX (2 * (USHER_POOL_MEMBERS_MAX + 1))

/* A name that DNS is to be asked for. */
struct edge_name {
	struct usher_address server; /* whom to ask */
	uint16_t port;		     /* its; host order; 0: whom the host asks */
	uint8_t families;	     /* EDGE_IPV4, EDGE_IPV6: which addresses */
	uint8_t padding;
	uint32_t every_ms, timeout_ms;
	char name[USHER_DNS_NAME_MAX + 1];
	char padding2[6];
};
USHER_ASSERT_SIZE(struct edge_name, 288);

/* What the edge is to do: lists that lie one after the other in a memory file, in this order. */
enum edge_list_kind {
	EDGE_TARGETS,	 /* struct edge_target */
	EDGE_SOURCES,	 /* struct edge_source */
	EDGE_EVALUATORS, /* struct edge_evaluator */
	EDGE_SERIES,	 /* struct edge_series: of the first evaluator, then of the second, ... */
	EDGE_NAMES,	 /* struct edge_name */
	EDGE_LISTS,
};

struct edge_list {
	const void *items[EDGE_LISTS];
	uint32_t counts[EDGE_LISTS];
};

/* Bytes of an item, and how many there may be. */
struct edge_list_bounds {
	size_t size;
	uint32_t most;
};
extern const struct edge_list_bounds edge_list_bounds[EDGE_LISTS];

/* Core to edge, with that memory file beside it. */
struct edge_order {
	uint32_t round; /* comes back in the facts: those of an older list are void */
	uint32_t counts[EDGE_LISTS];
};

/* Edge to core. */
enum edge_fact_kind {
	EDGE_FACT_HEALTH,
	EDGE_FACT_BORN,	    /* a new edge, that knows nothing yet; `target` is its process id */
	EDGE_FACT_LOAD,	    /* of the source at `target` */
	EDGE_FACT_IDENTITY, /* the same, of what it serves */
	/* Of the evaluator at `target`: some of its series, from the one at `number`, as its next EVALUATED confirms them. Facts of both
	 * kinds come in order: every series once, then EVALUATED. */
	EDGE_FACT_VALUES,
	EDGE_FACT_EVALUATED, /* it has been asked; without a cause: the values before this fact are what it says */
	/* Of the name at `target`: some of its addresses, from the one at `number`, as its next RESOLVED confirms them. Facts of both kinds
	 * come in order. */
	EDGE_FACT_ADDRESSES,
	EDGE_FACT_RESOLVED, /* it has been asked; without a cause: the first `number` addresses before this fact are what it stands for */
};

#define EDGE_FIGURES 4 /* enum telemetry_quantity: waiting, running, use, start time */
#define EDGE_FINDINGS_MAX 12
#define EDGE_FINDING_CODES 7 /* of enum telemetry_finding_code */
#define EDGE_SERIES_START_TIME 254
#define EDGE_SERIES_NONE 255

/* What is odd about a page. */
struct edge_finding {
	uint8_t code;
	uint8_t series; /* by number in its table, or one of the two above */
};

/* What a page says. */
struct edge_load {
	double figures[EDGE_FIGURES]; /* NAN: missing */
	uint32_t age_ms;	      /* since it was read */
	uint8_t server;		      /* enum load_server that it was read as, or LOAD_NOT_SCRAPED: none knows it */
	uint8_t finding_count;
	struct edge_finding findings[EDGE_FINDINGS_MAX];
	uint8_t padding[2];
};
USHER_ASSERT_SIZE(struct edge_load, 64);

#define EDGE_FOUND_MAX 54

/* What a backend says it serves. */
struct edge_identity {
	uint32_t age_ms; /* since it said so */
	uint8_t matches;
	char found[EDGE_FOUND_MAX + 1]; /* what it says: printable ASCII, cut short */
	uint8_t padding[4];
};
USHER_ASSERT_SIZE(struct edge_identity, 64);

#define EDGE_VALUES 4 /* in one fact; of the last one of an evaluator only as many as it has series */

struct edge_value {
	double value;	  /* NAN: no sample matches, or one that does is no number */
	uint32_t age_ms;  /* since it was measured, as its timestamp says, or since it was read */
	uint16_t samples; /* that it is the sum of, at most 65,535 */
	uint8_t type;	  /* enum exposition_type */
	uint8_t padding;
};
USHER_ASSERT_SIZE(struct edge_value, 16);

#define EDGE_ADDRESSES 4 /* in one fact; of the last one of a name fewer may mean something */

struct edge_fact {
	uint32_t round;
	uint32_t target; /* position in the list */
	uint32_t up;	 /* 0, 1 */
	uint32_t kind;	 /* callers of edge_read do not see EDGE_FACT_BORN */
	uint32_t cause;	 /* enum cause_kind: why it is not up, or cannot be read, or CAUSE_NONE */
	int32_t number;	 /* that goes with it */
	union {
		struct edge_load load; /* of a source with CAUSE_NONE */
		struct edge_identity identity;
		struct edge_value values[EDGE_VALUES];
		struct usher_address addresses[EDGE_ADDRESSES];
	};
};
USHER_ASSERT_SIZE(struct edge_fact, 88);

#define EDGE_NAME (USHER_NAME_MAX + 1)
#define EDGE_SHIPPING_MAX 8
#define EDGE_DESTINATION 512

struct edge_rollout {
	char name[EDGE_NAME], service[EDGE_NAME], model[EDGE_NAME], version[EDGE_NAME]; /* name "": none */
	uint8_t state;									/* enum rollout_state */
	uint8_t share;									/* per cent */
	uint8_t padding[2];
};

struct edge_backend {
	char name[EDGE_NAME], model[EDGE_NAME], version[EDGE_NAME];
	char region[8];
	uint8_t health; /* enum health_state, or EDGE_UNCHECKED */
	uint8_t draining, starts, continues;
	uint8_t nat;	     /* forwarded to by NAT: its answers are seen */
	uint8_t quarantined; /* by itself, or with its version */
	uint16_t path_mtu;   /* of a tunnel; 0: none, or not known */
	uint8_t scraped, scrape_fresh;
	uint8_t verifies, verified;
	uint8_t judged, ejected; /* as an outlier */
	uint32_t capacity;
	double load[EDGE_FIGURES]; /* NAN: missing, or stale */
	double balance;		   /* share of its capacity that least-load takes it to use; NAN: none */
};
#define EDGE_UNCHECKED 0xff

/* One gate's judgement of one subject. */
struct edge_gate {
	char gate[EDGE_NAME], subject[2 * EDGE_NAME];
	uint8_t on;    /* enum gate_subject */
	uint8_t state; /* enum gate_state */
	uint8_t acts, alert;
	uint8_t padding[4];
	double value, low, high, samples, age; /* NAN: nothing measured yet */
};

#define EDGE_CPUS_MAX 8192 /* as many as x86 may have */

/* Numbers of records: given, and what became of them (journal_account). */
enum edge_numbers { EDGE_TAKEN, EDGE_STORED, EDGE_LOST, EDGE_NUMBERS };

/* What /metrics serves. `sequence` is odd while the core writes. */
struct edge_page {
	uint64_t sequence;
	uint64_t generation, epoch;
	uint64_t policy_revision;
	uint64_t closed;
	uint64_t quarantines;
	uint64_t flows;
	uint64_t audit_written, audit_gaps, audit_errors;
	uint64_t audit_segment_errors, audit_witness_errors, audit_segments_lost;
	uint64_t audit_waiting_bytes, audit_behind_ms, audit_unsynced_bytes;
	uint64_t audit_disk_free, audit_disk_size; /* bytes; size 0: not known */
	uint64_t audit_cpus;
	uint64_t audit_numbers[EDGE_CPUS_MAX][USHER_RINGS][EDGE_NUMBERS];
	char services[USHER_SERVICES_MAX][EDGE_NAME];	  /* by number; "": none */
	struct edge_backend backends[USHER_BACKENDS_MAX]; /* by number; name "": none */
	char tenants[USHER_TENANT_IDS][EDGE_NAME];	  /* the same */
	struct edge_rollout rollouts[USHER_ROLLOUTS_MAX];
	struct usher_tenant_state tenant_states[USHER_TENANT_IDS];
	uint32_t gate_count, evaluator_count;
	uint32_t surge_count;
	struct edge_surge {
		char service[EDGE_NAME];
		uint32_t tiers, open, sheds, shed, shed_part, padding;
		double ratio; /* NAN: not known */
	} surges[USHER_SERVICES_MAX];
	uint32_t pool_count;
	struct edge_pool {
		char name[EDGE_NAME];
		uint32_t members, leaving, most;
		uint8_t good; /* its source, when it was asked last */
	} pools[USHER_POOLS_MAX];
	uint32_t shipping_count;
	struct edge_shipping {
		char destination[EDGE_DESTINATION]; /* nothing in it needs to be escaped */
		uint64_t lines, bytes, errors, lost_segments, behind;
		double lag; /* s */
		uint64_t connected;
	} shipping[EDGE_SHIPPING_MAX];
	struct edge_gate gates[USHER_GATE_SUBJECTS_MAX];
	char evaluators[USHER_EVALUATORS_MAX][EDGE_NAME];
	uint8_t evaluators_fresh[USHER_EVALUATORS_MAX];
	struct counters counters;
};

struct edge_options {
	char address[64]; /* where /metrics listens; "": nowhere */
	uint16_t port;
	const char *ca_file; /* whom probes by https trust; NULL: EDGE_CA_FILE */
};
#define EDGE_CA_FILE "/etc/ssl/certs/ca-certificates.crt"

struct edge;

/* Forks the edge. To be called before anything that others can influence has been read. Returns 0, or -errno with a
 * sentence. */
int edge_start(const struct edge_options *options, struct problem *problem, struct edge **ret_edge);
/* The edge ends when its core lets go of it. */
void edge_close(struct edge *edge);
/* Of the process that speaks TCP, as it says itself: to be shown, not to be sent signals. 0: it has not said so yet. */
pid_t edge_pid(const struct edge *edge);
/* Readable when there are facts. */
int edge_fd(const struct edge *edge);
/* From now on these targets and sources. round: of this list. Returns 0 or -errno. */
int edge_watch(struct edge *edge, const struct edge_list *list, uint32_t round);
/*
 * The next verdict on a target, or what was read from a source. Returns 0; -EAGAIN: nothing yet, call again when readable; -EPROTO: the edge has sent
 * what is no fact, and it is ignored; -ENOTCONN: the edge is gone for good; or -errno if a new edge could not be handed
 * its list.
 */
int edge_read(struct edge *edge, struct edge_fact *ret_fact);
/* To be filled between edge_page_begin and edge_page_end. */
struct edge_page *edge_page_begin(struct edge *edge);
void edge_page_end(struct edge *edge);

#endif
