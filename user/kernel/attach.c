/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/program.h"

#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "kernel/pins.h"

const char *attach_mode_name(enum attach_mode mode)
{
	return mode == ATTACH_NATIVE ? "native" : mode == ATTACH_GENERIC ? "generic" : "auto";
}

static int create(const struct program *program, __u32 flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);
	int link = bpf_link_create(program_xdp(program), (int)program->interface, BPF_XDP, &options);

	return link < 0 ? -errno : link;
}

/* Somebody else's program, attached in whichever way; 0: none. */
static __u32 present(const struct program *program)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (bpf_xdp_query((int)program->interface, 0, &query))
		return 0;
	return query.prog_id ? query.prog_id : query.drv_prog_id ? query.drv_prog_id : query.skb_prog_id;
}

static int refuse(const struct program *program, int error, enum attach_mode mode, struct problem *problem)
{
	__u32 other = present(program);

	if (other)
		return problem_set(
			problem, -EBUSY,
			"another XDP program (id %u) is attached to %s, and usher needs the interface to itself: "
			"see `bpftool net show dev %s`; detach it with `bpftool net detach xdp dev %s`, or end the "
			"process that holds its link",
			other, program->interface_name, program->interface_name, program->interface_name);
	if (error == -ENODEV)
		return problem_set(problem, error, "interface %s is gone", program->interface_name);
	if (error == -EPERM)
		return problem_set(problem, error,
				   "no permission to attach to %s: CAP_NET_ADMIN and CAP_BPF are needed",
				   program->interface_name);
	return problem_set(problem, error, "cannot attach to %s in %s mode: %s", program->interface_name,
			   attach_mode_name(mode), strerror(-error));
}

static int attach_new(struct program *program, enum attach_mode mode, struct problem *note, struct problem *problem)
{
	_cleanup_close_ int link = -1;
	int r;

	if (mode != ATTACH_GENERIC) {
		link = create(program, XDP_FLAGS_DRV_MODE);
		if (link < 0 && (mode == ATTACH_NATIVE || present(program)))
			return refuse(program, link, ATTACH_NATIVE, problem);
		if (link < 0)
			problem_set(
				note, link,
				"the driver of %s takes no native XDP program (%s), so packets go through generic XDP, "
				"which is slower",
				program->interface_name, strerror(-link));
	}
	program->mode = link < 0 ? ATTACH_GENERIC : ATTACH_NATIVE;
	if (link < 0) {
		link = create(program, XDP_FLAGS_SKB_MODE);
		if (link < 0)
			return refuse(program, link, ATTACH_GENERIC, problem);
	}
	r = pins_put(program->pin_dir, "program", program_xdp(program));
	if (!r)
		r = pins_put(program->pin_dir, "link", link); /* last: invariant 1 of program.c */
	if (r)
		return problem_set(problem, r, "cannot pin the program in %s: %s", program->pin_dir, strerror(-r));
	program->link = TAKE_FD(link);
	return 0;
}

static enum attach_mode mode_of(uint32_t interface)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (!bpf_xdp_query((int)interface, 0, &query) && query.attach_mode == XDP_ATTACHED_SKB)
		return ATTACH_GENERIC;
	return ATTACH_NATIVE;
}

static int attach_adopted(struct program *program, int link, struct problem *problem)
{
	LIBBPF_OPTS(bpf_link_update_opts, options);
	int r;

	if (bpf_link_update(link, program_xdp(program), &options))
		return problem_set(problem, -errno, "cannot put the new program in the old one's place on %s: %s",
				   program->interface_name, strerror(errno));
	r = pins_put(program->pin_dir, "program", program_xdp(program));
	if (r)
		return problem_set(problem, r, "cannot pin the new program in %s: %s", program->pin_dir, strerror(-r));
	program->mode = mode_of(program->interface);
	return 0;
}

int program_attach(struct program *program, enum attach_mode mode, struct problem *note, struct problem *problem)
{
	_cleanup_close_ int link = -1;
	struct bpf_link_info info = {0};
	__u32 length = sizeof(info);
	int r;

	if (!program->adopted)
		return attach_new(program, mode, note, problem);
	link = pins_get(program->pin_dir, "link");
	if (link < 0 || bpf_obj_get_info_by_fd(link, &info, &length))
		return problem_set(problem, link < 0 ? link : -errno, "cannot read the pinned link in %s",
				   program->pin_dir);
	if (info.xdp.ifindex == 0)
		return attach_new(program, mode, note, problem);
	r = attach_adopted(program, link, problem);
	if (r)
		return r;
	program->link = TAKE_FD(link);
	return 0;
}
