/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The figures of a flow, and how it ends: only if the operator asks for that (boot.flow_ends), otherwise the verifier leaves all of
 * it out.
 *
 * 1. Figures are begun while the entry's line is BUSY, and read for the record while it is BUSY again: they are one entry's.
 * 2. One CPU makes the record: the one whose swap has ended the entry. So each opening that has a record has one of its end, or its
 *    number is missing in the ring, which is counted.
 * 3. A packet is counted when it is sent on. One that is on its way while another CPU ends its flow may come too late.
 */
#ifndef USHER_BPF_FLOW_END_H
#define USHER_BPF_FLOW_END_H

#include <linux/in.h>

#include "flow_line.h"
#include "reserve.h"

static __always_inline struct usher_flow_figures *flow_figures_at(__u32 line)
{
	return bpf_map_lookup_elem(&flow_figures, &line);
}

/* Comes from memory together with the line itself, and not after it. */
static __always_inline void flow_figures_fetch(__u32 line)
{
	const struct usher_flow_figures *figures = usher_boot.flow_ends ? flow_figures_at(line) : NULL;

	if (figures)
		(void)FLOW_READ(figures->begun);
}

/* Of an entry whose line is ours (BUSY). These are functions of their own for the sake of their callers' stacks. */
__noinline int flow_figures_begin(__u32 line, const struct flow_entry *entry)
{
	struct usher_flow_figures *figures = flow_figures_at(line);

	if (!usher_boot.flow_ends || !figures || !entry)
		return 0;
	__builtin_memset(figures, 0, sizeof(*figures));
	figures->begun = figures->seen = flow_clock();
	figures->generation = entry->generation;
	figures->target = entry->target;
	figures->flags = entry->figures;
	return 0;
}

/* An end has closed, or reset: USHER_CLOSING_*. */
__noinline int flow_figures_mark(__u32 line, __u32 closing)
{
	struct usher_flow_figures *figures = flow_figures_at(line);

	if (!usher_boot.flow_ends || !figures)
		return 0;
	if (closing == USHER_CLOSING_BACKEND_FIN && !(FLOW_READ(figures->closing) & USHER_CLOSING_CLIENT_FIN))
		closing |= USHER_CLOSING_BACKEND_FIRST;
	__sync_fetch_and_or(&figures->closing, closing);
	return 0;
}

static __always_inline void flow_figures_close(__u32 line, __u32 closing)
{
	if (usher_boot.flow_ends)
		flow_figures_mark(line, closing);
}

/* One packet of so many bytes more to the backend, or from it. */
__noinline int flow_figures_add(const struct flow_ref *ref, __u32 bytes, int from)
{
	struct usher_flow_figures *figures = ref ? flow_figures_at(ref->line) : NULL;
	const struct usher_flow *flow = ref ? flow_at(ref->line) : NULL;

	/* What begins nothing has no line, and no tag. */
	if (!usher_boot.flow_ends || !ref || !flow || !figures || !flow_same(FLOW_READ(flow->tag), ref->tag))
		return 0;
	__sync_fetch_and_add(from ? &figures->packets_from : &figures->packets_to, 1);
	__sync_fetch_and_add(from ? &figures->bytes_from : &figures->bytes_to, bytes);
	*(volatile __u64 *)&figures->seen = flow_clock();
	return 0;
}

/* How the entry ended that had this tag. */
static __always_inline __u8 flow_ended(__u64 tag, __u8 tcp, bool nat, __u32 closing, enum flow_end end)
{
	const __u32 both = USHER_CLOSING_CLIENT_FIN | USHER_CLOSING_BACKEND_FIN;

	if (USHER_TAG_STATUS(tag) == USHER_FLOW_CUT || end == FLOW_DELETED)
		return USHER_ENDED_REVOKED;
	if ((closing & both) == both)
		return closing & USHER_CLOSING_BACKEND_FIRST ? USHER_ENDED_CLOSED_BY_BACKEND
							     : USHER_ENDED_CLOSED_BY_CLIENT;
	if (tcp & USHER_TCP_RESET)
		return closing & USHER_CLOSING_FORGOTTEN       ? USHER_ENDED_FORGOTTEN
		       : closing & USHER_CLOSING_BACKEND_RESET ? USHER_ENDED_RESET_BY_BACKEND
							       : USHER_ENDED_RESET_BY_CLIENT;
	if (closing & USHER_CLOSING_CLIENT_FIN && !nat)
		return USHER_ENDED_CLOSED_BY_CLIENT;
	if (end == FLOW_EVICTED)
		return USHER_ENDED_EVICTED;
	if (end == FLOW_REPLACED)
		return USHER_ENDED_REPLACED;
	if ((tag & (USHER_TAG_STATUS_MASK | USHER_TAG_UDP)) == USHER_FLOW_HALF_OPEN)
		return USHER_ENDED_NOT_PROVEN;
	return closing & both ? USHER_ENDED_HALF_CLOSED : USHER_ENDED_TIMED_OUT;
}

/* The generation in force: nobody's packet says which. */
static __always_inline __u64 flow_end_generation(void)
{
	__u32 zero = 0;
	const struct usher_control *entry = bpf_map_lookup_elem(&control, &zero);
	const struct usher_generation *generation;
	__u32 slot = entry ? FLOW_READ(entry->active) % USHER_SLOTS : 0;

	generation = bpf_map_lookup_elem(&generations, &slot);
	return generation ? generation->number : 0;
}

