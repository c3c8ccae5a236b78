/* SPDX-License-Identifier: GPL-2.0-only */
/* The settings that a program is loaded with (usher_boot), and the sizes of its maps that follow from them. */
#ifndef USHER_KERNEL_BOOT_H
#define USHER_KERNEL_BOOT_H

#include "kernel/program.h"

struct usher_bpf;

/* Settings of a program that takes over nothing, with random numbers of its own. Returns 0 or -errno. */
int boot_new(const struct program_options *options, struct usher_boot *ret_boot);
/* Gives a skeleton that has been opened and not loaded its settings, and its maps their sizes. Returns 0 or -errno. */
int boot_configure(struct usher_bpf *skeleton, const struct usher_boot *boot);
/* Slots of one CPU's ring of records on a host with so many CPUs: 16 MiB of each kind, or its part of 128, but 1 at least. */
uint32_t boot_event_slots(size_t cpus);

#endif
