/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sections of a document, each read into its part of the policy. In the order of these lines, since a section names
 * only things of those before it. What is wrong goes to the document's diagnostics; what is left is filled in as far as
 * it could be read, so that later sections find the names of this one.
 */
#ifndef USHER_POLICY_PARSE_H
#define USHER_POLICY_PARSE_H

#include "policy/reference.h"
#include "policy/region.h"

void parse_regions(struct document *document, struct node node, struct policy *policy);
void parse_tenants(struct document *document, struct node node, struct policy *policy);
void parse_models(struct document *document, struct node node, struct policy *policy);
void parse_backends(struct document *document, struct node node, struct policy *policy);
void parse_pools(struct document *document, struct node node, struct policy *policy);
void parse_services(struct document *document, struct node node, struct policy *policy);
void parse_rules(struct document *document, struct node node, struct policy *policy);
void parse_evaluators(struct document *document, struct node node, struct policy *policy);
void parse_gates(struct document *document, struct node node, struct policy *policy);
void parse_rollouts(struct document *document, struct node node, struct policy *policy);

/* What no section can judge alone: addresses that clash, circles, versions that a rule cannot mean. */
void validate(struct document *document, const struct policy *policy);
/* Those of a policy that need its pools to have members (policy_assume_members). */
void validate_forwarding(struct document *document, const struct policy *policy);
/* What is legal and suspicious. now: seconds since the epoch. Asked only of a policy without errors. */
void suspect(struct document *document, const struct policy *policy, int64_t now);
void suspect_gates(struct document *document, const struct policy *policy);
void suspect_overflow(struct document *document, const struct policy *policy);
void suspect_outliers(struct document *document, const struct policy *policy);
void suspect_rollouts(struct document *document, const struct policy *policy);

/* SHA-256 of the document as it would be printed with sorted keys and without blanks, and of the digests of its files. */
void document_digest(const struct document *document, const struct policy *policy, char hex[65]);

/* How often something is asked, how long it may take, and how old what it said may become. */
struct pace {
	const struct field *every, *timeout, *stale_after;
	uint32_t every_min, stale_min, stale_max; /* ms; an interval is an hour at most */
	uint32_t every_ms, timeout_ms;		  /* unless given; the timeout is no longer than the interval */
	uint32_t intervals;			  /* after so many it is stale, unless given */
	const char *what;			  /* "scrape", for messages */
};
void read_pace(struct document *document, struct node node, const struct pace *pace, uint32_t *ret_every,
	       uint32_t *ret_timeout, uint32_t *ret_stale_after);
/* A duration as whole seconds, rounded up; what is not given stays as it is. */
void read_seconds(struct document *document, const struct field *field, uint32_t min, uint32_t max,
		  uint32_t *ret_seconds);
/* The name of a series: at most USHER_METRIC_NAME_MAX characters. Returns 0 or -EINVAL. */
int read_metric_name(struct document *document, struct node node, const char **ret_name);
void read_load(struct document *document, struct node node, struct load_source *load);
/* How a backend that serves this version says so; policy: its models are read. */
void read_verify(struct document *document, struct node node, const struct policy *policy, size_t version,
		 struct verify *verify);
/* What an HTTP request asks for: at most USHER_HEALTH_PATH_MAX characters that need no escaping, from "/" on. */
void read_path(struct document *document, struct node node, const char **ret_path);
bool is_path(const char *text);
/* By which name it does. */
void read_host_name(struct document *document, struct node node, const char **ret_host);

/* What a backend and the pattern of a pool's members have in common: the first fields of each, in this order. */
enum backend_field {
	BACKEND_SERVES,
	BACKEND_CAPACITY,
	BACKEND_FORWARD,
	BACKEND_HEALTH,
	BACKEND_TELEMETRY,
	BACKEND_VERIFY,
	BACKEND_FIELDS,
};
#define BACKEND_FIELD_KEYS                                                                                             \
	[BACKEND_SERVES] = {.key = "serves", .required = true}, [BACKEND_CAPACITY] = {.key = "capacity"},              \
	[BACKEND_FORWARD] = {.key = "forward"}, [BACKEND_HEALTH] = {.key = "health"},                                  \
	[BACKEND_TELEMETRY] = {.key = "telemetry"}, [BACKEND_VERIFY] = {.key = "verify"}
/* Fills in what is not given as well. */
void read_backend_fields(struct document *document, const struct field *fields, const struct policy *policy,
			 struct backend *backend);
/* A prefix. Returns 0 or -EINVAL; of one that has bits behind it, which is an error, the network is there all the same. */
int read_prefix(struct document *document, struct node node, struct usher_address *ret_address, uint8_t *ret_bits);
/* Can one host have this address and be reached there from another one? */
bool is_host_address(const struct usher_address *address);

/* Where a service turns when its backends are full; `surge`: at which load. */
void read_overflow(struct document *document, const struct field *overflow, const struct field *surge,
		   const struct policy *policy, struct service *service);
/* "every-flow" or "required". */
void read_audit_mode(struct document *document, const struct field *field, enum audit_mode *ret_mode);
/* An address with a port that a host can have; `what`: "a backend". */
int read_endpoint(struct document *document, struct node node, const char *what, struct usher_address *ret_address,
		  uint16_t *ret_port);
/* When a backend of the model is an outlier. */
void read_outlier(struct document *document, struct node node, struct outlier_settings *settings);
/* How a backend is probed; what is not given stays as it is in `health`. */
void read_health(struct document *document, struct node node, struct health *health);
int read_host_address(struct document *document, struct node node, const char *what, struct usher_address *ret_address);

#endif
