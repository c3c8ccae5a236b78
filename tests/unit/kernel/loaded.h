/* SPDX-License-Identifier: GPL-2.0-only */
/* The program loaded with settings of a test's own, neither pinned nor attached to anything. */
#ifndef USHER_TEST_LOADED_H
#define USHER_TEST_LOADED_H

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "kernel/program.h"
#include "usher.skel.h"

/* skeleton: opened, and the program's from now on; NULL: errno says why not. Returns 0 or -errno. */
static inline int loaded(struct usher_bpf *skeleton, const struct usher_boot *boot, struct program *ret_program)
{
	if (!skeleton)
		return -errno;
	ret_program->skeleton = skeleton;
	ret_program->boot = *boot;
	bpf_map__set_max_entries(skeleton->maps.flows, boot->flow_lines);
	bpf_map__set_max_entries(skeleton->maps.flow_moments, boot->flow_lines);
	bpf_map__set_max_entries(skeleton->maps.flow_figures, boot->flow_ends ? boot->flow_lines : 1);
	memcpy((void *)(uintptr_t)&skeleton->rodata->usher_boot, boot, sizeof(*boot));
	return usher_bpf__load(skeleton);
}

#endif
