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
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "kernel/dispatcher.h"
#include "kernel/pins.h"
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

static int new_boot(const struct program_options *options, struct usher_boot *ret_boot)
{
	struct usher_boot boot = {
		.abi_version = USHER_ABI_VERSION,
		.flow_lines = options->flow_lines,
		.half_open_max = options->half_open_max,
		.replies_max = options->replies_max,
	};
	struct {
		uint64_t boot_id, hash_key[USHER_HASH_KEYS], token;
	} random;

	/* Never short and never interrupted for up to 256 bytes: getrandom(2). */
	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -errno;
	boot.boot_id = random.boot_id;
	memcpy(boot.hash_key, random.hash_key, sizeof(boot.hash_key));
	boot.dry_run_token = random.token | 1; /* never 0, which is what metadata holds by accident */
	*ret_boot = boot;
	return 0;
}

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
	if (!r)
		r = bpf_map__set_max_entries(program->skeleton->maps.flows, program->boot.flow_lines);
	if (r)
		return r;
	memcpy((void *)(uintptr_t)&program->skeleton->rodata->usher_boot, &program->boot, sizeof(program->boot));
	return 0;
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

const char *program_pin(const char *what, uint8_t place, char name[PROGRAM_PIN_NAME])
{
	if (place)
		snprintf(name, PROGRAM_PIN_NAME, "%s%u", what, place);
	else
		snprintf(name, PROGRAM_PIN_NAME, "%s", what);
	return name;
}

static void note_interface(struct interfaces *interfaces, uint32_t index)
{
	if (!index || interfaces_have(interfaces, index) || interfaces->count == USHER_INTERFACES_MAX)
		return;
	interfaces->items[interfaces->count].index = index;
	if (!if_indextoname(index, interfaces->items[interfaces->count].name))
		interfaces->items[interfaces->count].name[0] = '\0';
	interfaces->count++;
}

/* An interface that goes away takes the attachment with it. */
void program_interfaces(const char *pin_dir, struct interfaces *ret_interfaces)
{
	_cleanup_close_ int control = pins_get(pin_dir, "control");
	uint32_t shared[USHER_INTERFACES_MAX];
	size_t count = control < 0 ? 0 : dispatcher_find(control, shared);
	char name[PROGRAM_PIN_NAME];

	*ret_interfaces = (struct interfaces){0};
	for (uint8_t place = 0; place < USHER_INTERFACES_MAX; place++) {
		_cleanup_close_ int link = pins_get(pin_dir, program_pin("link", place, name));
		struct bpf_link_info info = {0};
		__u32 length = sizeof(info);

		if (link >= 0 && !bpf_obj_get_info_by_fd(link, &info, &length))
			note_interface(ret_interfaces, info.xdp.ifindex);
	}
	for (size_t i = 0; i < count; i++)
		note_interface(ret_interfaces, shared[i]);
}

/* Of one that is attached nowhere, maps and flows are as good as they were. */
static int check_interfaces(const struct program *program, const struct interfaces *wanted, struct problem *problem)
{
	struct interfaces found;

	program_interfaces(program->pin_dir, &found);
	for (size_t i = 0; i < found.count; i++)
		if (!interfaces_have(wanted, found.items[i].index))
			return problem_set(
				problem, -EBUSY,
				"the pins in %s are attached to interface %u (%s), which is not among those of this "
				"usherd (%s, …): name it too, or `usher detach --pin-dir %s` removes them",
				program->pin_dir, found.items[i].index, found.items[i].name, wanted->items[0].name,
				program->pin_dir);
	return 0;
}

/* A place for each interface: the one it had, or a free one. */
static void place_interfaces(struct program *program, const struct interfaces *wanted)
{
	uint32_t *places = program->boot.interfaces;

	for (size_t p = 0; p < USHER_INTERFACES_MAX; p++)
		if (!interfaces_have(wanted, places[p]))
			places[p] = 0;
	for (size_t i = 0; i < wanted->count; i++) {
		struct attachment *at = &program->attachments[i];
		uint8_t place = 0;

		while (place < USHER_INTERFACES_MAX && places[place] != wanted->items[i].index)
			place++;
		if (place == USHER_INTERFACES_MAX)
			for (place = 0; places[place];)
				place++;
		places[place] = wanted->items[i].index;
		*at = (struct attachment){.index = wanted->items[i].index, .place = place, .link = -1};
		memcpy(at->name, wanted->items[i].name, sizeof(at->name));
	}
	program->attachment_count = wanted->count;
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
			r = check_interfaces(program, wanted, problem);
		program->adopted = !r;
		return r;
	}
	/* Invariant 1: whatever is here was left by someone who did not get far. */
	r = clear(program->pin_dir);
	if (r)
		return problem_set(problem, r, "cannot clear the pin folder %s: %s", program->pin_dir, strerror(-r));
	return 0;
}

