// SPDX-License-Identifier: GPL-2.0-only
/* Who is it? asked of the search tree, of the kernel's trie and of a table that an address indexes. */
#include "../../bpf/classify.h"
#include "classify.h"

struct trie_key {
	__u32 bits;
	__u32 address_be;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, USHER_PREFIXES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct trie_key);
	__type(value, __u32);
} trie SEC(".maps");

/* A class for each /24. */
USHER_ARRAY(direct, struct usher_line16, (1 << 24) / 32);
USHER_ARRAY(sources, __u64, CLASSIFY_SOURCES);
USHER_ARRAY(runs, struct classify_run, 1);

struct look {
	struct classify_run *run;
	__u64 sum;
};

static __always_inline __u32 source_of(__u32 index, const struct classify_run *run)
{
	/* Each of the sources in turn, in an order that no prefetcher knows. */
	__u32 key = (index * 2654435761u >> 7) & (run->sources - 1) & (CLASSIFY_SOURCES - 1);
	const __u64 *source = bpf_map_lookup_elem(&sources, &key);

	return source ? (__u32)*source : 0;
}

static long look_nowhere(__u32 index, struct look *look)
{
	look->sum += source_of(index, look->run);
	return 0;
}

static long look_in_tree(__u32 index, struct look *look)
{
	look->sum += (__u32)classify_source4(0, source_of(index, look->run));
	return 0;
}

static long look_in_trie(__u32 index, struct look *look)
{
	struct trie_key key = {.bits = 32, .address_be = __builtin_bswap32(source_of(index, look->run))};
	const __u32 *value = bpf_map_lookup_elem(&trie, &key);

	look->sum += value ? *value : 0;
	return 0;
}

static long look_directly(__u32 index, struct look *look)
{
	__u32 slot = source_of(index, look->run) >> 8, line = slot / 32;
	const struct usher_line16 *found = bpf_map_lookup_elem(&direct, &line);

	look->sum += found ? found->value[slot % 32] : 0;
	return 0;
}

SEC("xdp")
int classify_bench(struct xdp_md *context)
{
	__u32 zero = 0;
	struct classify_run *run = bpf_map_lookup_elem(&runs, &zero);
	struct look look = {.run = run};
	__u64 begun;

	(void)context;
	if (!run)
		return XDP_ABORTED;
	begun = bpf_ktime_get_ns();
	switch (run->way) {
	case CLASSIFY_NOWHERE:
		bpf_loop(CLASSIFY_LOOKS, look_nowhere, &look, 0);
		break;
	case CLASSIFY_TREE:
		bpf_loop(CLASSIFY_LOOKS, look_in_tree, &look, 0);
		break;
	case CLASSIFY_TRIE:
		bpf_loop(CLASSIFY_LOOKS, look_in_trie, &look, 0);
		break;
	case CLASSIFY_DIRECT:
		bpf_loop(CLASSIFY_LOOKS, look_directly, &look, 0);
		break;
	}
	run->nanoseconds = bpf_ktime_get_ns() - begun;
	run->sum = look.sum;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
