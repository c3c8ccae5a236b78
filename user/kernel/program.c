/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Invariants:
 *  1. The link, or the member of a dispatcher, is pinned last: a folder with one of them in it is complete, one without has
 *     nothing in force.
 *  2. What is attached is not touched before the new program is loaded and verified.
 */
#include "kernel/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "kernel/boot.h"
#include "kernel/dispatcher.h"
#include "kernel/pins.h"
#include "kernel/places.h"
#include "usher.skel.h"

#define EGRESS "egress"

/* libbpf says why a load failed only to its printer. */
static char libbpf_said[256];

static int listen_to_libbpf(enum libbpf_print_level level, const char *format, va_list arguments)
{
	if (level == LIBBPF_WARN) {
		vsnprintf(libbpf_said, sizeof(libbpf_said), format, arguments);
		libbpf_said[strcspn(libbpf_said, "\n")] = '\0';
	}
	return 0;
}

void program_free(struct program *program)
{
	if (!program)
		return;
	usher_bpf__destroy(program->skeleton);
	for (size_t i = 0; i < program->attachment_count; i++)
		if (program->attachments[i].link >= 0)
			close(program->attachments[i].link);
	if (program->lock >= 0)
		close(program->lock);
	free(program->pin_dir);
	free(program);
}

static void cleanup_program(struct program **program)
{
	program_free(*program);
}

int program_map(const struct program *program, const char *name)
{
	return bpf_object__find_map_fd_by_name(program->skeleton->obj, name);
}

int program_xdp(const struct program *program)
{
	return bpf_program__fd(program->skeleton->progs.usher);
}

/* Off the interface, however it got there. */
static int let_go(const char *pin_dir)
{
	_cleanup_close_ int control = pins_get(pin_dir, "control");
	uint32_t interfaces[USHER_INTERFACES_MAX];
	size_t count = control < 0 ? 0 : dispatcher_find(control, interfaces);
	char name[PROGRAM_PIN_NAME];
	int error = 0;

	/* One that is only unpinned lets go some time later: kernel/bpf/inode.c frees it after a grace period. */
	for (uint8_t place = 0; place < USHER_INTERFACES_MAX; place++) {
		_cleanup_close_ int link = pins_get(pin_dir, program_pin("link", place, name));

		if (link >= 0)
			bpf_link_detach(link);
	}
	for (size_t i = 0; i < count; i++) {
		int r = dispatcher_leave(interfaces[i], control, 0);

		error = error ? error : r;
	}
	return error;
}

static int clear(const char *pin_dir)
{
	int r = let_go(pin_dir);

	return r ? r : pins_clear(pin_dir);
}

/* ---- taking over ---------------------------------------------------------------------------------------- */

/* Reads the boot entry of pins that something is attached to. */
static int read_boot(const char *pin_dir, struct usher_boot *ret_boot, struct problem *problem)
{
	_cleanup_close_ int map = pins_get(pin_dir, "boot");
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info), key = 0;
	struct usher_boot boot;
	__u32 version = 0;
	char *value;

	if (map < 0)
		return problem_set(problem, -EPROTO,
				   "a program is attached and pinned in %s, but its map boot is not there: "
				   "`usher detach --pin-dir %s` removes it (traffic for the services then stops)",
				   pin_dir, pin_dir);
	if (bpf_obj_get_info_by_fd(map, &info, &length))
		return problem_set(problem, -errno, "cannot read the pinned map boot: %s", strerror(errno));
	value = calloc(1, info.value_size > sizeof(boot) ? info.value_size : sizeof(boot));
	if (!value)
		return -ENOMEM;
	if (info.type == BPF_MAP_TYPE_ARRAY && info.key_size == sizeof(key) && !bpf_map_lookup_elem(map, &key, value))
		memcpy(&version, value, sizeof(version));
	memcpy(&boot, value, sizeof(boot));
	free(value);
	if (version != USHER_ABI_VERSION || info.value_size != sizeof(boot))
		return problem_set(
			problem, -EPROTO,
			"the pins in %s are of ABI version %u and this usherd speaks version %u: they stay as they "
			"are and traffic goes on; run the usherd that made them, or remove them with `usher detach "
			"--pin-dir %s` and start anew (open connections are lost)",
			pin_dir, version, USHER_ABI_VERSION, pin_dir);
	*ret_boot = boot;
	return 0;
}

