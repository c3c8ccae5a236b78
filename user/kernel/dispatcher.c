/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/dispatcher.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <xdp/libxdp.h>

#include "base/cleanup.h"
#include "kernel/dispatcher_file.h"
#include "kernel/pins.h"

#define MEMBERS_MAX 16 /* libxdp has room for ten */
#define MAPS_MAX 256   /* of one program */

static char libxdp_said[256];

static int listen_to_libxdp(enum libxdp_print_level level, const char *format, va_list arguments)
{
	if (level == LIBXDP_WARN) {
		vsnprintf(libxdp_said, sizeof(libxdp_said), format, arguments);
		libxdp_said[strcspn(libxdp_said, "\n")] = '\0';
	}
	return 0;
}

static void cleanup_multiprog(struct xdp_multiprog **multiprog)
{
	if (*multiprog)
		xdp_multiprog__close(*multiprog);
}

static void cleanup_xdp_program(struct xdp_program **program)
{
	if (*program)
		xdp_program__close(*program);
}

static void cleanup_object(struct bpf_object **object)
{
	bpf_object__close(*object);
}

static void cleanup_names(struct if_nameindex **names)
{
	if (*names)
		if_freenameindex(*names);
}

static enum xdp_attach_mode to_libxdp(enum attach_mode mode)
{
	return mode == ATTACH_GENERIC ? XDP_MODE_SKB : XDP_MODE_NATIVE;
}

/* What libxdp sees: 0, -ENOENT if there is nothing, or -errno. */
static int look(uint32_t interface, struct xdp_multiprog **ret_multiprog)
{
	struct xdp_multiprog *multiprog;
	long error;

	libxdp_set_print(listen_to_libxdp);
	multiprog = xdp_multiprog__get_from_ifindex((int)interface);
	error = libxdp_get_error(multiprog);
	if (error)
		return (int)error;
	if (!multiprog)
		return -ENOENT;
	*ret_multiprog = multiprog;
	return 0;
}

enum dispatcher_state dispatcher_look(uint32_t interface, enum attach_mode *ret_mode)
{
	_cleanup_(cleanup_multiprog) struct xdp_multiprog *multiprog = NULL;
	int error = look(interface, &multiprog);

	if (error)
		return error == -ENOENT ? DISPATCHER_NOTHING : DISPATCHER_UNKNOWN;
	if (xdp_multiprog__is_legacy(multiprog))
		return DISPATCHER_FOREIGN;
	*ret_mode = xdp_multiprog__attach_mode(multiprog) == XDP_MODE_SKB ? ATTACH_GENERIC : ATTACH_NATIVE;
	return DISPATCHER_THERE;
}

/* ---- members -------------------------------------------------------------------------------------------- */

static bool uses(int program, __u32 map_id)
{
	__u32 ids[MAPS_MAX];
	struct bpf_prog_info info = {.nr_map_ids = MAPS_MAX, .map_ids = (__u64)(uintptr_t)ids};
	__u32 length = sizeof(info);

	if (bpf_obj_get_info_by_fd(program, &info, &length))
		return false;
	for (__u32 i = 0; i < info.nr_map_ids && i < MAPS_MAX; i++)
		if (ids[i] == map_id)
			return true;
	return false;
}

static __u32 id_of(int map)
{
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info);

	return bpf_obj_get_info_by_fd(map, &info, &length) ? 0 : info.id;
}

/* The programs of a dispatcher that are usher's. They live as long as the multiprog does. */
static size_t members(const struct xdp_multiprog *multiprog, int map, uint32_t keep,
		      struct xdp_program *ret_members[MEMBERS_MAX])
{
	struct xdp_program *program = NULL;
	__u32 map_id = id_of(map);
	size_t count = 0;

	if (!map_id || xdp_multiprog__is_legacy(multiprog))
		return 0;
	while (count < MEMBERS_MAX && (program = xdp_multiprog__next_prog(program, multiprog)))
		if (xdp_program__id(program) != keep && uses(xdp_program__fd(program), map_id))
			ret_members[count++] = program;
	return count;
}

size_t dispatcher_find(int map, uint32_t interfaces[USHER_INTERFACES_MAX])
{
	_cleanup_(cleanup_names) struct if_nameindex *names = if_nameindex();
	size_t count = 0;

	for (size_t i = 0; names && names[i].if_index && count < USHER_INTERFACES_MAX; i++) {
		_cleanup_(cleanup_multiprog) struct xdp_multiprog *multiprog = NULL;
		struct xdp_program *found[MEMBERS_MAX];

		if (!look(names[i].if_index, &multiprog) && members(multiprog, map, 0, found))
			interfaces[count++] = names[i].if_index;
	}
	return count;
}

