/* SPDX-License-Identifier: GPL-2.0-only */
/* An effective policy to the bytes of a generation. Pure and deterministic. */
#ifndef USHER_COMPILE_COMPILE_H
#define USHER_COMPILE_COMPILE_H

#include "base/diagnostics.h"
#include "govern/decide.h"
#include "compile/memory.h"
#include "compile/tables.h"

struct compile_input {
	const struct effective *effective;
	const struct identities *identities;   /* before */
	uint64_t generation;		       /* number of the one being made */
	uint32_t epoch;			       /* of the generation before it; 0: there was none */
	const uint8_t *judgement;	       /* of the generation before it, or NULL; another one raises the epoch */
	const struct usher_generation *active; /* in force before it, or NULL */
	const __u64 *hash_key;		       /* USHER_HASH_KEYS words of boot.hash_key, which place the endpoints */
	struct compile_memory *memory;	       /* of the compilation before, and then of this one; may be NULL */
};

/*
 * Returns 0, -ENOMEM, or -E2BIG with what does not fit in `diagnostics` (limits of limits.h). Warnings (a rule that
 * never matches, an arm nobody may use, shares that could not be met) go there as well.
 */
int compile(const struct compile_input *input, struct diagnostics *diagnostics, struct tables **ret_tables);
void tables_free(struct tables *tables);
void catalog_free(struct catalog *catalog);

#endif