/* ---- interfaces ------------------------------------------------------------------------------------------- */

static int write_interface(const struct program *program, const struct attachment *at)
{
	struct usher_interface interface = {.index = at->index};
	__u32 place = at->place;

	memcpy(interface.mac, at->mac, sizeof(interface.mac));
	if (bpf_map_update_elem(bpf_map__fd(program->skeleton->maps.interfaces), &place, &interface, BPF_ANY) ||
	    bpf_map_update_elem(bpf_map__fd(program->skeleton->maps.egress), &at->index, &at->index, BPF_ANY))
		return -errno;
	return 0;
}

void program_set_mac(struct program *program, uint32_t interface, const uint8_t mac[6])
{
	for (size_t i = 0; i < program->attachment_count; i++) {
		struct attachment *at = &program->attachments[i];

		if (at->index != interface || !memcmp(at->mac, mac, sizeof(at->mac)))
			continue;
		memcpy(at->mac, mac, sizeof(at->mac));
		write_interface(program, at);
	}
}

static int read_mac(struct attachment *at)
{
	_cleanup_close_ int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {0};

	memcpy(request.ifr_name, at->name, sizeof(request.ifr_name));
	if (socket_fd < 0 || ioctl(socket_fd, SIOCGIFHWADDR, &request))
		return -errno;
	memcpy(at->mac, request.ifr_hwaddr.sa_data, sizeof(at->mac));
	return 0;
}

static bool find_attachment(const struct program *program, uint32_t interface)
{
	for (size_t i = 0; i < program->attachment_count; i++)
		if (program->attachments[i].index == interface)
			return true;
	return false;
}

/* What packets find out about the interfaces; those that a program before this one had, and this one has not, go. */
static int write_interfaces(struct program *program, struct problem *problem)
{
	int egress = bpf_map__fd(program->skeleton->maps.egress);
	const struct usher_interface none = {0};
	__u32 keys[USHER_INTERFACES_MAX];
	size_t count = 0;
	int r = 0;

	while (count < USHER_INTERFACES_MAX &&
	       !bpf_map_get_next_key(egress, count ? &keys[count - 1] : NULL, &keys[count]))
		count++;
	for (size_t i = 0; i < count; i++)
		if (!find_attachment(program, keys[i]))
			bpf_map_delete_elem(egress, &keys[i]);
	for (__u32 place = 0; place < USHER_INTERFACES_MAX; place++)
		if (!program->boot.interfaces[place])
			bpf_map_update_elem(bpf_map__fd(program->skeleton->maps.interfaces), &place, &none, BPF_ANY);
	for (size_t i = 0; !r && i < program->attachment_count; i++) {
		r = read_mac(&program->attachments[i]);
		if (!r)
			r = write_interface(program, &program->attachments[i]);
		if (r)
			problem_set(problem, r, "cannot make interface %s known to packets: %s",
				    program->attachments[i].name, strerror(-r));
	}
	return r;
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
	r = write_interfaces(program, problem);
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
		r = new_boot(options, &program->boot);
		if (r)
			return problem_set(problem, r, "no random numbers: %s", strerror(-r));
	}
	place_interfaces(program, &options->interfaces);
	r = load(program, problem);
	if (r) {
		/* Nothing of a load that failed is in force, so nothing of it stays. */
		if (!program->adopted)
			pins_clear(program->pin_dir);
		return r;
	}
	*ret_program = TAKE_PTR(program);
	return 0;
}

int program_detach(const char *pin_dir, struct problem *problem)
{
	_cleanup_close_ int lock = -1;
	int r = pins_check(pin_dir);

	if (r == -ENOENT || r == -EINVAL)
		return 0;
	r = pins_open(pin_dir, problem, &lock);
	if (r)
		return r;
	r = clear(pin_dir);
	if (!r && rmdir(pin_dir))
		r = -errno;
	if (r)
		return problem_set(problem, r, "cannot remove the pins in %s: %s", pin_dir, strerror(-r));
	return 0;
}
