/* SPDX-License-Identifier: GPL-2.0-only */
/* What is known about the world, apart from the policy. Filled by the daemon, judged by decide.c. */
#ifndef USHER_GOVERN_FACTS_H
#define USHER_GOVERN_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "govern/cause.h"
#include "govern/verification.h"
#include "policy/model.h"

enum health_state {
	HEALTH_UNKNOWN, /* not probed yet: not good enough to start flows once probes are asked for */
	HEALTH_UP,
	HEALTH_DOWN,
};

/* Who says how much fits the path. */
enum mtu_source {
	MTU_OF_INTERFACE,
	MTU_OF_ROUTE,  /* an operator's word */
	MTU_OF_ROUTER, /* one on the way has said so; forgotten after a while */
};

struct next_hop {
	bool resolved;
	uint8_t mac[6];	    /* of the backend, or of the router towards it */
	uint8_t own_mac[6]; /* of the interface */
	uint32_t interface;
	struct usher_address source; /* that the host would send from; all 0: none */
	uint16_t mtu;		     /* of the path, as far as the host knows; 0: not known */
	enum mtu_source mtu_source;
};

/* What a backend's metrics say. What is missing or stale is not known: neither idle nor busy. */
struct load_facts {
	bool asked;		 /* a scrape has ended, well or not */
	struct cause cause;	 /* of the last one */
	int64_t observed_at;	 /* CLOCK_MONOTONIC ns of the last page that was read; 0: none */
	double waiting, running; /* requests; NAN: missing, as the others */
	double use;		 /* of cache or GPU, 0..1 */
	double start_time;	 /* of the process, seconds since the epoch */
	enum load_server server; /* that the page was read as */
	struct {
		uint8_t code, series;
	} findings[12]; /* as the edge tells them */
	uint8_t finding_count;
};

struct backend_facts {
	enum health_state health;
	struct cause cause; /* of HEALTH_DOWN; otherwise CAUSE_NONE */
	bool draining;	    /* by an operator */
	bool quarantined;   /* by an operator; whatever its version is */
	bool gated;	    /* by a gate; the same */
	uint32_t share;	    /* per cent of its weight that gates leave it; 0: all */
	uint32_t ejected;   /* as an outlier: 1 has gone first, of all of its model; 0: it is in */
	struct next_hop next_hop;
	struct load_facts load;
	struct verification verification; /* means nothing where the policy asks for none */
	/* Since when it has been able to start flows, as decided last, in seconds since the epoch; 0: it was not. */
	int64_t able_since;
};

struct version_facts {
	bool quarantined; /* by an operator: with every backend that serves it */
	bool gated;	  /* by a gate: the same */
	uint32_t share;	  /* per cent of its backends' weight, and of its own in a split, that gates leave it; 0: all */
};

struct service_facts {
	uint32_t open;	       /* overflow tiers beside the first */
	uint32_t shed;	       /* priorities that are not served, from the lowest */
	uint32_t shed_part;    /* of the next one: per cent of its new connections, below 100 */
	bool rerouted;	       /* by a gate: its new connections go elsewhere, or nowhere */
	uint8_t rollout_share; /* per cent that the new version of its roll-out is given; nothing without a roll-out */
};

struct facts {
	struct backend_facts *backends; /* by policy backend index */
	size_t backend_count;
	struct version_facts *versions; /* by policy version index; those beyond are in no quarantine */
	size_t version_count;
	struct service_facts *services; /* by policy service index; those beyond are not rerouted */
	size_t service_count;
};

#endif
