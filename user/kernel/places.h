/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which interface has which place in boot.interfaces. Flows note places, so an interface keeps its own for as long as usher has it, across
 * take-overs too.
 */
#ifndef USHER_KERNEL_PLACES_H
#define USHER_KERNEL_PLACES_H

#include "kernel/program.h"

/* Is every interface that the pins are attached to among the wanted ones? 0, or -EBUSY with a sentence. */
int places_check(const struct program *program, const struct interfaces *wanted, struct problem *problem);
/* Makes program's attachments: each wanted interface in the place that boot.interfaces has for it, or in a free one. */
void places_assign(struct program *program, const struct interfaces *wanted);
/* Tells packets: map `interfaces`, and the device map. Those of a program before this one that are not wanted go, the others are never
 * gone. 0, or -errno with a sentence. */
int places_write(struct program *program, struct problem *problem);

#endif
