// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/presence.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/array.h"
#include "daemon/core.h"

static bool is_among(const struct usher_address *list, size_t count, const struct usher_address *address)
{
	for (size_t i = 0; i < count; i++)
		if (address_equal(&list[i], address))
			return true;
	return false;
}

/* Addresses that usher itself is to hold. */
static size_t wanted_addresses(const struct policy *policy, struct usher_address *wanted)
{
	size_t count = 0;

	for (size_t n = 0; n < policy->nat_address_count; n++)
		wanted[count++] = policy->nat_addresses[n];
	for (size_t s = 0; s < policy->service_count; s++)
		for (size_t a = 0; policy->services[s].announce && a < policy->services[s].address_count; a++)
			if (!is_among(wanted, count, &policy->services[s].addresses[a].address))
				wanted[count++] = policy->services[s].addresses[a].address;
	return count;
}

/* Has usher put it there? The tables in force know it also when the state folder is lost. */
static bool is_ours(const struct core *core, const struct usher_address *address)
{
	uint64_t generation = publisher_active(core->publisher)->number;

	for (unsigned int n = 0; n < USHER_NAT_ADDRESSES_MAX; n++) {
		const struct usher_address *used = publisher_nat_address(core->publisher, generation, (uint8_t)n);

		if (used && address_equal(used, address))
			return true;
	}
	return is_among(core->state->added, core->state->added_count, address);
}

int presence_check(const struct core *core, const struct policy *policy, struct diagnostics *diagnostics)
{
	size_t before = diagnostics->errors;

	for (size_t n = 0; n < policy->nat_address_count; n++) {
		const struct usher_address *address = &policy->nat_addresses[n];
		char text[ADDRESS_TEXT], path[48];

		if (addresses_in_network(core->addresses, address) <= 0 &&
		    (is_ours(core, address) || addresses_owned(core->addresses, address) <= 0))
			continue;
		snprintf(path, sizeof(path), ".nat.addresses[%zu]", n);
		diagnostics_add(
			diagnostics, SEVERITY_ERROR, 0, 0, path,
			"%s is this host's own address, whose SSH would be cut off: a NAT address is usher's alone, "
			"and usher puts it on the interface (if an earlier usherd has left it there: ip addr del)",
			address_print(address, text));
	}
	return diagnostics->errors == before ? 0 : -EINVAL;
}

static void put_on(struct core *core, const struct usher_address *address)
{
	struct state *state = core->state;
	char text[ADDRESS_TEXT], names[INTERFACES_TEXT];
	int owned = addresses_owned(core->addresses, address), error;

	/* What others have put there is not to be touched; what we have may be missing on an interface that is new. */
	if (owned > 0 && !is_among(state->added, state->added_count, address))
		return;
	error = owned < 0 ? owned : addresses_add(core->addresses, address);
	if (error) {
		core_problem(core, "cannot put %s on %s: %s", address_print(address, text),
			     interfaces_print(&core->options->program.interfaces, names), strerror(-error));
		return;
	}
	if (is_among(state->added, state->added_count, address))
		return;
	state->added = array_grow(state->added, state->added_count, &state->added_capacity, sizeof(*state->added));
	state->added[state->added_count++] = *address;
}

static void take_off(struct core *core, const struct usher_address *keep, size_t count)
{
	struct state *state = core->state;
	size_t kept = 0;

	for (size_t i = 0; i < state->added_count; i++) {
		const struct usher_address address = state->added[i];
		char text[ADDRESS_TEXT], names[INTERFACES_TEXT];
		int error = 0;

		if (!is_among(keep, count, &address)) {
			error = addresses_remove(core->addresses, &address);
			if (!error)
				continue;
			core_problem(core, "cannot take %s off %s: %s", address_print(&address, text),
				     interfaces_print(&core->options->program.interfaces, names), strerror(-error));
		}
		state->added[kept++] = address;
	}
	state->added_count = kept;
}

static void check(struct core *core, const struct service *service)
{
	for (size_t a = 0; !service->announce && a < service->address_count; a++) {
		char text[ADDRESS_TEXT];

		if (!addresses_owned(core->addresses, &service->addresses[a].address))
			core_problem(
				core,
				"service %s: this host does not have the address %s; nothing will reach it until it "
				"does (or the policy says \"announce\": true)",
				service->name, address_print(&service->addresses[a].address, text));
	}
}

void presence_apply(struct core *core)
{
	const struct policy *policy = core->policy;
	struct usher_address *wanted =
		calloc(USHER_NAT_ADDRESSES_MAX + USHER_SERVICES_MAX * USHER_SERVICE_ADDRESSES_MAX, sizeof(*wanted));
	size_t count;

	if (!wanted)
		abort();
	count = wanted_addresses(policy, wanted);
	for (size_t i = 0; i < count; i++)
		put_on(core, &wanted[i]);
	take_off(core, wanted, count);
	free(wanted);
	for (size_t s = 0; s < policy->service_count; s++)
		check(core, &policy->services[s]);
}

void presence_withdraw(struct core *core)
{
	take_off(core, NULL, 0);
}
