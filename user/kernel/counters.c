/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/counters.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/array.h"
#include "base/cleanup.h"

size_t counters_cpus(void)
{
	int cpus = libbpf_num_possible_cpus();

	return cpus < 1 ? 1 : (size_t)cpus;
}

/* All values of an array, entry by entry, the CPUs of a per-CPU entry side by side: one call instead of thousands. */
static int read_all(int map, size_t size, size_t cpus, size_t entries, void **ret_values)
{
	_cleanup_free_ void *values = calloc(entries * cpus, size);
	_cleanup_free_ __u32 *keys = calloc(entries, sizeof(*keys));
	size_t done = 0;
	__u32 batch = 0, next = 0;

	if (map < 0)
		return map;
	if (!values || !keys)
		return -ENOMEM;
	while (done < entries) {
		__u32 count = (__u32)(entries - done);
		int r = bpf_map_lookup_batch(map, done ? &batch : NULL, &next, keys + done,
					     (char *)values + done * cpus * size, &count, NULL);

		if (r < 0 && r != -ENOENT)
			return r;
		done += count;
		batch = next;
		if (r)
			break; /* the end of the map */
	}
	if (done != entries)
		return -EPROTO;
	*ret_values = TAKE_PTR(values);
	return 0;
}

/* Sums the CPUs of each entry; an entry is `words` 64-bit counters. cpus: 1 if all CPUs share one. */
static int sum(int map, size_t words, size_t cpus, size_t entries, uint64_t *ret_sums)
{
	_cleanup_free_ void *values = NULL;
	const uint64_t *at;
	int r = read_all(map, words * sizeof(uint64_t), cpus, entries, &values);

	if (r)
		return r;
	at = values;
	memset(ret_sums, 0, entries * words * sizeof(uint64_t));
	for (size_t entry = 0; entry < entries; entry++)
		for (size_t cpu = 0; cpu < cpus; cpu++)
			for (size_t word = 0; word < words; word++)
				ret_sums[entry * words + word] += *at++;
	return 0;
}

int counters_read(const struct program *program, struct counters *ret_counters)
{
	size_t cpus = counters_cpus();
	const struct {
		const char *map;
		size_t size, cpus, entries;
		void *sums;
	} parts[] = {
		{"received", sizeof(struct usher_counter), cpus, USHER_SERVICES_MAX + 1, ret_counters->received},
		{"verdicts", sizeof(struct usher_counter), cpus, USHER_VERDICT_SLOTS, ret_counters->verdicts},
		{"backend_counters", sizeof(struct usher_backend_counter), cpus, USHER_BACKENDS_MAX,
		 ret_counters->backends},
		{"backend_figures", sizeof(struct usher_backend_figures), 1, USHER_BACKENDS_MAX, ret_counters->figures},
		{"flow_counters", sizeof(struct usher_flow_counter), cpus, 1, &ret_counters->flows},
	};
	_cleanup_free_ struct counters_cpu *of_cpus = calloc(cpus, sizeof(*of_cpus));
	int error;

	if (!of_cpus)
		return -ENOMEM;

	for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
		int r = sum(program_map(program, parts[i].map), parts[i].size / sizeof(uint64_t), parts[i].cpus,
			    parts[i].entries, parts[i].sums);

		if (r)
			return r;
	}
	error = counters_sequences(program, of_cpus, cpus);
	memset(ret_counters->sequences, 0, sizeof(ret_counters->sequences));
	for (size_t cpu = 0; cpu < cpus && !error; cpu++)
		for (size_t ring = 0; ring < USHER_RINGS; ring++) {
			ret_counters->sequences[ring].taken += of_cpus[cpu].rings[ring].taken;
			ret_counters->sequences[ring].lost += of_cpus[cpu].rings[ring].lost;
		}
	return error;
}

int counters_figures(const struct program *program, struct usher_backend_figures ret_figures[USHER_BACKENDS_MAX])
{
	return sum(program_map(program, "backend_figures"), sizeof(*ret_figures) / sizeof(uint64_t), 1,
		   USHER_BACKENDS_MAX, (uint64_t *)ret_figures);
}

int counters_sequences(const struct program *program, struct counters_cpu *ret_cpus, size_t cpus)
{
	_cleanup_free_ void *values = NULL;
	const struct usher_event_ring *rings;
	int r;

	if (cpus < counters_cpus())
		return -EINVAL;
	r = read_all(program_map(program, "event_rings"), sizeof(*rings), 1, counters_cpus() * USHER_RINGS, &values);
	if (r)
		return r;
	rings = values;
	for (size_t cpu = 0; cpu < counters_cpus(); cpu++)
		for (size_t ring = 0; ring < USHER_RINGS; ring++)
			ret_cpus[cpu].rings[ring] = rings[USHER_EVENT_RING(cpu, ring)].sequence;
	return 0;
}

static int reset(const struct program *program, const char *name, size_t size, __u32 first, __u32 count)
{
	_cleanup_free_ void *zero = calloc(counters_cpus(), size);
	int map = program_map(program, name);

	if (!zero)
		return -ENOMEM;
	for (__u32 key = first; key < first + count; key++)
		if (bpf_map_update_elem(map, &key, zero, BPF_ANY))
			return -errno;
	return 0;
}

int counters_reset_service(const struct program *program, uint16_t service)
{
	int r = reset(program, "received", sizeof(struct usher_counter), service, 1);

	return r ? r
		 : reset(program, "verdicts", sizeof(struct usher_counter), service * (__u32)USHER_REASON_MAX,
			 USHER_REASON_MAX);
}

int counters_reset_backend(const struct program *program, uint16_t backend)
{
	int r = reset(program, "backend_counters", sizeof(struct usher_backend_counter), backend, 1);

	return r ? r : reset(program, "backend_figures", sizeof(struct usher_backend_figures), backend, 1);
}
