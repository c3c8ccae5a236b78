/* SPDX-License-Identifier: GPL-2.0-only */
/* Where vectors run: the program loaded, a policy in force, and what is known of its backends. */
#ifndef USHER_VECTORS_STAGE_H
#define USHER_VECTORS_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compile/compile.h"
#include "kernel/mapping.h"
#include "kernel/publish.h"
#include "judge.h"

#define STAGE_BACKENDS_MAX 32
#define STAGE_HALF_OPEN_MAX 1000

struct stage_backend {
	char name[USHER_NAME_MAX + 1];
	bool draining, quarantined; /* by an operator */
	bool gated, unverified, down, ejected;
	bool lost; /* it has no next hop */
};

struct vector_stage {
	struct program program;
	struct publisher *publisher;
	struct identities *identities;
	struct mapping flows, tenants;
	uint8_t *soil; /* a value of `desks`, for each CPU */
	uint8_t judgement[32];
	uint64_t generation;
	uint32_t epoch;
	struct stage_backend backends[STAGE_BACKENDS_MAX]; /* in the order in which they were first seen */
	size_t backend_count;
	uint32_t shed;	      /* priorities, from the next policy on */
	struct places places; /* of the policy in force */
};

/* Returns 0 or -errno. */
int stage_open(struct vector_stage *stage);

/* closed: no route leads anywhere, as the daemon has it for services whose policy is not valid any more. Returns 0 or -errno. */
int stage_publish(struct vector_stage *stage, const char *path, bool closed);

/* From the next policy on: "draining", "down", "lost", "quarantined", "gated", "unverified", "ejected" or "up". False: that is no state, or there are too many backends. */
bool stage_backend_is(struct vector_stage *stage, const char *name, const char *state);

/* MAC of a backend, or of C, the client, or G, the gateway. False: nobody is called so. */
bool stage_mac(const struct vector_stage *stage, const char *name, uint8_t mac[6]);

/* No flow is open, and no tenant has done anything. */
void stage_forget(struct vector_stage *stage);

/* Where packets are worked on, full of ones: a packet must not depend on what the one before left there. */
void stage_soil(struct vector_stage *stage);

/* As if another CPU were inserting at each line. */
void stage_lock(struct vector_stage *stage, bool locked);

/* As if the last packet of every open flow had come so long ago. */
void stage_let_pass(struct vector_stage *stage, unsigned int ticks);

/* Packets that came to this, whichever service they were for. */
uint64_t stage_counted(const struct vector_stage *stage, uint32_t reason);

#endif
