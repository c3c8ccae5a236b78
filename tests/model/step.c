// SPDX-License-Identifier: GPL-2.0-only
#include "step.h"

#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void step_blame(struct step *step, const char *format, ...)
{
	va_list arguments;

	if (step->to->fault[0])
		return;
	va_start(arguments, format);
	vsnprintf(step->to->fault, sizeof(step->to->fault), format, arguments);
	va_end(arguments);
}

void step_end(struct step *step, uint8_t reason, int action)
{
	step->to->reason = reason;
	step->to->action = action;
}

bool ref_same_address(const struct usher_address *a, const struct usher_address *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* ---- numbers of names ---------------------------------------------------------------------------------------- */

uint32_t gateway_service_number(const struct gateway *gateway, const char *name)
{
	for (uint32_t i = 0; i < USHER_SERVICES_MAX; i++)
		if (gateway->catalog->services[i].name && !strcmp(gateway->catalog->services[i].name, name))
			return i;
	return USHER_SERVICE_NONE;
}

const struct ref_backend *gateway_backend(const struct gateway *gateway, uint16_t number, uint16_t incarnation)
{
	const struct catalog_backend *named = number < USHER_BACKENDS_MAX ? &gateway->catalog->backends[number] : NULL;

	if (!named || !named->name || named->incarnation != incarnation)
		return NULL;
	for (size_t i = 0; i < gateway->policy->backend_count; i++)
		if (!strcmp(gateway->policy->backends[i].name, named->name))
			return &gateway->policy->backends[i];
	return NULL;
}

/* ---- who is it for? ------------------------------------------------------------------------------------------ */

bool ref_is_nat(const struct ref_policy *policy, const struct usher_address *address)
{
	for (size_t i = 0; i < policy->nat_count; i++)
		if (ref_same_address(&policy->nat[i], address))
			return true;
	return false;
}

bool ref_is_service_address(const struct ref_policy *policy, const struct usher_address *address)
{
	for (size_t s = 0; s < policy->service_count; s++)
		for (size_t a = 0; a < policy->services[s].address_count; a++)
			if (ref_same_address(&policy->services[s].addresses[a].address, address))
				return true;
	return false;
}

const struct ref_service *ref_service_at(const struct ref_policy *policy, const struct usher_address *address,
					 uint16_t port, uint8_t protocol)
{
	for (size_t s = 0; s < policy->service_count; s++)
		for (size_t a = 0; a < policy->services[s].address_count; a++) {
			const struct ref_endpoint *endpoint = &policy->services[s].addresses[a];

			if (ref_same_address(&endpoint->address, address) && endpoint->port == port &&
			    policy->services[s].protocol == protocol)
				return &policy->services[s];
		}
	return NULL;
}

/* ---- answers ------------------------------------------------------------------------------------------------- */

void step_refuse(struct step *step, uint8_t reason)
{
	step_end(step, reason, XDP_DROP);
	if (step->wire.protocol == IPPROTO_TCP && step->wire.flags & FRAME_RST)
		return;
	step->to->action = XDP_TX;
	step->to->output = *step->frame;
	if (step->wire.protocol == IPPROTO_TCP)
		rewrite_refuse_tcp(&step->wire, &step->to->output);
	else
		rewrite_icmp(&step->wire, 0, &step->to->output);
}

void step_drop(struct step *step, uint8_t reason)
{
	step_end(step, reason, XDP_DROP);
}

void step_reset_receiver(struct step *step, const struct rewrite_path *path, const uint8_t *to, const uint8_t *from)
{
	bool ack = step->wire.flags & FRAME_ACK;

	step->to->action = XDP_TX;
	rewrite_reset(step->wire.ipv6, (struct rewrite_link){to, from}, path, step->wire.sequence,
		      ack ? step->wire.acknowledgement : 0, (uint8_t)(FRAME_RST | (ack ? FRAME_ACK : 0)),
		      &step->to->output);
	rewrite_tags(&step->wire, step->frame, &step->to->output);
}