/* libbpf would say EINVAL and no more. */
static int check_shapes(const struct program *program, struct problem *problem)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, program->skeleton->obj)
	{
		_cleanup_close_ int pinned = -1;
		struct bpf_map_info info = {0};
		__u32 length = sizeof(info);

		if (bpf_map__is_internal(map))
			continue;
		pinned = pins_get(program->pin_dir, bpf_map__name(map));
		if (pinned == -ENOENT)
			continue;
		if (pinned < 0 || bpf_obj_get_info_by_fd(pinned, &info, &length))
			return problem_set(problem, pinned < 0 ? pinned : -errno, "cannot read the pinned map %s",
					   bpf_map__name(map));
		if (info.type != bpf_map__type(map) || info.key_size != bpf_map__key_size(map) ||
		    info.value_size != bpf_map__value_size(map) || info.max_entries != bpf_map__max_entries(map) ||
		    (info.map_flags ^ bpf_map__map_flags(map)) & ~(__u32)BPF_F_RDONLY_PROG)
			return problem_set(
				problem, -EPROTO,
				"the pinned map %s in %s has %u entries of %u bytes, and this usherd needs %u of %u: "
				"traffic goes on; run the usherd that made it, or remove the pins with `usher detach "
				"--pin-dir %s` and start anew (open connections are lost)",
				bpf_map__name(map), program->pin_dir, info.max_entries, info.value_size,
				bpf_map__max_entries(map), bpf_map__value_size(map), program->pin_dir);
	}
	return 0;
}

/* ---- loading -------------------------------------------------------------------------------------------- */

/*
 * The kernel adds BPF_F_RDONLY_PROG to a device map (kernel/bpf/devmap.c) and refuses it from whoever makes one, so that libbpf 1.1
 * takes a pinned one for another map: it is taken over by hand, and pinned by hand when it is new.
 */
static int adopt_egress(const struct program *program)
{
	_cleanup_close_ int pinned = pins_get(program->pin_dir, EGRESS);

	if (pinned == -ENOENT)
		return 0;
	return pinned < 0 ? pinned : bpf_map__reuse_fd(program->skeleton->maps.egress, pinned);
}

/* Which maps to make or to take over, and under which settings. */
static int prepare(const struct program *program)
{
	struct bpf_map *map;
	char path[PINS_PATH_MAX];
	int r;

	bpf_object__for_each_map(map, program->skeleton->obj)
	{
		if (bpf_map__is_internal(map) || map == program->skeleton->maps.egress)
			continue;
		r = pins_path(program->pin_dir, bpf_map__name(map), path);
		if (!r)
			r = bpf_map__set_pin_path(map, path);
		if (r)
			return r;
	}
	r = adopt_egress(program);
	return r ? r : boot_configure(program->skeleton, &program->boot);
}

int program_copy(const struct program *program, struct bpf_object **ret_object)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "usher_bpf");
	struct bpf_program *part;
	struct bpf_object *object;
	struct bpf_map *map;
	size_t size;
	const void *bytes = usher_bpf__elf_bytes(&size);
	int r = 0;

	object = bpf_object__open_mem(bytes, size, &options);
	if (!object)
		return -errno;
	bpf_object__for_each_map(map, object)
	{
		if (bpf_map__is_internal(map)) {
			size_t given, room;
			const void *from = bpf_map__initial_value(program->skeleton->maps.rodata, &given);
			void *to = (void *)(uintptr_t)bpf_map__initial_value(map, &room);

			r = from && to && given == room ? 0 : -EINVAL;
			if (!r)
				memcpy(to, from, room);
		} else {
			r = bpf_map__reuse_fd(map, program_map(program, bpf_map__name(map)));
		}
		if (r)
			break;
	}
	bpf_object__for_each_program(part, object)
	{
		bpf_program__set_autoload(part, !strcmp(bpf_program__name(part), "usher"));
	}
	if (r) {
		bpf_object__close(object);
		return r;
	}
	*ret_object = object;
	return 0;
}

/* Expiry goes on by itself once the timer is armed. Under an adopted program it is armed already; this gives it the new
 * program's callback. */
static int start_sweeper(const struct program *program)
{
	LIBBPF_OPTS(bpf_test_run_opts, run);
	int r = bpf_prog_test_run_opts(bpf_program__fd(program->skeleton->progs.usher_start), &run);

	if (r)
		return -errno;
	return (int)run.retval;
}

/* 1: something is pinned that was attached, 0: nothing, or -errno. */
static int find_pins(const char *pin_dir)
{
	char name[PROGRAM_PIN_NAME];

	for (uint8_t place = 0; place < USHER_INTERFACES_MAX; place++) {
		_cleanup_close_ int link = pins_get(pin_dir, program_pin("link", place, name));
		_cleanup_close_ int member = pins_get(pin_dir, program_pin("member", place, name));

		if (link >= 0 || member >= 0)
			return 1;
		if (link != -ENOENT)
			return link;
	}
	return 0;
}

static int find_adopted(struct program *program, const struct interfaces *wanted, struct problem *problem)
{
	int r = find_pins(program->pin_dir);

	if (r < 0)
		return problem_set(problem, r, "cannot open the pinned link in %s: %s", program->pin_dir, strerror(-r));
	if (r) {
		r = read_boot(program->pin_dir, &program->boot, problem);
		if (!r)
			r = places_check(program, wanted, problem);
		program->adopted = !r;
		return r;
	}
	/* Invariant 1: whatever is here was left by someone who did not get far. */
	r = clear(program->pin_dir);
	if (r)
		return problem_set(problem, r, "cannot clear the pin folder %s: %s", program->pin_dir, strerror(-r));
	return 0;
}

