// SPDX-License-Identifier: GPL-2.0-only
#include "edge/probe_http.h"

bool probe_http_begin(struct transfers *transfers, const struct edge_target *target, const struct transfer_owner *owner,
		      uint64_t mark, struct transfer **ret_transfer)
{
	const struct transfer_request request = {
		.address = target->address,
		.port = target->port,
		.tls = target->probe == HEALTH_PROBE_HTTPS,
		.verify = target->verify,
		.host = target->host,
		.path = target->path,
		.timeout_ms = target->timeout_ms,
	};

	return !transfers_begin(transfers, &request, owner, mark, ret_transfer);
}

static bool expected(const struct edge_target *target, uint16_t status)
{
	for (uint16_t i = 0; i < target->status_count; i++)
		if (target->status[i] == status)
			return true;
	return !target->status_count && status >= 200 && status <= 299;
}

struct cause probe_http_judge(const struct edge_target *target, const struct transfer_result *result)
{
	if (result->cause.kind != CAUSE_NONE || expected(target, result->status))
		return result->cause;
	return (struct cause){CAUSE_STATUS, result->status};
}
