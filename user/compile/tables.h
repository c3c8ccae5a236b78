/* SPDX-License-Identifier: GPL-2.0-only */
/* One generation in user memory: exactly the bytes that publish writes, and the names for its numbers. */
#ifndef USHER_COMPILE_TABLES_H
#define USHER_COMPILE_TABLES_H

#include "usher/abi.h"

#include "base/sha256.h"
#include "compile/identities.h"

/* What the numbers of one generation are called. Owns its strings, so that it may outlive policy and tables. */
struct catalog_class {
	const char *tenant;
	char region[8];
	int family; /* AF_INET, AF_INET6 */
};

struct catalog_backend {
	const char *name; /* NULL: no such backend in this generation */
	const char *model, *version;
	char region[8];
	uint16_t incarnation;
	struct usher_address address;
	uint16_t port;
	enum usher_forward forward;
};

struct catalog_service {
	const char *name; /* NULL: none */
	const char *model;
};

struct source_trees;

struct catalog {
	struct arena arena;
	struct source_trees *trees; /* held: whom its source prefixes mean; or NULL */
	uint64_t generation;
	uint32_t epoch;
	char policy_digest[65];
	const char *policy_name;
	uint64_t policy_revision;
	const char **rules; /* ids, by position */
	size_t rule_count;
	struct catalog_class *classes; /* by class id */
	size_t class_count;
	const char **tenants;		  /* USHER_TENANT_IDS, by tenant id; NULL: none */
	struct catalog_service *services; /* USHER_SERVICES_MAX, by service id */
	struct catalog_backend *backends; /* USHER_BACKENDS_MAX, by backend id */
	struct usher_nat_address *nat;	  /* USHER_NAT_ADDRESSES_MAX, by number */
};

struct tables {
	struct arena arena;	    /* of all arrays but those of the sources */
	struct source_trees *trees; /* whose the source tables are */
	struct usher_generation header;
	struct usher_endpoint *endpoints; /* USHER_ENDPOINT_SLOTS */
	struct usher_source4_line *source4;
	struct usher_source6_line *source6;
	struct usher_line16 *source4_classes, *source6_classes;
	size_t source4_lines, source6_lines, source4_class_lines, source6_class_lines;
	struct usher_line32 *networks; /* USHER_NETWORKS_LINES */
	struct usher_line16 *network_blocks;
	size_t network_block_lines;
	struct usher_class *classes;
	size_t class_count;
	struct usher_service *services; /* USHER_SERVICES_MAX */
	struct usher_line16 *route_index;
	size_t route_index_lines;
	struct usher_route *routes;
	size_t route_count;
	struct usher_arm *arms;
	size_t arm_count;
	struct usher_line16 *rings;
	size_t ring_lines;
	struct usher_set *sets;
	size_t set_count;
	struct usher_backend *backends; /* USHER_BACKENDS_MAX */
	struct usher_tenant_limit *tenant_limits;
	size_t tenant_limit_count;     /* USHER_TENANT_IDS */
	struct usher_nat_address *nat; /* USHER_NAT_ADDRESSES_MAX */
	uint8_t judgement[32];	       /* SHA-256 of all that open flows are judged by: differs = new epoch */
	struct identities *identities; /* after this policy */
	struct catalog *catalog;       /* may be taken by the caller: set it to NULL */
};

/* Of everything that packets see, but for the numbers of generation and epoch. */
void tables_digest(const struct tables *tables, char ret_digest[SHA256_HEX]);

#endif
