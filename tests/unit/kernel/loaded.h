/* SPDX-License-Identifier: GPL-2.0-only */
/* The program loaded with settings of a test's own, neither pinned nor attached to anything. */
#ifndef USHER_TEST_LOADED_H
#define USHER_TEST_LOADED_H

#include <errno.h>
#include <stdint.h>

#include <bpf/libbpf.h>

#include "kernel/boot.h"
#include "kernel/counters.h"
#include "kernel/program.h"
#include "usher.skel.h"

/* skeleton: opened, and the program's from now on; NULL: errno says why not. boot->event_slots 0: as the daemon has them. Returns 0 or -errno. */
static inline int loaded(struct usher_bpf *skeleton, const struct usher_boot *boot, struct program *ret_program)
{
	int error;

	if (!skeleton)
		return -errno;
	ret_program->skeleton = skeleton;
	ret_program->boot = *boot;
	if (!boot->event_slots)
		ret_program->boot.event_slots = boot_event_slots(counters_cpus());
	error = boot_configure(skeleton, &ret_program->boot);
	return error ? error : usher_bpf__load(skeleton);
}

#endif
