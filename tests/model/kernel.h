/* SPDX-License-Identifier: GPL-2.0-only */
/* The real thing: parser, compiler, publisher and the loaded program, one packet at a time. */
#ifndef USHER_MODEL_KERNEL_H
#define USHER_MODEL_KERNEL_H

#include "compile/tables.h"

#include "document.h"
#include "frame.h"

struct kernel;

struct kernel_run {
	int action; /* enum xdp_action */
	struct frame output;
	size_t event_count;
	struct usher_event events[4];
};

/* Returns 0 or -errno, and says why on standard error. */
int kernel_open(struct kernel **ret_kernel);
void kernel_close(struct kernel *kernel);

/*
 * Puts a policy in force, with the state of the world that `reference` carries for each backend. Returns 0, or -errno with
 * what is wrong with the document on standard error.
 */
int kernel_publish(struct kernel *kernel, const char *text, size_t length, const struct ref_policy *reference);
/* No flow is open any more, and every counter is 0. */
void kernel_forget(struct kernel *kernel);
/* What a backend's load is from now on. */
void kernel_tell(struct kernel *kernel, uint16_t backend, const struct usher_load *load);
/* How many connections have been opened to it, as it counts them. */
uint32_t kernel_opened(const struct kernel *kernel, uint16_t backend);
/* Past the controller's deadline, or not. */
void kernel_deadline(struct kernel *kernel, bool passed);

/* That the gateway sends from into tunnels. */
struct usher_address ref_tunnel_source(bool ipv6);

/* Of what is in force. */
const struct catalog *kernel_catalog(const struct kernel *kernel);
uint32_t kernel_epoch(const struct kernel *kernel);
uint64_t kernel_generation(const struct kernel *kernel);
/* Slots of its largest ring. */
uint32_t kernel_ring_max(const struct kernel *kernel);

/*
 * Nothing expires, as in the model: what passes on the clock between two packets, flows do not grow older by. Returns 0, -ETIME if
 * this process was held up for so long in the middle that flows may have expired after all, or -errno.
 */
int kernel_packet(struct kernel *kernel, const struct frame *frame, struct kernel_run *ret_run);
/* As if the last packet of the flow in this line had come two ticks earlier: its next comes in another tick, whenever they begin. */
void kernel_let_pass(struct kernel *kernel, uint32_t line);
/* The same as a dry run: what `usher explain` does. */
int kernel_explain(struct kernel *kernel, const struct frame *frame, struct usher_explanation *ret_explanation);

/* Packets counted so far, over all CPUs. service: its number, or USHER_SERVICE_NONE. */
uint64_t kernel_verdicts(const struct kernel *kernel, uint32_t service, uint8_t reason);
uint64_t kernel_received(const struct kernel *kernel, uint32_t service);
struct usher_backend_counter kernel_backend(const struct kernel *kernel, uint32_t backend);
int64_t kernel_half_open(const struct kernel *kernel, uint32_t tenant);
struct usher_flow_counter kernel_flows(const struct kernel *kernel);

#endif
