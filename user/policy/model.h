/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A policy as a program sees it: every name resolved to an index, every default filled in, every list sorted as
 * stated. parse.c builds it, validate.c has checked it before anyone else sees it, nobody changes it afterwards.
 * All of its memory belongs to its arena.
 */
#ifndef USHER_POLICY_MODEL_H
#define USHER_POLICY_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "usher/abi.h"

#include "base/arena.h"
#include "policy/gate_settings.h"
#include "policy/outlier_settings.h"
#include "policy/rollout_settings.h"

#define POLICY_NONE SIZE_MAX

/* Where a thing stands in the document, from 1; columns count bytes. */
struct place {
	uint32_t line, column;
	uint32_t mark; /* of its value in the text; means nothing once the document has been read */
};

/* ISO 3166-1 alpha-2, optionally with an ISO 3166-2 subdivision ("DE", "HE"). An empty country is `unknown`. */
struct region {
	char country[3];
	char subdivision[4];
};

/* A set of regions, flattened: named sets and single codes of a list come out as one. Sorted, no duplicates. */
struct region_list {
	const struct region *items;
	size_t count;
};

struct index_list { /* sorted, no duplicates; count 0 with `given` set matches nothing */
	const size_t *items;
	size_t count;
	bool given;
};

struct region_set {
	const char *name;
	struct place place;
	struct region_list regions; /* includes resolved */
	const char *basis;	    /* or NULL */
	int64_t recheck_by;	    /* seconds since the epoch, end of that day, UTC; 0: none */
};

struct source {
	struct usher_address address; /* host bits are zero */
	uint8_t bits;		      /* 0..128; of an IPv4 prefix 96..128 */
	struct region region;
	struct place place;
};

/* One line of a geography file. */
struct geo_prefix {
	struct usher_address address; /* host bits are zero */
	uint32_t line;
	uint16_t region; /* of the file's regions */
	uint8_t bits;	 /* as in a source */
};

/* A geography file: whoever comes from its prefixes is its tenant, unless a longer prefix or one of the same length in the policy
 * itself says otherwise. */
struct geo {
	const char *file; /* as written */
	char digest[65];  /* SHA-256 of its bytes */
	size_t tenant;
	struct place place;
	const struct region *regions;
	size_t region_count;
	const struct geo_prefix *prefixes; /* sorted by address, bits */
	size_t prefix_count;
};

enum audit_mode { AUDIT_EVERY_FLOW, AUDIT_REQUIRED };

/* 0: no limit. */
struct tenant_limits {
	uint32_t new_flows_per_second;
	uint32_t burst; /* of new flows; 0 only without a rate of theirs */
	uint32_t active_flows;
	uint64_t bits_per_second;
};

enum client_address { CLIENT_PLAIN, CLIENT_TRUNCATED, CLIENT_HMAC, CLIENT_ADDRESSES };
extern const char *const client_address_words[CLIENT_ADDRESSES];

/* How clients' addresses are put on record. */
struct client_privacy {
	enum client_address mode;
	uint32_t every_s, keep_s; /* of CLIENT_HMAC: how long a key is used, and how long it is kept after that */
};

/* How long the record of a day is kept. Articles 19 and 26 of Regulation (EU) 2024/1689 have six months for the systems they cover. */
#define RETAIN_ADVISED_S (183u * 86400)
struct audit_retention {
	uint32_t seconds; /* 0: nothing is ever deleted */
	uint32_t mark;
};

struct tenant {
	const char *name;
	struct place place;
	const struct source *sources; /* as written */
	size_t source_count;
	enum audit_mode audit;
	struct tenant_limits limits;
	uint32_t priority; /* in a surge the lowest is shed first; `unknown` has 0 */
};

enum stage { STAGE_DEVELOPMENT, STAGE_CANARY, STAGE_PRODUCTION, STAGE_ARCHIVED, STAGES };
extern const char *const stage_names[STAGES];

struct label {
	const char *name;
	const char *evidence;
	int64_t expires; /* as recheck_by */
};

