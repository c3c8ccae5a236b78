// SPDX-License-Identifier: GPL-2.0-only
#include "compile/endpoints.h"

#include <errno.h>
#include <string.h>

#define SALTS_MAX 4096

static bool same(const struct usher_endpoint *a, const struct usher_endpoint *b)
{
	return !memcmp(&a->address, &b->address, sizeof(a->address)) && a->port_be == b->port_be &&
	       a->protocol == b->protocol;
}

/* An address that is there already (another service's) stays as it is, and goes on naming that one first. */
static bool place(struct usher_endpoint *slots, const struct usher_endpoint *endpoint, const __u64 *hash_key,
		  uint32_t salt)
{
	uint64_t word = USHER_ENDPOINT_WORD(endpoint->port_be, endpoint->protocol, salt);
	uint32_t position;

	position = (uint32_t)usher_hash_address(endpoint->address.halves, word, hash_key);
	for (uint32_t i = 0; i < USHER_ENDPOINT_PROBES; i++) {
		struct usher_endpoint *slot = &slots[(position + i) % USHER_ENDPOINT_SLOTS];

		if (slot->kind == USHER_ENDPOINT_EMPTY)
			*slot = *endpoint;
		if (same(slot, endpoint))
			return true;
	}
	return false;
}

static bool place_all(const struct policy *policy, const struct numbers *numbers, const __u64 *hash_key, uint32_t salt,
		      struct usher_endpoint *slots)
{
	memset(slots, 0, USHER_ENDPOINT_SLOTS * sizeof(*slots));
	for (size_t s = 0; s < policy->service_count; s++) {
		const struct service *service = &policy->services[s];

		for (size_t a = 0; a < service->address_count; a++) {
			const struct usher_endpoint endpoint = {.address = service->addresses[a].address,
								.kind = USHER_ENDPOINT_SERVICE,
								.port_be =
									__builtin_bswap16(service->addresses[a].port),
								.protocol = service->protocol,
								.service = numbers->services[s]};
			const struct usher_endpoint address = {.address = endpoint.address,
							       .kind = USHER_ENDPOINT_ADDRESS,
							       .first_port_be = endpoint.port_be,
							       .first_protocol = endpoint.protocol,
							       .first_service = endpoint.service};

			if (!place(slots, &address, hash_key, salt) || !place(slots, &endpoint, hash_key, salt))
				return false;
		}
	}
	for (size_t n = 0; n < policy->nat_address_count; n++) {
		const struct usher_endpoint endpoint = {.address = policy->nat_addresses[n],
							.kind = USHER_ENDPOINT_NAT,
							.service = numbers->nat_addresses[n]};

		if (!place(slots, &endpoint, hash_key, salt))
			return false;
	}
	return true;
}

int endpoints_build(const struct policy *policy, const struct numbers *numbers, const __u64 *hash_key,
		    struct tables *tables)
{
	tables->endpoints = arena_array(&tables->arena, USHER_ENDPOINT_SLOTS, sizeof(*tables->endpoints));
	for (uint32_t salt = 0; salt < SALTS_MAX; salt++)
		if (place_all(policy, numbers, hash_key, salt, tables->endpoints)) {
			tables->header.endpoint_salt = salt;
			return 0;
		}
	return -E2BIG;
}
