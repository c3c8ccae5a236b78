/* SPDX-License-Identifier: GPL-2.0-only */
/* Every maximum, once: it sizes the maps and bounds the policy. */
#ifndef USHER_LIMITS_H
#define USHER_LIMITS_H

/* What a policy may hold. `usher check` reports each of these by name. */
#define USHER_SERVICES_MAX 256
#define USHER_SERVICE_ADDRESSES_MAX 8
#define USHER_TENANTS_MAX 1024
#define USHER_TENANT_IDS (USHER_TENANTS_MAX + 1) /* 0 is `unknown` */
#define USHER_NEW_FLOWS_MAX 1000000		 /* a second; a nanosecond of rounding is 0.1 % of that */
#define USHER_BURST_MAX 10000000
#define USHER_ACTIVE_FLOWS_MAX 4194304
#define USHER_BIT_RATE_MIN 100000 /* bits a second */
#define USHER_BIT_RATE_MAX 1000000000000
#define USHER_BIT_BURST_MIN (128 << 10) /* bytes: two of the largest frames that generic XDP hands over */
#define USHER_CLASSES_MAX 65536
#define USHER_BACKENDS_MAX 4096
#define USHER_POOLS_MAX 64
#define USHER_POOL_MEMBERS_MAX 1024 /* of one pool; of all together USHER_BACKENDS_MAX, with the backends themselves */
#define USHER_POOL_PREFIXES_MAX 64  /* that its members' addresses have to be in */
#define USHER_POOL_PORTS_MAX 16	    /* that its members may have */
#define USHER_POOL_FILE_BYTES_MAX (1u << 20)
#define USHER_DNS_NAME_MAX 253
#define USHER_RULES_MAX 4096
#define USHER_PREFIXES_MAX 65536	  /* written in the policy itself */
#define USHER_GEO_FILES_MAX 16		  /* geography files that its tenants name */
#define USHER_GEO_PREFIXES_MAX (1u << 20) /* of all these files together */
#define USHER_GEO_REGIONS_MAX 8192	  /* different ones in one file */
#define USHER_GEO_BYTES_MAX (64u << 20)	  /* of all these files together */
#define USHER_SOURCES_MAX (USHER_PREFIXES_MAX + USHER_GEO_PREFIXES_MAX)
#define USHER_MODELS_MAX 1024
#define USHER_VERSIONS_MAX 4096 /* of all models together */
#define USHER_REGION_SETS_MAX 1024
#define USHER_LABELS_MAX 64 /* on one version, or in one require */
#define USHER_ARMS_MAX 16   /* versions that one split may name */
#define USHER_NAT_ADDRESSES_MAX 32
#define USHER_REGIONS_MAX 1024	  /* in one region set or list, includes resolved */
#define USHER_HEALTH_PATH_MAX 255 /* bytes of what a probe asks for */
#define USHER_HEALTH_HOST_MAX 253 /* bytes of the name that it asks by */
#define USHER_METRIC_NAME_MAX 127 /* bytes of the name of a series */
#define USHER_POINTER_MAX 127	  /* bytes of a JSON pointer */
#define USHER_IDENTITY_MAX 127	  /* bytes of what a backend is to say of itself */
#define USHER_LABEL_VALUE_MAX 127 /* bytes of what a label of a series is to be */
#define USHER_SERIES_LABELS_MAX 4 /* that a series is chosen by */
#define USHER_TIERS_MAX 7	  /* of overflow, beside the one that is always open */
#define USHER_PRIORITY_MAX 1000000
#define USHER_EVALUATORS_MAX 64
#define USHER_GATES_MAX 64
#define USHER_GATE_SUBJECTS_MAX 4096 /* versions, backends and services, of all gates together */
#define USHER_SERIES_MAX 16384	     /* that all gates together read */
#define USHER_ROLLOUTS_MAX 64
#define USHER_ROLLOUT_STEPS_MAX 32
#define USHER_ROLLOUT_NEEDS_MAX 16
#define USHER_BUCKETS_MAX 64	   /* of a histogram that is compared */
#define USHER_HEALTH_STATUS_MAX 16 /* codes that it may be answered with */
#define USHER_WEIGHT_MAX 10000	   /* of a backend's capacity and of a split's share */

/* What a document may be. */
#define USHER_POLICY_BYTES_MAX (32u << 20)
#define USHER_POLICY_DEPTH_MAX 16
#define USHER_POLICY_VALUES_MAX (2u << 20) /* JSON values: bounds the memory of reading it */
#define USHER_NAME_MAX 63
#define USHER_STRING_MAX 1024

/* What the compiler may make of it. One slot is one generation; there are two. */
#define USHER_SLOTS 2
#define USHER_ROUTES_MAX 65536
#define USHER_ROUTE_ARMS_MAX 131072
#define USHER_SETS_MAX 4096		/* distinct constraint sets; set 0 is the empty one */
#define USHER_RING_SLOTS_MAX (8u << 20) /* of all rings together */
#define USHER_RING_SIZE_MAX (1u << 20)	/* of one ring */
#define USHER_ENDPOINT_SLOTS 16384	/* open addressing, at most an eighth full */
#define USHER_ENDPOINT_PROBES 8
#define USHER_SOURCE4_LEVELS_MAX 6  /* of the interval trees: 139,265 lines with 17 children each */
#define USHER_SOURCE6_LEVELS_MAX 10 /* 557,057 lines with five children each */
#define USHER_TABLE_BYTES_MAX (1024u << 20)

/* The flow table. A set is the neighbourhood a key may live in. */
#define USHER_FLOW_SET 64
#define USHER_FLOW_LINES_MIN 1024u
#define USHER_FLOW_LINES_DEFAULT (1u << 20)
#define USHER_FLOW_LINES_MAX (1u << 23)
/* So many in use, one newcomer in 100,000 finds no room in its set. */
#define USHER_FLOW_LINES_RATED(lines) ((lines) / 16 * 9)

/* IPv6 extension headers walked before a packet is called malformed. */
#define USHER_IPV6_EXTENSIONS_MAX 4
/* Interfaces that one usher has; a flow notes in three bits by which its client came. */
#define USHER_INTERFACES_MAX 8

/* VLAN tags (IEEE 802.1Q, 802.1ad) kept on the way out; a frame with more is the host's. */
#define USHER_VLAN_TAGS_MAX 2

/* Slots for records that a CPU has for each kind of tenant, a power of two: as many as it can have of these in all, within bounds. */
#define USHER_EVENT_SLOTS (1u << 20)
#define USHER_EVENT_SLOTS_MIN (1u << 13)
#define USHER_EVENT_SLOTS_MAX (1u << 17)

#endif
