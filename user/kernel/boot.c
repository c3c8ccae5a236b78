// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/boot.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <bpf/libbpf.h>

#include "base/array.h"
#include "base/clock.h"
#include "kernel/counters.h"
#include "usher.skel.h"

int boot_new(const struct program_options *options, struct usher_boot *ret_boot)
{
	struct usher_boot boot = {
		.abi_version = USHER_ABI_VERSION,
		.flow_lines = options->flow_lines,
		.half_open_max = options->half_open_max,
		.replies_max = options->replies_max,
		.records_max = options->records_max,
		.jiffy_ns = clock_jiffy(),
		.flow_ends = options->flow_ends,
		.event_slots = boot_event_slots(counters_cpus()),
	};
	struct {
		uint64_t boot_id, hash_key[USHER_HASH_KEYS], token;
	} random;

	/* Never short and never interrupted for up to 256 bytes: getrandom(2). */
	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -errno;
	boot.boot_id = random.boot_id;
	memcpy(boot.hash_key, random.hash_key, sizeof(boot.hash_key));
	boot.dry_run_token = random.token | 1; /* never 0, which is what metadata holds by accident */
	*ret_boot = boot;
	return 0;
}

uint32_t boot_event_slots(size_t cpus)
{
	uint32_t slots = USHER_EVENT_SLOTS_MAX;

	while (slots > USHER_EVENT_SLOTS_MIN && slots > USHER_EVENT_SLOTS / cpus)
		slots /= 2;
	return slots;
}

int boot_configure(struct usher_bpf *skeleton, const struct usher_boot *boot)
{
	const uint32_t rings = (uint32_t)counters_cpus() * USHER_RINGS;
	const struct {
		struct bpf_map *map;
		uint32_t entries;
	} sized[] = {
		{skeleton->maps.flows, boot->flow_lines},
		{skeleton->maps.flow_moments, boot->flow_lines},
		{skeleton->maps.flow_figures, boot->flow_ends ? boot->flow_lines : 1},
		{skeleton->maps.event_rings, rings},
		{skeleton->maps.events, rings * boot->event_slots},
	};

	for (size_t i = 0; i < ARRAY_COUNT(sized); i++) {
		int r = bpf_map__set_max_entries(sized[i].map, sized[i].entries);

		if (r)
			return r;
	}
	memcpy((void *)(uintptr_t)&skeleton->rodata->usher_boot, boot, sizeof(*boot));
	return 0;
}
