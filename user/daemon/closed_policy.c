// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/closed_policy.h"

#include <netinet/in.h>
#include <stdio.h>

#include "base/address.h"

/* As many addresses in a service as it may have: then there are no more services than there were. */
static void closed_services(const struct state *state, uint8_t protocol, struct json *to)
{
	char endpoint[ENDPOINT_TEXT], name[32];
	size_t count = 0;

	for (size_t i = 0; i < state->service_count; i++) {
		const struct state_service *service = &state->services[i];

		if (service->protocol != protocol)
			continue;
		if (count % USHER_SERVICE_ADDRESSES_MAX == 0) {
			snprintf(name, sizeof(name), "closed-%u-%zu", protocol, count / USHER_SERVICE_ADDRESSES_MAX);
			json_object_begin(to, name);
			json_string(to, "protocol", protocol == IPPROTO_TCP ? "tcp" : "udp");
			json_string(to, "model", "none");
			json_array_begin(to, "address");
		}
		json_string(to, NULL, endpoint_print(&service->address, service->port, endpoint));
		if (++count % USHER_SERVICE_ADDRESSES_MAX == 0) {
			json_array_end(to);
			json_object_end(to);
		}
	}
	if (count % USHER_SERVICE_ADDRESSES_MAX) {
		json_array_end(to);
		json_object_end(to);
	}
}

void closed_policy_print(struct json *to, const struct state *state)
{
	json_object_begin(to, NULL);
	json_string(to, "apiVersion", "usher/v1");
	json_object_begin(to, "models");
	json_object_begin(to, "none");
	json_object_begin(to, "versions");
	json_object_begin(to, "0");
	json_string(to, "stage", "archived");
	json_object_end(to);
	json_object_end(to);
	json_object_end(to);
	json_object_end(to);
	json_object_begin(to, "backends");
	json_object_end(to);
	json_object_begin(to, "services");
	closed_services(state, IPPROTO_TCP, to);
	closed_services(state, IPPROTO_UDP, to);
	json_object_end(to);
	json_array_begin(to, "rules");
	json_array_end(to);
	json_object_end(to);
}
