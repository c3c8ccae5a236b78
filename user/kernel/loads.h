/* SPDX-License-Identifier: GPL-2.0-only */
/* The map `loads`: what packets go by where the less loaded of two backends is chosen. */
#ifndef USHER_KERNEL_LOADS_H
#define USHER_KERNEL_LOADS_H

#include "kernel/program.h"

struct loads;

/* Maps it. Returns 0, or -errno with a sentence. What an earlier daemon has told stays. */
int loads_open(const struct program *program, struct problem *problem, struct loads **ret_loads);
void loads_close(struct loads *loads);

/* What packets go by now; backend: below USHER_BACKENDS_MAX, here and below. */
struct usher_load loads_read(const struct loads *loads, uint16_t backend);
/* share and opened as in struct usher_load; they take effect at once, together. cost: 0 takes back what was told. */
void loads_tell(struct loads *loads, uint16_t backend, uint32_t share, uint32_t opened, uint32_t cost);

#endif