/* Who it was, in the record of its end. */
static __always_inline void flow_end_describe(struct usher_event *event, const struct usher_flow *flow)
{
	event->client = flow->source;
	event->service_address = flow->destination;
	event->client_port_be = flow->source_port_be;
	event->service_port_be = flow->destination_port_be;
	event->rule = USHER_NONE;
	event->class_id = USHER_NONE;
	event->tenant = flow->value.forward.tenant;
	event->service = flow->value.forward.service;
	event->backend = flow->value.forward.backend;
	event->incarnation = flow->value.forward.incarnation;
	event->nat_port_be = flow->value.forward.nat_port_be;
	event->nat_index = flow->value.forward.nat_index;
	event->interface = flow->value.forward.interface;
}

static __always_inline void flow_end_measure(struct usher_flow_end *record, const struct usher_flow_figures *figures)
{
	__u64 offset;

	record->event.time = flow_time();
	offset = record->event.time - flow_clock();
	record->begun = figures->begun + offset;
	record->seen = figures->seen + offset;
	record->generation = figures->generation;
	record->packets_to = figures->packets_to;
	record->bytes_to = figures->bytes_to;
	record->packets_from = figures->packets_from;
	record->bytes_from = figures->bytes_from;
	record->event.target = figures->target;
}

#define FLOW_END_STAYS 0x10u /* with enum flow_end: nobody has claimed the line */

/*
 * The record of the end of the entry that had this tag, whose line is BUSY; if that stays it is empty then. Made in memory of its own, for
 * flow_end_submit, whose stack is not needed on top of this one's then: where an end is met there is little left.
 */
__noinline int flow_end_record(__u32 line, __u64 tag, __u32 end)
{
	struct usher_flow *flow = flow_at(line);
	const struct usher_flow_figures *figures = flow_figures_at(line);
	struct usher_flow_end *record;
	__u32 zero = 0;

	record = bpf_map_lookup_elem(&flow_ends, &zero);
	if (!usher_boot.flow_ends || !record)
		return 0;
	record->event.ended = 0;
	if (!flow || !figures)
		return 0;
	/* Where it did not come to a flow, its end is not worth a record. */
	if (!(tag & USHER_TAG_RETURN) && figures->flags & USHER_FIGURES_RECORDED &&
	    (end & ~FLOW_END_STAYS) != FLOW_WITHDRAWN) {
		__builtin_memset(record, 0, sizeof(*record));
		record->event.flow_tag = tag;
		record->event.flow_line = line;
		record->event.protocol = tag & USHER_TAG_UDP ? IPPROTO_UDP : IPPROTO_TCP;
		record->event.ended = flow_ended(tag, flow->value.forward.tcp, flow->value.forward.nat_port_be,
						 figures->closing, (enum flow_end)(end & ~FLOW_END_STAYS));
		flow_end_describe(&record->event, flow);
		flow_end_measure(record, figures);
		record->event.generation = flow_end_generation();
		record->event.ring = figures->flags & USHER_FIGURES_REQUIRED ? USHER_RING_REQUIRED : USHER_RING_EVENTS;
	}
	flow_barrier();
	if (end & FLOW_END_STAYS)
		*(volatile __u64 *)&flow->tag = FLOW_EMPTY_TAG(tag);
	return 0;
}

/* What flow_end_record has made, if anything, into its ring. */
__noinline int flow_end_submit(void)
{
	struct usher_event *first, *second;
	struct usher_flow_end *record;
	__u32 zero = 0;
	bool required;

	record = bpf_map_lookup_elem(&flow_ends, &zero);
	if (!usher_boot.flow_ends || !record || !record->event.ended)
		return 0;
	required = record->event.ring == USHER_RING_REQUIRED;
	if (!reserve_end(required, &first, &second))
		return 0;
	record->event.sequence = first->sequence;
	record->event.cpu = first->cpu;
	*first = record->event;
	__builtin_memcpy(second, &record->begun, USHER_FLOW_END_REST);
	reserve_submit(required);
	return 0;
}

/* What the swap that ends an entry puts in its tag's place, if the line is not another's at once: flow_settle makes it empty. */
static __always_inline __u64 flow_leaving(__u64 tag)
{
	return usher_boot.flow_ends ? (tag & ~USHER_TAG_STATUS_MASK) | USHER_FLOW_BUSY : FLOW_EMPTY_TAG(tag);
}

/* Does the end of this forward entry need room in a ring that has little? */
static __always_inline bool flow_end_must_wait(__u32 line)
{
	const struct usher_flow_figures *figures = flow_figures_at(line);
	__u8 flags = figures ? FLOW_READ(figures->flags) : 0;

	return flags & USHER_FIGURES_RECORDED && !reserve_has_room(flags & USHER_FIGURES_REQUIRED);
}

/*
 * After the swap that ended the entry which had this tag and tenant, if `stays`, to flow_leaving(): then the line is empty after it.
 */
static __always_inline void flow_settle(__u32 line, __u64 tag, __u16 tenant, enum flow_end end, bool stays)
{
	struct usher_flow_counter *counter = flow_counter();

	flow_account(tag, tenant, -1);
	if (usher_boot.flow_ends) {
		flow_end_record(line, tag, end | (stays ? FLOW_END_STAYS : 0));
		flow_end_submit();
	}
	if (!counter)
		return;
	if (tag & USHER_TAG_RETURN)
		counter->return_lines -= end != FLOW_REPLACED;
	else if (end == FLOW_EXPIRED)
		counter->expired++;
	else if (end == FLOW_EVICTED)
		counter->evicted++;
	else if (end == FLOW_REPLACED)
		counter->replaced++;
	else
		counter->deleted++;
}

#endif
