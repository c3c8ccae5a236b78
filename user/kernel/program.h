/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel program and its maps: loaded, pinned, taken over from a daemon before us, attached to an interface.
 *
 * Everything is pinned in one folder of a BPF file system, so that it outlives the daemon:
 *   PIN_DIR/MAP       each map, by its name in bpf/maps.h
 *   PIN_DIR/program   the XDP program
 *   PIN_DIR/linkN     its link to interface N of boot.interfaces (of the first: link), or memberN, if that is shared
 */
#ifndef USHER_KERNEL_PROGRAM_H
#define USHER_KERNEL_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "usher/abi.h"

#include "base/problem.h"
#include "kernel/interfaces.h"

#define PROGRAM_PIN_DIR "/sys/fs/bpf/usher"

enum attach_mode { ATTACH_AUTO, ATTACH_NATIVE, ATTACH_GENERIC };
const char *attach_mode_name(enum attach_mode mode);

struct program_options {
	const char *pin_dir;
	struct interfaces interfaces; /* at least one */
	enum attach_mode mode;
	bool dispatcher;	/* share the interface through libxdp's dispatcher, also if nobody else is there */
	uint32_t priority;	/* there; lower ones see a packet first */
	uint32_t flow_lines;	/* power of two, USHER_FLOW_LINES_MIN to _MAX */
	uint32_t half_open_max; /* of a tenant */
	uint32_t replies_max;	/* of a class, in a tick, on a CPU */
	uint32_t records_max;	/* of a tenant, kind of decision and tick */
	bool flow_ends;		/* flows have figures, and a record when they end */
};

/* The program on one interface. */
struct attachment {
	char name[IF_NAMESIZE];
	uint32_t index;
	uint8_t place; /* in boot.interfaces */
	uint8_t mac[6];
	uint16_t mtu;
	enum attach_mode mode; /* as attached: native or generic */
	bool shared;	       /* it is a member of a dispatcher */
	int link;	       /* -1: none of its own */
};

struct program {
	struct usher_bpf *skeleton;
	struct usher_boot boot;
	char *pin_dir;
	struct attachment attachments[USHER_INTERFACES_MAX];
	size_t attachment_count;
	bool adopted;	   /* a program was attached already, and its maps are ours now */
	bool share;	   /* the operator asks for a dispatcher */
	uint32_t priority; /* there */
	int lock;	   /* the pin folder; one daemon at a time */
};

/*
 * Loads the program. If one is attached and pinned it is left as it is, and its maps become this one's, with the flows
 * in them; the options of the maps are then those of the pins. Pins that nothing is attached to are removed first.
 * Returns 0; -EBUSY if another daemon holds the pins; -EPROTO if the pins are of another ABI; or -errno; always with a
 * sentence that says the way out.
 */
int program_load(const struct program_options *options, struct problem *problem, struct program **ret_program);
/* Closes what is open. Pins and traffic stay. */
void program_free(struct program *program);

/* File descriptor of a map, or -ENOENT. */
int program_map(const struct program *program, const char *name);
int program_xdp(const struct program *program);
/* The program once more, with the same maps and settings, not loaded: for libxdp, which loads it under its dispatcher. Returns
 * 0 or -errno. */
struct bpf_object;
int program_copy(const struct program *program, struct bpf_object **ret_object);

/*
 * Lets packets in: attaches the program, native first and then generic unless the mode says otherwise, or puts it in the
 * place of the adopted one. Where libxdp's dispatcher is on the interface, or is asked for, the program joins it. `note` is
 * set if generic had to do. Returns 0, or -errno with a sentence.
 */
int program_attach(struct program *program, enum attach_mode mode, struct problem *note, struct problem *problem);

/* Detaches and unpins all that is in pin_dir, of whatever ABI: link, membership of a dispatcher, maps. Returns 0 (also if there is
 * nothing), -EBUSY if a daemon holds the pins, -EXDEV if their interfaces are in another network namespace, or -errno; with a
 * sentence. */
int program_detach(const char *pin_dir, struct problem *problem);
/* The interfaces that what is pinned there is attached to, of whatever ABI. */
void program_interfaces(const char *pin_dir, struct interfaces *ret_interfaces);
/* The sender's address of frames that leave by an interface, and how large these may be; program_attach has seen to it for a start. */
void program_set_interface(struct program *program, uint32_t interface, const uint8_t mac[6], uint16_t mtu);

#define PROGRAM_PIN_NAME 16
/* What "link" or "member" of an interface's place is pinned as. */
const char *program_pin(const char *what, uint8_t place, char name[PROGRAM_PIN_NAME]);

#endif
