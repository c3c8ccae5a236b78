/* SPDX-License-Identifier: GPL-2.0-only */
/* Where usher listens, as the hash table of abi.h. */
#ifndef USHER_COMPILE_ENDPOINTS_H
#define USHER_COMPILE_ENDPOINTS_H

#include "compile/tables.h"

/* hash_key: USHER_HASH_KEYS words. Returns 0, or -E2BIG if no salt places everything within USHER_ENDPOINT_PROBES. */
int endpoints_build(const struct policy *policy, const struct numbers *numbers, const __u64 *hash_key,
		    struct tables *tables);

#endif
