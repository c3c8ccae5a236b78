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

static int create(const struct program *program, const struct attachment *at, __u32 flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);
	int link = bpf_link_create(program_xdp(program), (int)at->index, BPF_XDP, &options);

	return link < 0 ? -errno : link;
}

/* Somebody else's program, attached in whichever way; 0: none. */
static __u32 present(const struct attachment *at)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (bpf_xdp_query((int)at->index, 0, &query))
		return 0;
	return query.prog_id ? query.prog_id : query.drv_prog_id ? query.drv_prog_id : query.skb_prog_id;
}

/*
 * Is it a link that holds the interface for this program? Its id, or 0. Only CAP_SYS_ADMIN is told. Indices of interfaces are those of a
 * network namespace, and links are of all of them: the program tells one from another.
 */
static __u32 foreign_link(const struct attachment *at, __u32 other)
{
	for (__u32 id = 0; !bpf_link_get_next_id(id, &id);) {
		_cleanup_close_ int link = bpf_link_get_fd_by_id(id);
		struct bpf_link_info info = {0};
		__u32 length = sizeof(info);

		if (link >= 0 && !bpf_obj_get_info_by_fd(link, &info, &length) && info.type == BPF_LINK_TYPE_XDP &&
		    info.xdp.ifindex == at->index && info.prog_id == other)
			return id;
	}
	return 0;
}

static int refuse_other(const struct attachment *at, __u32 other, struct problem *problem)
{
	const char *name = at->name;
	__u32 link = foreign_link(at, other);
	enum attach_mode mode;

	if (link)
		return problem_set(
			problem, -EBUSY,
			"another XDP program (id %u) holds %s by a link (id %u), which nobody can share: end the "
			"process that holds it or `bpftool link detach id %u`; one that libxdp attaches, as with "
			"`xdp-loader load %s FILE`, usherd joins",
			other, name, link, link, name);
	if (dispatcher_look(at->index, &mode) == DISPATCHER_UNKNOWN)
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

static int refuse(const struct attachment *at, int error, enum attach_mode mode, struct problem *problem)
{
	__u32 other = present(at);

	if (other)
		return refuse_other(at, other, problem);
	if (error == -ENODEV)
		return problem_set(problem, error, "interface %s is gone", at->name);
	if (error == -EPERM)
		return problem_set(problem, error,
				   "no permission to attach to %s: CAP_NET_ADMIN and CAP_BPF are needed", at->name);
	return problem_set(problem, error, "cannot attach to %s in %s mode: %s", at->name, attach_mode_name(mode),
			   strerror(-error));
}

static void note_generic(const struct attachment *at, int error, struct problem *note)
{
	problem_set(
		note, error,
		"the driver of %s takes no native XDP program (%s), so packets go through generic XDP, which is slower",
		at->name, strerror(-error));
}

static int attach_alone(struct program *program, struct attachment *at, enum attach_mode mode, struct problem *note,
			struct problem *problem)
{
	_cleanup_close_ int link = -1;
	char name[PROGRAM_PIN_NAME];
	int r;

	if (mode != ATTACH_GENERIC) {
		link = create(program, at, XDP_FLAGS_DRV_MODE);
		if (link < 0 && (mode == ATTACH_NATIVE || present(at)))
			return refuse(at, link, ATTACH_NATIVE, problem);
		if (link < 0)
			note_generic(at, link, note);
	}
	at->mode = link < 0 ? ATTACH_GENERIC : ATTACH_NATIVE;
	if (link < 0) {
		link = create(program, at, XDP_FLAGS_SKB_MODE);
		if (link < 0)
			return refuse(at, link, ATTACH_GENERIC, problem);
	}
	r = pins_put(program->pin_dir, "program", program_xdp(program));
	if (!r)
		r = pins_put(program->pin_dir, program_pin("link", at->place, name),
			     link); /* last: invariant 1 of program.c */
	if (!r)
		r = pins_remove(program->pin_dir,
				program_pin("member", at->place, name)); /* of a dispatcher that is gone */
	if (r)
		return problem_set(problem, r, "cannot pin the program in %s: %s", program->pin_dir, strerror(-r));
	at->link = TAKE_FD(link);
	return 0;
}

/* Into a dispatcher that is there, in its mode, or into one of our own. */
static int attach_shared(struct program *program, struct attachment *at, enum dispatcher_state state,
			 enum attach_mode is, enum attach_mode mode, struct problem *note, struct problem *problem)
{
	char name[PROGRAM_PIN_NAME];
	int r;

	if (state == DISPATCHER_THERE && mode != ATTACH_AUTO && mode != is)
		return problem_set(problem, -EBUSY,
				   "libxdp's dispatcher on %s is in %s mode, and --mode says %s: leave that out, or "
				   "load what is on "
				   "the interface anew in that mode",
				   at->name, attach_mode_name(is), attach_mode_name(mode));
	r = pins_put(program->pin_dir, "program", program_xdp(program));
	if (r)
		return problem_set(problem, r, "cannot pin the program in %s: %s", program->pin_dir, strerror(-r));
	if (state == DISPATCHER_THERE)
		mode = is;
	r = dispatcher_join(program, at, mode == ATTACH_GENERIC ? ATTACH_GENERIC : ATTACH_NATIVE, problem);
	if (r && r != -EPERM && mode == ATTACH_AUTO && !present(at)) {
		struct problem second = {0};
		int generic = dispatcher_join(program, at, ATTACH_GENERIC, &second);

		if (generic)
			return r;
		note_generic(at, r, note);
		r = 0;
	}
	if (!r)
		r = pins_remove(program->pin_dir,
				program_pin("link", at->place, name)); /* of an interface that is gone */
	return r;
}

static int attach_new(struct program *program, struct attachment *at, enum attach_mode mode, struct problem *note,
		      struct problem *problem)
{
	enum attach_mode is = ATTACH_NATIVE;
	enum dispatcher_state state = present(at) ? dispatcher_look(at->index, &is) : DISPATCHER_NOTHING;

	if (state == DISPATCHER_THERE || (program->share && state == DISPATCHER_NOTHING))
		return attach_shared(program, at, state, is, mode, note, problem);
	return attach_alone(program, at, mode, note, problem);
}

static enum attach_mode mode_of(uint32_t interface)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (!bpf_xdp_query((int)interface, 0, &query) && query.attach_mode == XDP_ATTACHED_SKB)
		return ATTACH_GENERIC;
	return ATTACH_NATIVE;
}