int dispatcher_leave(uint32_t interface, int map, uint32_t keep)
{
	_cleanup_(dispatcher_file_take_back) struct dispatcher_file file = {0};
	_cleanup_(cleanup_multiprog) struct xdp_multiprog *multiprog = NULL;
	struct xdp_program *found[MEMBERS_MAX];
	int error = look(interface, &multiprog);
	size_t count;

	if (error)
		return error == -ENOENT ? 0 : error;
	count = members(multiprog, map, keep, found);
	if (!count)
		return 0;
	error = dispatcher_file_lend(&file); /* those that stay get a new one */
	if (error)
		return error;
	return xdp_program__detach_multi(found, count, (int)interface, xdp_multiprog__attach_mode(multiprog), 0);
}

/* ---- joining -------------------------------------------------------------------------------------------- */

static int refuse(const struct attachment *at, int error, struct problem *problem)
{
	if (error == -EPERM || error == -EACCES || error == -EOPNOTSUPP)
		return problem_set(problem, error,
				   "this kernel does not let libxdp put a dispatcher on %s (%s): it must be allowed to "
				   "replace functions "
				   "of loaded programs, which lockdown forbids, and needs CAP_SYS_ADMIN; without "
				   "--dispatcher usher takes "
				   "the interface for itself alone",
				   at->name, strerror(-error));
	return problem_set(problem, error, "cannot join libxdp's dispatcher on %s: %s%s%s%s", at->name,
			   strerror(-error), *libxdp_said ? " (libxdp: " : "", libxdp_said, *libxdp_said ? ")" : "");
}

static int prepare(const struct program *program, struct bpf_object *object, struct xdp_program **ret_member)
{
	DECLARE_LIBXDP_OPTS(xdp_program_opts, options, .obj = object, .prog_name = "usher");
	_cleanup_(cleanup_xdp_program) struct xdp_program *member = NULL;
	struct xdp_program *made = xdp_program__create(&options);
	int error = (int)libxdp_get_error(made);

	if (error)
		return error;
	member = made;
	error = xdp_program__set_run_prio(member, program->priority);
	for (unsigned int action = XDP_ABORTED; !error && action <= XDP_REDIRECT; action++)
		error = xdp_program__set_chain_call_enabled(member, action, action == XDP_PASS);
	if (!error)
		*ret_member = TAKE_PTR(member);
	return error;
}

/*
 * Where libxdp may not have its dispatcher it attaches a lone program without one, and says nothing: what looks shared is not,
 * and only CAP_SYS_ADMIN gets it off again. So what has come of it is looked at, and undone.
 */
static int attach(const struct attachment *at, struct xdp_program *member, enum attach_mode mode)
{
	int error = xdp_program__attach(member, (int)at->index, to_libxdp(mode), 0);
	enum attach_mode is;

	if (error)
		return error;
	if (dispatcher_look(at->index, &is) == DISPATCHER_THERE)
		return 0;
	error = xdp_program__detach(member, (int)at->index, to_libxdp(mode), 0);
	if (error)
		bpf_xdp_detach((int)at->index, mode == ATTACH_GENERIC ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE, NULL);
	return -EOPNOTSUPP;
}

int dispatcher_join(const struct program *program, struct attachment *at, enum attach_mode mode,
		    struct problem *problem)
{
	_cleanup_(dispatcher_file_take_back) struct dispatcher_file file = {0};
	_cleanup_(cleanup_object) struct bpf_object *object = NULL;
	_cleanup_(cleanup_xdp_program) struct xdp_program *member = NULL;
	int error = program_copy(program, &object), control = program_map(program, "control");
	char name[PROGRAM_PIN_NAME];

	libxdp_said[0] = '\0';
	libxdp_set_print(listen_to_libxdp);
	if (!error)
		error = prepare(program, object, &member);
	if (!error)
		error = dispatcher_file_lend(&file);
	if (!error)
		error = attach(at, member, mode);
	if (error)
		return refuse(at, error, problem);
	error = pins_put(program->pin_dir, program_pin("member", at->place, name), xdp_program__fd(member));
	if (error) {
		dispatcher_leave(at->index, control, 0);
		return problem_set(problem, error, "cannot pin the program in %s: %s", program->pin_dir,
				   strerror(-error));
	}
	error = dispatcher_leave(at->index, control, xdp_program__id(member));
	if (error)
		return problem_set(problem, error, "cannot take the old program off libxdp's dispatcher on %s: %s",
				   at->name, strerror(-error));
	at->mode = mode;
	at->shared = true;
	return 0;
}
