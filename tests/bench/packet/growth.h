/* SPDX-License-Identifier: GPL-2.0-only */
/* How the cost of a packet grows with what there is of: flows, prefixes, backends, tenants. */
#ifndef USHER_BENCH_GROWTH_H
#define USHER_BENCH_GROWTH_H

#include <stdio.h>

/* Measures l2, TCP over IPv4, in a flow table for 4,000,000 flows; prints a table, and draws FOLDER/growth.svg if folder is not NULL. */
void growth_measure(FILE *to, const char *folder);

#endif
