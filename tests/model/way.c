// SPDX-License-Identifier: GPL-2.0-only
#include "way.h"

#include <linux/bpf.h>

/* The backend, if there is a way to it now. */
const struct ref_backend *way_to(const struct gateway *gateway, const struct ref_flow *flow)
{
	const struct ref_backend *backend = gateway_backend(gateway, flow->backend, flow->incarnation);

	if (!backend || backend->unreachable || (!flow->l2 && !ref_is_nat(gateway->policy, &flow->nat_address)))
		return NULL;
	return backend;
}

struct rewrite_path way_path(const struct ref_flow *flow)
{
	if (flow->l2)
		return (struct rewrite_path){flow->client, flow->service_address, flow->client_port,
					     flow->service_port};
	return (struct rewrite_path){flow->nat_address, flow->backend_address, flow->nat_port, flow->backend_port};
}

static struct rewrite_tunnel tunnel_to(const struct ref_backend *backend)
{
	return (struct rewrite_tunnel){backend->gue, backend->ipv6, ref_tunnel_source(backend->ipv6), backend->address};
}

/* What the program made of the frame goes in front of what is expected. */
void way_tunnel(struct step *step, const struct ref_backend *backend)
{
	struct rewrite_tunnel tunnel = tunnel_to(backend);

	if (backend->tunnel)
		rewrite_into_tunnel(&tunnel, step->wire.network, step->wire.ipv6, &step->run->output,
				    &step->to->output);
}

bool way_fits(const struct step *step, const struct ref_backend *backend)
{
	struct rewrite_tunnel tunnel = tunnel_to(backend);
	size_t length = step->wire.transport - step->wire.network + step->wire.segment;

	return !backend->tunnel || length + rewrite_tunnel_room(&tunnel) <= (backend->mtu ? backend->mtu : 65535);
}

/* Its sender is told what would get through; an IPv6 host believes no less than 1280. */
void way_too_big(struct step *step, const struct ref_backend *backend)
{
	struct rewrite_tunnel tunnel = tunnel_to(backend);
	uint32_t mtu = backend->mtu - (uint32_t)rewrite_tunnel_room(&tunnel);

	step_end(step, USHER_REASON_TOO_BIG, XDP_TX);
	step->to->output = *step->frame;
	rewrite_icmp(&step->wire, step->wire.ipv6 && mtu < 1280 ? 1280 : mtu, &step->to->output);
}
