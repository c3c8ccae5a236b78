/* SPDX-License-Identifier: GPL-2.0-only */
/* Policies as large as they may be. */
#ifndef USHER_BENCH_PUBLISH_LARGEST_H
#define USHER_BENCH_PUBLISH_LARGEST_H

#include <stddef.h>

/*
 * Every limit at once: 65,536 prefixes, 1,024 tenants, 4,096 backends and rules, 256 services. geo_prefixes: of a geography file
 * behind the document (policy/bundle.h); 0: none. To be freed.
 */
char *largest_policy(unsigned int backends_per_model, unsigned int geo_prefixes, size_t *ret_length);

#endif