struct version {
	const char *name;
	struct place place;
	size_t model;
	enum stage stage;
	const char *digest;	    /* "sha256:…", or NULL */
	const struct label *labels; /* sorted by name */
	size_t label_count;
	bool validated;
	double score; /* 0..1 */
	uint64_t samples;
	int64_t validation_expires;
};

struct model {
	const char *name;
	struct place place;
	struct index_list versions;	 /* into policy.versions */
	struct outlier_settings outlier; /* all 0: none is looked for */
};

enum health_probe { HEALTH_PROBE_NONE, HEALTH_PROBE_TCP, HEALTH_PROBE_HTTP, HEALTH_PROBE_HTTPS, HEALTH_PROBES };

struct health {
	enum health_probe probe;
	uint32_t interval_ms, timeout_ms;
	uint32_t rise, fall;
	uint32_t jitter;  /* thousandths of the interval, 0..500 */
	uint16_t port;	  /* 0: the backend's */
	bool verify;	  /* the certificate, of https */
	const char *path; /* of http and https, or NULL */
	const char *host; /* the same; NULL: the address */
	uint16_t *status; /* codes that are good, of http and https; count 0: 200 to 299 */
	size_t status_count;
};

/*
 * Whose metrics they are: X(name, word, port that they are served at, 0: the backend's own; path). What the series are called
 * is in edge/telemetry_presets.c.
 */
#define LOAD_SERVERS(X)                                                                                                \
	X(NOT_SCRAPED, NULL, 0, NULL)                                                                                  \
	X(AUTO, "auto", 0, "/metrics") /* whichever of those below it is */                                            \
	X(OWN, NULL, 0, "/metrics")    /* the policy names the series */                                               \
	X(VLLM, "vllm", 0, "/metrics")                                                                                 \
	X(SGLANG, "sglang", 0, "/metrics")                                                                             \
	X(TENSORRT_LLM, "tensorrt-llm", 0, "/prometheus/metrics")                                                      \
	X(TRITON, "triton", 8002, "/metrics")                                                                          \
	X(TRITON_TENSORRT_LLM, "triton-tensorrt-llm", 8002, "/metrics")                                                \
	X(TGI, "tgi", 0, "/metrics")                                                                                   \
	X(LLAMA_CPP, "llama.cpp", 0, "/metrics")                                                                       \
	X(DCGM, "dcgm", 9400, "/metrics")

enum load_server {
#define X(name, word, port, path) LOAD_##name,
	LOAD_SERVERS(X)
#undef X
		LOAD_SERVERS_COUNT
};
extern const char *const load_server_words[LOAD_SERVERS_COUNT];

/* Where a backend's load is read from. */
struct load_source {
	enum load_server server;
	uint16_t port; /* 0: the backend's */
	bool tls, verify;
	const char *path, *host; /* host NULL: the address */
	uint32_t every_ms, timeout_ms, stale_after_ms;
	const char *waiting, *running, *use; /* of LOAD_OWN: names of series, or NULL */
	bool use_percent;		     /* `use` is 0 to 100 */
};

enum evaluator_protocol {
	EVALUATOR_PAGE,	      /* a page of metrics */
	EVALUATOR_PROMETHEUS, /* the query API of a Prometheus server, below `path` */
	EVALUATOR_PROTOCOLS,
};

/* Where figures are read that gates judge. */
struct evaluator {
	const char *name;
	struct place place;
	enum evaluator_protocol protocol;
	struct usher_address address;
	uint16_t port;
	bool tls, verify;
	const char *path, *host; /* host NULL: the address */
	uint32_t every_ms, timeout_ms, stale_after_ms;
};

/* How a backend says what it serves. */
struct verify {
	bool given;
	uint16_t port; /* 0: the backend's */
	bool tls, certificate;
	const char *path, *host; /* host NULL: the address */
	const char *pointer;	 /* RFC 6901, into the JSON that it answers */
	const char *equals;	 /* what has to stand there */
	uint32_t every_ms, timeout_ms;
	uint32_t stale_after_ms; /* so long the last good answer is believed while there is none */
};

