// SPDX-License-Identifier: GPL-2.0-only
#include "compile/tables.h"

#include "base/array.h"
#include "compile/sources.h"

void tables_digest(const struct tables *tables, char digest[SHA256_HEX])
{
	struct usher_generation header = tables->header;
	const struct {
		const void *bytes;
		size_t length;
	} parts[] = {
		{&header, sizeof(header)},
		{tables->endpoints, USHER_ENDPOINT_SLOTS * sizeof(*tables->endpoints)},
		{tables->trees->digest, sizeof(tables->trees->digest)},
		{tables->classes, tables->class_count * sizeof(*tables->classes)},
		{tables->services, USHER_SERVICES_MAX * sizeof(*tables->services)},
		{tables->route_index, tables->route_index_lines * sizeof(*tables->route_index)},
		{tables->routes, tables->route_count * sizeof(*tables->routes)},
		{tables->arms, tables->arm_count * sizeof(*tables->arms)},
		{tables->rings, tables->ring_lines * sizeof(*tables->rings)},
		{tables->sets, tables->set_count * sizeof(*tables->sets)},
		{tables->backends, USHER_BACKENDS_MAX * sizeof(*tables->backends)},
		{tables->tenant_limits, tables->tenant_limit_count * sizeof(*tables->tenant_limits)},
		{tables->nat, USHER_NAT_ADDRESSES_MAX * sizeof(*tables->nat)},
	};
	uint8_t digests[ARRAY_COUNT(parts)][SHA256_BYTES];

	header.number = 0;
	header.epoch = 0;
	header.classes_epoch = 0;
	for (size_t i = 0; i < ARRAY_COUNT(parts); i++)
		sha256(parts[i].bytes, parts[i].length, digests[i]);
	sha256_hex(digests, sizeof(digests), digest);
}
