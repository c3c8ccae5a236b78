/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/places.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "kernel/dispatcher.h"
#include "kernel/pins.h"
#include "usher.skel.h"

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
int places_check(const struct program *program, const struct interfaces *wanted, struct problem *problem)
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
void places_assign(struct program *program, const struct interfaces *wanted)
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

/* ---- what packets find out about them -------------------------------------------------------------------- */

static int write_interface(const struct program *program, const struct attachment *at)
{
	struct usher_interface interface = {.index = at->index, .mtu = at->mtu};
	__u32 place = at->place;

	memcpy(interface.mac, at->mac, sizeof(interface.mac));
	if (bpf_map_update_elem(bpf_map__fd(program->skeleton->maps.interfaces), &place, &interface, BPF_ANY) ||
	    bpf_map_update_elem(bpf_map__fd(program->skeleton->maps.egress), &at->index, &at->index, BPF_ANY))
		return -errno;
	return 0;
}

void program_set_interface(struct program *program, uint32_t interface, const uint8_t mac[6], uint16_t mtu)
{
	for (size_t i = 0; i < program->attachment_count; i++) {
		struct attachment *at = &program->attachments[i];

		if (at->index != interface || (at->mtu == mtu && !memcmp(at->mac, mac, sizeof(at->mac))))
			continue;
		memcpy(at->mac, mac, sizeof(at->mac));
		at->mtu = mtu;
		write_interface(program, at);
	}
}

static int read_link(struct attachment *at)
{
	_cleanup_close_ int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {0};

	memcpy(request.ifr_name, at->name, sizeof(request.ifr_name));
	if (socket_fd < 0 || ioctl(socket_fd, SIOCGIFHWADDR, &request))
		return -errno;
	memcpy(at->mac, request.ifr_hwaddr.sa_data, sizeof(at->mac));
	if (ioctl(socket_fd, SIOCGIFMTU, &request))
		return -errno;
	at->mtu = (uint16_t)(request.ifr_mtu > UINT16_MAX ? UINT16_MAX : request.ifr_mtu);
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
int places_write(struct program *program, struct problem *problem)
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
		r = read_link(&program->attachments[i]);
		if (!r)
			r = write_interface(program, &program->attachments[i]);
		if (r)
			problem_set(problem, r, "cannot make interface %s known to packets: %s",
				    program->attachments[i].name, strerror(-r));
	}
	return r;
}
