/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/program.h"

#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "kernel/dispatcher.h"
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

/* Is it a link that holds the interface? Its id, or 0. Only CAP_SYS_ADMIN is told. */
static __u32 foreign_link(const struct program *program)
{
	for (__u32 id = 0; !bpf_link_get_next_id(id, &id);) {
		_cleanup_close_ int link = bpf_link_get_fd_by_id(id);
		struct bpf_link_info info = {0};
		__u32 length = sizeof(info);

		if (link >= 0 && !bpf_obj_get_info_by_fd(link, &info, &length) && info.type == BPF_LINK_TYPE_XDP &&
		    info.xdp.ifindex == program->interface)
			return id;
	}
	return 0;
}

static int refuse_other(const struct program *program, __u32 other, struct problem *problem)
{
	const char *name = program->interface_name;
	__u32 link = foreign_link(program);
	enum attach_mode mode;

	if (link)
		return problem_set(
			problem, -EBUSY,
			"another XDP program (id %u) holds %s by a link (id %u), which nobody can share: end the "
			"process that holds it or `bpftool link detach id %u`; one that libxdp attaches, as with "
			"`xdp-loader load %s FILE`, usherd joins",
			other, name, link, link, name);
	if (dispatcher_look(program->interface, &mode) == DISPATCHER_UNKNOWN)
		return problem_set(
			problem, -EBUSY,
			"another XDP program (id %u) is attached to %s, and without CAP_SYS_ADMIN usherd cannot tell "
			"whether it is libxdp's dispatcher, which it could join: give it CAP_SYS_ADMIN for its start, "
			"or "
			"take the program off; see `bpftool net show dev %s`",
			other, name, name);
	return problem_set(
		problem, -EBUSY,
		"another XDP program (id %u) is attached to %s, and not through libxdp's dispatcher, so that nobody "
		"can share the interface with it: see `bpftool net show dev %s`; take it off with `ip link set dev %s "
		"xdp off`, or attach it with `xdp-loader load %s FILE`, and usherd joins it",
		other, name, name, name, name);
}

static int refuse(const struct program *program, int error, enum attach_mode mode, struct problem *problem)
{
	__u32 other = present(program);

	if (other)
		return refuse_other(program, other, problem);
	if (error == -ENODEV)
		return problem_set(problem, error, "interface %s is gone", program->interface_name);
	if (error == -EPERM)
		return problem_set(problem, error,
				   "no permission to attach to %s: CAP_NET_ADMIN and CAP_BPF are needed",
				   program->interface_name);
	return problem_set(problem, error, "cannot attach to %s in %s mode: %s", program->interface_name,
			   attach_mode_name(mode), strerror(-error));
}

static void note_generic(const struct program *program, int error, struct problem *note)
{
	problem_set(
		note, error,
		"the driver of %s takes no native XDP program (%s), so packets go through generic XDP, which is slower",
		program->interface_name, strerror(-error));
}

static int attach_alone(struct program *program, enum attach_mode mode, struct problem *note, struct problem *problem)
{
	_cleanup_close_ int link = -1;
	int r;

	if (mode != ATTACH_GENERIC) {
		link = create(program, XDP_FLAGS_DRV_MODE);
		if (link < 0 && (mode == ATTACH_NATIVE || present(program)))
			return refuse(program, link, ATTACH_NATIVE, problem);
		if (link < 0)
			note_generic(program, link, note);
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
	if (!r)
		r = pins_remove(program->pin_dir, "member"); /* of a dispatcher that is gone */
	if (r)
		return problem_set(problem, r, "cannot pin the program in %s: %s", program->pin_dir, strerror(-r));
	program->link = TAKE_FD(link);
	return 0;
}

/* Into a dispatcher that is there, in its mode, or into one of our own. */
static int attach_shared(struct program *program, enum dispatcher_state state, enum attach_mode is,
			 enum attach_mode mode, struct problem *note, struct problem *problem)
{
	int r;

	if (state == DISPATCHER_THERE && mode != ATTACH_AUTO && mode != is)
		return problem_set(problem, -EBUSY,
				   "libxdp's dispatcher on %s is in %s mode, and --mode says %s: leave that out, or "
				   "load what is on "
				   "the interface anew in that mode",
				   program->interface_name, attach_mode_name(is), attach_mode_name(mode));
	r = pins_put(program->pin_dir, "program", program_xdp(program));
	if (r)
		return problem_set(problem, r, "cannot pin the program in %s: %s", program->pin_dir, strerror(-r));
	if (state == DISPATCHER_THERE)
		mode = is;
	r = dispatcher_join(program, mode == ATTACH_GENERIC ? ATTACH_GENERIC : ATTACH_NATIVE, problem);
	if (r && r != -EPERM && mode == ATTACH_AUTO && !present(program)) {
		struct problem second = {0};
		int generic = dispatcher_join(program, ATTACH_GENERIC, &second);

		if (generic)
			return r;
		note_generic(program, r, note);
		r = 0;
	}
	if (!r)
		r = pins_remove(program->pin_dir, "link"); /* of an interface that is gone */
	return r;
}

static int attach_new(struct program *program, enum attach_mode mode, struct problem *note, struct problem *problem)
{
	enum attach_mode is = ATTACH_NATIVE;
	enum dispatcher_state state = present(program) ? dispatcher_look(program->interface, &is) : DISPATCHER_NOTHING;

	if (state == DISPATCHER_THERE || (program->share && state == DISPATCHER_NOTHING))
		return attach_shared(program, state, is, mode, note, problem);
	return attach_alone(program, mode, note, problem);
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
	if (link < 0 && link != -ENOENT)
		return problem_set(problem, link, "cannot read the pinned link in %s: %s", program->pin_dir,
				   strerror(-link));
	if (link >= 0 && bpf_obj_get_info_by_fd(link, &info, &length))
		return problem_set(problem, -errno, "cannot read the pinned link in %s: %s", program->pin_dir,
				   strerror(errno));
	if (info.xdp.ifindex == 0)
		return attach_new(program, mode, note, problem);
	if (program->share)
		return problem_set(problem, -EBUSY,
				   "usher holds %s by a link of its own, which cannot become a dispatcher: `usher "
				   "detach --pin-dir "
				   "%s`, then start again with --dispatcher (open connections are lost), or leave "
				   "--dispatcher out",
				   program->interface_name, program->pin_dir);
	r = attach_adopted(program, link, problem);
	if (r)
		return r;
	program->link = TAKE_FD(link);
	return 0;
}
