/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A policy as the model reads it: the document's own names and lists, nothing resolved ahead of time but region sets.
 * It shares no code with user/policy, so that a misreading there shows up as a difference. It reads valid documents
 * only; anything else ends the test.
 */
#ifndef USHER_MODEL_DOCUMENT_H
#define USHER_MODEL_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "usher/abi.h"

#include "base/arena.h"

struct ref_region {
	char country[3]; /* "": unknown */
	char part[4];	 /* "": the whole country */
};

struct ref_regions {
	bool given;
	bool unknown; /* the list names `unknown` */
	size_t count;
	struct ref_region *items;
};

struct ref_names {
	bool given;
	size_t count;
	const char **items;
};

struct ref_prefix {
	struct usher_address address;
	unsigned int bits; /* of 128 */
	const char *tenant;
	struct ref_region region;
	bool geo; /* of a geography file: the same prefix in the policy itself goes before it */
};

struct ref_label {
	const char *name;
	bool lapsed;
};

struct ref_version {
	const char *model, *name, *stage;
	size_t label_count;
	struct ref_label *labels;
	bool validated, validation_lapsed;
	double score;
	uint32_t outliers;	 /* of its model: per cent of a set that may be left out; 0: none are looked for */
	bool quarantined, gated; /* these are set by the runner */
	uint32_t share;		 /* per cent of its weight that gates leave it; 0: all */
};

struct ref_backend {
	const char *name;
	struct usher_address address;
	uint16_t port;
	bool ipv6, l2; /* l2: the client's packet comes as it is, be it through a tunnel */
	bool tunnel, gue;
	uint16_t mtu; /* of the path */
	const struct ref_version *version;
	struct ref_region region;
	uint32_t capacity;
	bool verify; /* it has to have said what it serves */
	/* What the world does to it: set by the runner, not read from the document. */
	bool draining, down, unreachable, quarantined, gated, verified;
	uint32_t share;	  /* as of a version */
	uint32_t ejected; /* 1: first of its model; 0: not at all */
	uint8_t mac[6], own_mac[6];
};

struct ref_endpoint {
	struct usher_address address;
	uint16_t port;
	bool ipv6;
};

struct ref_service {
	const char *name, *model;
	const char *tenant; /* that owns it, or NULL */
	uint8_t protocol;
	bool sticky, least_load;
	bool rerouted;	    /* by a gate; set by the runner, as the next three */
	uint32_t open;	    /* overflow tiers beside the first */
	uint32_t shed;	    /* priorities that are not served */
	uint32_t shed_part; /* per cent of the next one's new flows that are not */
	size_t tier_count;
	struct ref_regions *tiers;
	size_t address_count;
	struct ref_endpoint *addresses;
};

struct ref_match {
	struct ref_regions regions;
	struct ref_names models, versions, backends, stages, labels;
	bool score_given;
	double score_min;
};

enum ref_effect { REF_ALLOW, REF_DENY, REF_DENY_BACKENDS, REF_REQUIRE, REF_SPLIT, REF_REROUTE };

struct ref_share {
	const char *version;
	uint32_t weight;
};

struct ref_rule {
	const char *id;
	struct ref_names tenants, services;
	struct ref_regions client_regions;
	enum ref_effect effect;
	bool silent; /* "answer": "drop" */
	struct ref_match match;
	size_t share_count;
	struct ref_share *shares;
	const char *reroute;
};

struct ref_tenant {
	const char *name;
	bool audit_required;
	uint32_t priority;
};

struct ref_policy {
	struct arena arena;
	size_t prefix_count, tenant_count, version_count, backend_count, service_count, rule_count, nat_count;
	struct ref_prefix *prefixes;
	struct ref_tenant *tenants;
	struct ref_version *versions;
	struct ref_backend *backends;
	struct ref_service *services;
	struct ref_rule *rules;
	struct usher_address *nat;
	bool audit_required;   /* of tenants that say nothing, and of `unknown` */
	bool deny_new;	       /* past the controller's deadline */
	uint32_t loss_after_s; /* 0: never */
};

/* today: "YYYY-MM-DD"; what expires on an earlier day has lapsed. */
struct ref_policy *ref_policy_read(const char *text, size_t length, const char *today);
void ref_policy_free(struct ref_policy *policy);

bool ref_is_ipv4(const struct usher_address *address);
const struct ref_service *ref_service_named(const struct ref_policy *policy, const char *name);
/* Position in policy->services. */
size_t ref_service_index(const struct ref_policy *policy, const struct ref_service *service);

#endif