static int attach_adopted(struct program *program, struct attachment *at, int link, struct problem *problem)
{
	LIBBPF_OPTS(bpf_link_update_opts, options);
	int r;

	if (bpf_link_update(link, program_xdp(program), &options))
		return problem_set(problem, -errno, "cannot put the new program in the old one's place on %s: %s",
				   at->name, strerror(errno));
	r = pins_put(program->pin_dir, "program", program_xdp(program));
	if (r)
		return problem_set(problem, r, "cannot pin the new program in %s: %s", program->pin_dir, strerror(-r));
	at->mode = mode_of(at->index);
	return 0;
}

static int attach(struct program *program, struct attachment *at, enum attach_mode mode, struct problem *note,
		  struct problem *problem)
{
	char name[PROGRAM_PIN_NAME];
	_cleanup_close_ int link = -1;
	struct bpf_link_info info = {0};
	__u32 length = sizeof(info);
	int r;

	if (!program->adopted)
		return attach_new(program, at, mode, note, problem);
	link = pins_get(program->pin_dir, program_pin("link", at->place, name));
	if (link < 0 && link != -ENOENT)
		return problem_set(problem, link, "cannot read the pinned link in %s: %s", program->pin_dir,
				   strerror(-link));
	if (link >= 0 && bpf_obj_get_info_by_fd(link, &info, &length))
		return problem_set(problem, -errno, "cannot read the pinned link in %s: %s", program->pin_dir,
				   strerror(errno));
	if (info.xdp.ifindex == 0)
		return attach_new(program, at, mode, note, problem);
	if (program->share)
		return problem_set(problem, -EBUSY,
				   "usher holds %s by a link of its own, which cannot become a dispatcher: `usher "
				   "detach --pin-dir "
				   "%s`, then start again with --dispatcher (open connections are lost), or leave "
				   "--dispatcher out",
				   at->name, program->pin_dir);
	r = attach_adopted(program, at, link, problem);
	if (r)
		return r;
	at->link = TAKE_FD(link);
	return 0;
}

/* Off the interfaces again that it was put on before another one refused. */
static void undo(struct program *program, size_t count)
{
	char name[PROGRAM_PIN_NAME];

	for (size_t i = 0; i < count; i++) {
		struct attachment *at = &program->attachments[i];

		if (at->link >= 0) {
			bpf_link_detach(at->link);
			pins_remove(program->pin_dir, program_pin("link", at->place, name));
			close(at->link);
			at->link = -1;
		} else if (at->shared) {
			dispatcher_leave(at->index, program_map(program, "control"), 0);
			pins_remove(program->pin_dir, program_pin("member", at->place, name));
		}
	}
}

int program_attach(struct program *program, enum attach_mode mode, struct problem *note, struct problem *problem)
{
	for (size_t i = 0; i < program->attachment_count; i++) {
		int r = attach(program, &program->attachments[i], mode, note, problem);

		if (!r)
			continue;
		if (!program->adopted)
			undo(program, i);
		return r;
	}
	return 0;
}
