// SPDX-License-Identifier: GPL-2.0-only
/* One random line after the other, each known only when the one before is there: of one array, and of an array of small ones. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "pages.h"

struct line {
	__u64 words[PAGES_LINE / 8];
};

struct piece {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PAGES_PIECE);
	__type(key, __u32);
	__type(value, struct line);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PAGES_LINES);
	__type(key, __u32);
	__type(value, struct line);
} whole SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, PAGES_LINES / PAGES_PIECE);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
	__array(values, struct piece);
} pieces SEC(".maps");

__u32 used = 1; /* lines, spread over all */
__u64 state = 1, sum;

static __always_inline __u32 line_of(__u64 random)
{
	__u64 mixed = ((random >> 32) * used >> 32) * 0x9e3779b97f4a7c15ULL;

	mixed = (mixed ^ mixed >> 29) * 0xbf58476d1ce4e5b9ULL;
	return (__u32)(mixed >> 32) & (PAGES_LINES - 1);
}

static __always_inline const struct line *in_whole(__u32 number)
{
	return bpf_map_lookup_elem(&whole, &number);
}

static __always_inline const struct line *in_pieces(__u32 number)
{
	__u32 piece = number / PAGES_PIECE, place = number % PAGES_PIECE;
	void *found = bpf_map_lookup_elem(&pieces, &piece);

	return found ? bpf_map_lookup_elem(found, &place) : NULL;
}

/* Knuth's linear congruential generator; the lines hold zeros, which nobody but the one who waits for them knows. */
static __always_inline int walk(const struct line *(*look)(__u32 number))
{
	__u64 random = state, word = 0;

	for (__u32 i = 0; i < PAGES_LOOKS; i++) {
		const struct line *line;

		random = random * 6364136223846793005ULL + 1442695040888963407ULL + word;
		line = look(line_of(random));
		if (!line)
			return XDP_ABORTED;
		word = *(const volatile __u64 *)line->words;
	}
	state = random;
	sum += word;
	return XDP_DROP;
}

SEC("xdp")
int walk_whole(struct xdp_md *context)
{
	(void)context;
	return walk(in_whole);
}

SEC("xdp")
int walk_pieces(struct xdp_md *context)
{
	(void)context;
	return walk(in_pieces);
}

char LICENSE[] SEC("license") = "GPL";
