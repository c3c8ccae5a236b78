/* SPDX-License-Identifier: GPL-2.0-only */
/* The backends that may start in an arm, and their ring: different shortlists may have the same ones, which are then looked at once. */
#ifndef USHER_COMPILE_CROWDS_H
#define USHER_COMPILE_CROWDS_H

#include "base/diagnostics.h"
#include "compile/memory.h"
#include "compile/identities.h"
#include "compile/shortlist.h"

/* What has been made of the backends that may start in an arm. */
struct crowd {
	uint32_t ring, ring_size;
};

struct crowds {
	const struct effective *effective;
	const struct numbers *numbers;
	struct diagnostics *diagnostics;
	const struct rings *known; /* of a compilation before, or NULL */
	uint32_t ring_cap;	   /* no ring has more slots */
	struct intern keys;	   /* who may start; by its number: */
	struct crowd *items;
	size_t capacity;
	struct rings rings; /* as they lie in the table */
	bool warming;	    /* some member of the ring being made is in its slow start */
};

/*
 * service: whose arm it is. list: the arm's. Returns 0, -ENOMEM, -E2BIG with the limit in `diagnostics`, or -ENOSPC: there would be room if ring_cap were smaller.
 */
int crowds_find(struct crowds *crowds, size_t service, const struct decision_arm *arm, const struct shortlist *list,
		struct crowd *ret_crowd);
void crowds_free(struct crowds *crowds);

#endif