static int load(struct program *program, struct problem *problem)
{
	__u32 key = 0;
	int r;

	program->skeleton = usher_bpf__open();
	if (!program->skeleton)
		return problem_set(problem, -errno, "cannot open the kernel program: %s", strerror(errno));
	r = prepare(program);
	if (r)
		return problem_set(problem, r, "cannot prepare the kernel program: %s", strerror(-r));
	if (program->adopted) {
		r = check_shapes(program, problem);
		if (r)
			return r;
	}
	libbpf_said[0] = '\0';
	r = usher_bpf__load(program->skeleton);
	if (r == -EPERM)
		return problem_set(
			problem, r,
			"the kernel refuses to load the program: CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON are needed");
	if (r)
		return problem_set(problem, r, "the kernel refuses the program: %s (%s)", strerror(-r), libbpf_said);
	if (bpf_map_update_elem(bpf_map__fd(program->skeleton->maps.boot), &key, &program->boot, BPF_ANY))
		return problem_set(problem, -errno, "cannot write the map boot: %s", strerror(errno));
	r = places_write(program, problem);
	if (r)
		return r;
	r = pins_put(program->pin_dir, EGRESS, bpf_map__fd(program->skeleton->maps.egress));
	if (r)
		return problem_set(problem, r, "cannot pin the map " EGRESS ": %s", strerror(-r));
	r = start_sweeper(program);
	if (r)
		return problem_set(problem, r < 0 ? r : -EIO, "cannot start the timer that expires flows: %s",
				   strerror(r < 0 ? -r : EIO));
	return 0;
}

int program_load(const struct program_options *options, struct problem *problem, struct program **ret_program)
{
	_cleanup_(cleanup_program) struct program *program = calloc(1, sizeof(*program));
	int r;

	if (!program)
		return -ENOMEM;
	program->lock = -1;
	program->share = options->dispatcher;
	program->priority = options->priority;
	program->pin_dir = strdup(options->pin_dir);
	if (!program->pin_dir)
		return problem_set(problem, -ENOMEM, "no memory");
	libbpf_set_print(listen_to_libbpf);
	r = pins_open(program->pin_dir, problem, &program->lock);
	if (r)
		return r;
	r = find_adopted(program, &options->interfaces, problem);
	if (r)
		return r;
	if (!program->adopted) {
		r = boot_new(options, &program->boot);
		if (r)
			return problem_set(problem, r, "no random numbers: %s", strerror(-r));
	}
	places_assign(program, &options->interfaces);
	r = load(program, problem);
	if (!r) {
		r = pins_note_namespace(program->pin_dir);
		if (r)
			problem_set(problem, r, "cannot note the network namespace in %s: %s", program->pin_dir,
				    strerror(-r));
	}
	if (r) {
		/* Nothing of a load that failed is in force, so nothing of it stays. */
		if (!program->adopted)
			pins_clear(program->pin_dir);
		return r;
	}
	*ret_program = TAKE_PTR(program);
	return 0;
}

/* Is something of these pins on an interface? Of a dispatcher's members only their own network namespace can tell. */
static bool attached(const char *pin_dir)
{
	char name[PROGRAM_PIN_NAME];

	for (uint8_t place = 0; place < USHER_INTERFACES_MAX; place++) {
		_cleanup_close_ int link = pins_get(pin_dir, program_pin("link", place, name));
		_cleanup_close_ int member = pins_get(pin_dir, program_pin("member", place, name));
		struct bpf_link_info info = {0};
		__u32 length = sizeof(info);

		if (member >= 0 || (link >= 0 && !bpf_obj_get_info_by_fd(link, &info, &length) && info.xdp.ifindex))
			return true;
	}
	return false;
}

int program_detach(const char *pin_dir, struct problem *problem)
{
	_cleanup_close_ int lock = -1;
	char elsewhere[PINS_NAMESPACE_MAX];
	int r = pins_check(pin_dir);

	if (r == -ENOENT || r == -EINVAL)
		return 0;
	r = pins_open(pin_dir, problem, &lock);
	if (r)
		return r;
	if (pins_elsewhere(pin_dir, elsewhere) && attached(pin_dir))
		return problem_set(problem, -EXDEV,
				   "what is pinned in %s is attached in another network namespace, %s: say it there, "
				   "with `nsenter -t PID -n` or `ip netns exec NAME` (`lsns -t net` lists them); if "
				   "that is gone, remove the folder",
				   pin_dir, elsewhere);
	r = clear(pin_dir);
	if (!r && rmdir(pin_dir))
		r = -errno;
	if (r)
		return problem_set(problem, r, "cannot remove the pins in %s: %s", pin_dir, strerror(-r));
	return 0;
}
