/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/inject.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <bpf/bpf.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "kernel/frame.h"
#include "kernel/mapping.h"
#include "usher.skel.h"

/* Tag bits that stay the same while a line holds the same flow; those of bpf/flow_line.h. */
#define INCARNATION_MASK 0xfffffff8ULL

struct debt {
	int64_t due;
	uint32_t line;
	uint64_t tag;
	struct frame to_client, to_backend; /* sequence 0: not known, nothing to send */
};

struct injector {
	const struct program *program;
	int inject; /* the program that transmits */
	struct mapping flows;
	struct debt *debts; /* by due: they come in that order */
	size_t first, count, capacity;
};

void injector_close(struct injector *injector)
{
	if (!injector)
		return;
	mapping_close(&injector->flows);
	free(injector->debts);
	free(injector);
}

static void cleanup_injector(struct injector **injector)
{
	injector_close(*injector);
}

int injector_open(const struct program *program, struct injector **ret_injector)
{
	_cleanup_(cleanup_injector) struct injector *injector = calloc(1, sizeof(*injector));
	int error;

	if (!injector)
		return -ENOMEM;
	injector->program = program;
	injector->inject = bpf_program__fd(program->skeleton->progs.usher_inject);
	error = mapping_open(program_map(program, "flows"), sizeof(struct usher_flow), true, &injector->flows);
	if (error)
		return error;
	*ret_injector = TAKE_PTR(injector);
	return 0;
}

/* The interface by which the client came; the first, should that one be gone. */
static const struct attachment *find_place(const struct program *program, uint8_t place)
{
	for (size_t i = 0; i < program->attachment_count; i++)
		if (program->attachments[i].place == place)
			return &program->attachments[i];
	return &program->attachments[0];
}

void injector_note(struct injector *injector, const struct usher_event *event, const struct usher_address *nat,
		   const struct usher_backend *backend, int64_t now)
{
	struct debt debt = {.due = now + INJECT_AFTER, .line = event->flow_line, .tag = event->flow_tag};
	struct frame *client = &debt.to_client, *server = &debt.to_backend;
	const struct attachment *at = find_place(injector->program, event->interface);

	if (event->protocol != IPPROTO_TCP || event->flow_line >= injector->flows.entries)
		return;
	*client = (struct frame){.source = event->service_address,
				 .destination = event->client,
				 .source_port = ntohs(event->service_port_be),
				 .destination_port = ntohs(event->client_port_be),
				 .protocol = IPPROTO_TCP,
				 .tcp_flags = FRAME_TCP_RESET,
				 .sequence = event->client_next};
	memcpy(client->destination_mac, event->client_mac, sizeof(client->destination_mac));
	memcpy(client->source_mac, at->mac, sizeof(client->source_mac));
	client->interface = at->index;
	memcpy(client->tags, event->tags, sizeof(client->tags));
	if (backend && backend->flags & USHER_BACKEND_REACHABLE) {
		*server = (struct frame){.source = nat ? *nat : event->client,
					 .destination = nat ? backend->address : event->service_address,
					 .source_port = ntohs(nat ? event->nat_port_be : event->client_port_be),
					 .destination_port = ntohs(nat ? backend->port_be : event->service_port_be),
					 .protocol = IPPROTO_TCP,
					 .tcp_flags = FRAME_TCP_RESET,
					 .sequence = event->backend_next,
					 .tunnel = backend->forward,
					 .tunnel_source = backend->source,
					 .tunnel_destination = backend->address};
		memcpy(server->destination_mac, backend->next_hop, sizeof(server->destination_mac));
		server->interface = backend->interface ? backend->interface : at->index;
		memcpy(server->source_mac, backend->own_mac, sizeof(server->source_mac));
		memcpy(server->tags, event->tags, sizeof(server->tags));
	}
	if (injector->first > 1024 && injector->first > injector->count / 2) {
		injector->count -= injector->first;
		memmove(injector->debts, injector->debts + injector->first, injector->count * sizeof(*injector->debts));
		injector->first = 0;
	}
	injector->debts = array_grow(injector->debts, injector->count, &injector->capacity, sizeof(*injector->debts));
	injector->debts[injector->count++] = debt;
}

static void transmit(const struct injector *injector, const struct frame *frame)
{
	uint8_t bytes[FRAME_MAX];
	struct xdp_md context = {.data_end = (__u32)frame_write(frame, bytes), .ingress_ifindex = frame->interface};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = bytes, .data_size_in = context.data_end, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = 1, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);

	/* A reset that is lost here is one that the network could have lost: the end's next packet gets another. */
	bpf_prog_test_run_opts(injector->inject, &run);
}

/* Marks the end as reset; false if it was already, or if the flow has gone. */
static bool owe(const struct injector *injector, const struct debt *debt, uint8_t end)
{
	struct usher_flow *flow = (struct usher_flow *)injector->flows.bytes + debt->line;
	uint64_t *word = (uint64_t *)&flow->value.words[1];
	uint64_t old = __atomic_load_n(word, __ATOMIC_ACQUIRE);

	for (int i = 0; i < 8; i++) {
		uint64_t tag = __atomic_load_n((uint64_t *)&flow->tag, __ATOMIC_ACQUIRE);

		if (USHER_TAG_STATUS(tag) != USHER_FLOW_CUT || ((tag ^ debt->tag) & INCARNATION_MASK) ||
		    (old >> 56 & end))
			return false;
		if (__atomic_compare_exchange_n(word, &old, old | (uint64_t)end << 56, false, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE))
			return true;
	}
	return false;
}

int64_t injector_run(struct injector *injector, int64_t now)
{
	for (; injector->first < injector->count; injector->first++) {
		const struct debt *debt = &injector->debts[injector->first];

		if (debt->due > now)
			return debt->due;
		/* The backend first: it then stops to send what would outrun the client's reset. */
		if (debt->to_backend.sequence && owe(injector, debt, USHER_CUT_BACKEND))
			transmit(injector, &debt->to_backend);
		if (debt->to_client.sequence && owe(injector, debt, USHER_CUT_CLIENT))
			transmit(injector, &debt->to_client);
	}
	injector->first = injector->count = 0;
	return INT64_MAX;
}