extern const char *const forward_names[]; /* by enum usher_forward */

struct backend {
	const char *name;
	struct place place;
	struct usher_address address;
	uint16_t port;
	size_t version;
	struct region region;
	uint32_t capacity; /* 1..USHER_WEIGHT_MAX; its weight in a ring */
	enum usher_forward forward;
	struct health health;
	struct load_source load;
	struct verify verify;
	size_t pool;  /* 1 + that of which it is a member; 0: of none, it stands in the document itself */
	bool leaving; /* its pool's source names it no more: no new connections */
};

struct pool_prefix {
	struct usher_address address; /* host bits are zero */
	uint8_t bits;		      /* as in a source */
};

/* Backends that come and go with what a file or a DNS name says, within these bounds. */
struct pool {
	const char *name;
	struct place place;
	const char *file;	     /* its name in usherd's folder of pools; NULL: it is asked of DNS */
	const char *dns;	     /* the name; NULL: it is a file */
	struct usher_address server; /* whom DNS is asked; port 0: whom the host asks */
	uint16_t server_port;
	uint32_t every_ms, timeout_ms;
	uint32_t linger_ms; /* so long who is named no more keeps his open connections */
	uint32_t most;	    /* members, those that leave among them */
	uint16_t ports[USHER_POOL_PORTS_MAX];
	size_t port_count;
	struct region_list regions;	  /* that a member's own has to lie in */
	const struct pool_prefix *within; /* that its address has to be in */
	size_t within_count;
	struct backend
		pattern; /* what members are, but for name and address; port 0, country "": each has to say its own */
};

struct service_address {
	struct usher_address address;
	uint16_t port;
	struct place place;
};

struct service {
	const char *name;
	struct place place;
	const struct service_address *addresses;
	size_t address_count;
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	size_t model;
	size_t tenant; /* that owns it, or POLICY_NONE */
	bool sticky_client;
	bool announce;
	bool least_load; /* of two candidates the less loaded; otherwise the first */
	/* Overflow: a backend is in the first tier whose regions it lies in, counted from 1, otherwise in tier 0. */
	struct region_list *tiers;
	size_t tier_count;
	uint32_t shed_steps; /* after the last tier tenants are shed by priority, each in so many steps; 0: nobody is */
	double open_at, close_at; /* load over capacity */
	uint32_t open_for_s, close_for_s;
	uint32_t slow_start_ms; /* 0: newcomers get their full weight at once */
};

enum rule_effect { RULE_ALLOW, RULE_DENY, RULE_DENY_BACKENDS, RULE_REQUIRE, RULE_SPLIT, RULE_REROUTE };

/* Keys are and-ed; a list that is not given matches everything. */
struct rule_when {
	struct index_list tenants; /* tenant POLICY_UNKNOWN_TENANT is `unknown` */
	struct index_list services;
	struct region_list client_regions;
	bool client_regions_given;
	bool unknown_region; /* "unknown" is one of client_regions */
};
#define POLICY_UNKNOWN_TENANT (SIZE_MAX - 1)

/* Of a require: all given keys must hold. Of a deny: a backend is taken away if all given keys hold. */
struct backend_match {
	struct region_list regions;
	bool regions_given;
	struct index_list versions;
	struct index_list backends;
	uint32_t stages;	   /* bit per enum stage; 0: not given */
	const char *const *labels; /* sorted; all of them */
	size_t label_count;
	bool score_given;
	double score_min;
};

struct share {
	size_t version;
	uint32_t weight; /* 0..USHER_WEIGHT_MAX; at least one of a split is not 0 */
	struct place place;
};

struct rule {
	const char *id;
	struct place place;
	struct rule_when when;
	enum rule_effect effect;
	enum usher_answer answer;   /* of a deny */
	struct backend_match match; /* of a require or a RULE_DENY_BACKENDS */
	const struct share *shares; /* of a split, sorted by version index */
	size_t share_count;
	size_t reroute; /* service */
};

