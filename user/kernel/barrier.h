/* SPDX-License-Identifier: GPL-2.0-only */
/* Waits until every packet that was under way has been dealt with. */
#ifndef USHER_KERNEL_BARRIER_H
#define USHER_KERNEL_BARRIER_H

struct barrier {
	int inner, outer; /* maps */
};

/* Returns 0 or -errno. */
int barrier_open(struct barrier *ret_barrier);
/*
 * Returns after every program that was running when it was called has ended: 0 or -errno.
 * Source: kernel/bpf/syscall.c, map_update_elem() calls maybe_wait_bpf_programs(), which calls synchronize_rcu() after
 * an update of an ARRAY_OF_MAPS (since 4.12). An XDP program runs inside an RCU read-side section.
 */
int barrier_wait(const struct barrier *barrier);
void barrier_close(struct barrier *barrier);

#endif