enum gate_subject { GATE_ON_VERSION, GATE_ON_BACKEND, GATE_ON_SERVICE, GATE_SUBJECTS };
extern const char *const gate_subject_names[GATE_SUBJECTS];

enum gate_figure {
	GATE_METRIC,	 /* a gauge, as it is */
	GATE_PROPORTION, /* successes over trials */
	GATE_DIFFERENCE, /* of two groups' proportions: the first less the second */
	GATE_RATIO,	 /* the first over the second */
	GATE_STABILITY,	 /* population stability index of two histograms */
	GATE_FIGURES,
};
extern const char *const gate_figure_names[GATE_FIGURES];

enum gate_action {
	GATE_QUARANTINE, /* out of every constraint set */
	GATE_SHARE,	 /* so many per cent of its weight */
	GATE_REROUTE,	 /* new connections of the service go where a reroute rule sends them */
	GATE_ALERT,	 /* nothing but words: what it would have done */
	GATE_ACTIONS,
};
extern const char *const gate_action_names[GATE_ACTIONS];

/* The label that a series has to have. {model}, {version}, {backend} and {service} in the value stand for the subject's. */
struct gate_label {
	const char *name, *value;
};

struct gate_policy {
	const char *name;
	struct place place;
	enum gate_subject on;
	struct index_list subjects; /* versions, backends or services */
	bool all_subjects;	    /* the document does not say which: all of them, members of pools as well */
	size_t evaluator;
	enum gate_figure figure;
	/* GATE_METRIC: the gauge, and how many samples it rests on (or NULL); proportions: successes and trials; GATE_STABILITY:
	 * actual, and expected unless it is in the policy (NULL then). */
	const char *series[2];
	uint32_t window_s; /* over which counters are looked at; 0: since ever, of GATE_METRIC */
	const char *group_label, *groups[2];
	const double *buckets;	/* upper bounds, rising, the last one INFINITY */
	const double *expected; /* a count for each */
	size_t bucket_count;
	struct gate_label labels[USHER_SERIES_LABELS_MAX];
	size_t label_count;
	struct gate_settings settings;
	enum gate_action action;
	uint32_t share; /* per cent, of GATE_SHARE */
};

/* One version takes over from another, step by step. While it is in the policy it takes the place of every split of its service. */
struct rollout_policy {
	const char *name;
	struct place place;
	size_t service, from, to; /* from, to: versions of the service's model */
	struct rollout_settings settings;
	const size_t *needs; /* gates on versions, in the order of the document; settings.need_count of them */
};

struct policy {
	struct arena arena;
	const char *file;
	const char *name; /* metadata, or NULL */
	uint64_t revision;
	const char *const *approved_by;
	size_t approved_by_count;
	int64_t review_by;
	char digest[65]; /* SHA-256 of the document's canonical form and of its geography files, hexadecimal */

	/* All sorted by name, so that an index is a name's rank; rules stay in document order. */
	struct region_set *region_sets;
	struct tenant *tenants;
	struct model *models;
	struct version *versions; /* by model, then name */
	struct backend *backends;
	struct service *services;
	struct rule *rules;
	size_t region_set_count, tenant_count, model_count, version_count, backend_count, service_count, rule_count;

	struct geo geos[USHER_GEO_FILES_MAX]; /* in document order of their tenants' names */
	size_t geo_count;

	struct evaluator *evaluators; /* these two sorted by name */
	struct gate_policy *gates;
	size_t evaluator_count, gate_count;
	struct rollout_policy *rollouts; /* sorted by name; one of a service at most */
	size_t rollout_count;
	struct pool *pools; /* sorted by name; their members are among the backends (policy/members.h) */
	size_t pool_count;

	const struct usher_address *nat_addresses;
	size_t nat_address_count;

	struct client_privacy privacy;
	struct audit_retention retention;
	enum audit_mode audit_default;	     /* of tenants that say nothing, and of `unknown` */
	struct tenant_limits unknown_limits; /* of those whom no prefix covers */
	uint32_t loss_after_ms;		     /* 0: no deadline */
	enum usher_loss_action loss_action;
};

#endif
