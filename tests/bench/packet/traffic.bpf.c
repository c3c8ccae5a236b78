// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets for the program under test, and the floors that it is held against.
 *
 * `traffic` restores the frame that the target has changed, gives it the source of one of the flows, and calls the target at a
 * constant index. What `traffic` itself costs is measured with `nothing` in the target's place, part of a block of packets to the one, then the
 * block to the other: so both have met the same machine, which is seldom left to itself. A program that uses the same tables
 * as the target can be measured in turn with them.
 *
 * Bytes are stored in the sizes in which they are read: a load that spans two stores under way waits for both, which no packet
 * from a network card does.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#include "usher/abi.h"

#include "traffic.h"

struct lru_key {
	__u32 source_be, destination_be, ports, protocol;
};

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, TRAFFIC_PHASES);
	__type(key, __u32);
	__type(value, __u32);
} targets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct traffic);
} traffics SEC(".maps");

/* The gateway's own flow table: what one read of a random line of it costs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct usher_flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, TRAFFIC_LRU_ENTRIES);
	__type(key, struct lru_key);
	__type(value, __u64[2]);
} lru SEC(".maps");

/* ---- packets --------------------------------------------------------------------------------------------- */

#define COPY(type, offset) (*(type *)(data + (offset)) = *(const type *)(traffic->frame + (offset)))

static __always_inline __u32 traffic_flow(struct traffic *traffic)
{
	__u64 number = traffic->next;

	if (traffic->is_random) {
		traffic->next = number + 1;
		return usher_scale(usher_mix64(number), traffic->flows);
	}
	traffic->next = number + 1 < traffic->flows ? number + 1 : 0;
	return (__u32)number;
}

/* Of a line: nothing, but no CPU knows that before it has it, and so nothing of what depends on it. */
static __always_inline __u64 traffic_wait(struct traffic *traffic, __u32 number)
{
	const struct usher_flow *flow = bpf_map_lookup_elem(&flows, &number);
	__u64 tag;

	if (!flow)
		return 0;
	tag = *(const volatile __u64 *)&flow->tag;
	asm volatile("%[tag] &= 0" : [tag] "+r"(tag));
	traffic->nothing = tag;
	return tag;
}

/* The same flow, once a random line is there. */
static __always_inline __u32 traffic_after_line(struct traffic *traffic, __u32 flow)
{
	__u64 line = usher_mix64(usher_scale(usher_mix64(traffic->sent + traffic->nothing), traffic->awaited));

	return flow + (__u32)traffic_wait(traffic, (__u32)line & (traffic->lines - 1));
}

static __noinline int traffic_turn(struct traffic *traffic)
{
	__u64 now = bpf_ktime_get_ns();

	if (!traffic)
		return 0;
	if (traffic->begun && traffic->phase < TRAFFIC_PHASES)
		traffic->spent[traffic->phase] += now - traffic->begun;
	traffic->begun = now;
	traffic->left = TRAFFIC_BLOCK - 1;
	if (traffic->phase == TRAFFIC_TARGET) {
		traffic->phase = TRAFFIC_NOTHING;
		traffic->left = TRAFFIC_BLOCK / TRAFFIC_NOTHING_SHARE - 1;
		traffic->block_first = traffic->next;
	} else {
		traffic->phase =
			traffic->phase == TRAFFIC_NOTHING && traffic->has_floor ? TRAFFIC_FLOOR : TRAFFIC_TARGET;
		traffic->next = traffic->block_first + (traffic->phase == TRAFFIC_FLOOR ? traffic->floor_ahead : 0);
	}
	return 0;
}

static __always_inline bool traffic_restore(struct xdp_md *ctx, const struct traffic *traffic)
{
	__u32 length = (__u32)(ctx->data_end - ctx->data);

	if (traffic->grows_in_front)
		return !bpf_xdp_adjust_head(ctx, (int)(length - traffic->length));
	return length == traffic->length || !bpf_xdp_adjust_tail(ctx, (int)(traffic->length - length));
}

static __always_inline void traffic_ethernet(void *data, const struct traffic *traffic)
{
	COPY(__u64, 0);
	COPY(__u32, 8);
	COPY(__u16, 12);
}

/* Both ports at once. */
static __always_inline void traffic_ports(void *data, const struct traffic *traffic, __u32 offset, __u32 flow)
{
	__u32 port = __builtin_bswap16((__u16)(0x4000 | (flow & 0x3fff)));

	*(__u32 *)(data + offset) = (*(const __u32 *)(traffic->frame + offset) & 0xffff0000) | port;
}

static __always_inline void traffic_ipv4(void *data, const struct traffic *traffic, __u32 flow)
{
	__u32 prefix = usher_scale(usher_mix64(flow), traffic->prefixes);

	traffic_ethernet(data, traffic);
	for (__u32 offset = ETH_HLEN; offset < 34; offset += 4)
		COPY(__u32, offset);
	for (__u32 offset = 38; offset < 54; offset += 4)
		COPY(__u32, offset);
	*(__u32 *)(data + 26) = __builtin_bswap32((__u32)traffic->source + (prefix << 9) + (flow >> 14 & 0xff));
	traffic_ports(data, traffic, 34, flow);
}

static __always_inline void traffic_ipv6(void *data, const struct traffic *traffic, __u32 flow)
{
	__u32 prefix = usher_scale(usher_mix64(flow), traffic->prefixes);

	traffic_ethernet(data, traffic);
	COPY(__u32, 14);
	COPY(__u32, 18);
	*(__u64 *)(data + 22) = __builtin_bswap64(traffic->source + ((__u64)prefix << 1));
	*(__u64 *)(data + 30) = __builtin_bswap64((flow >> 14 & 0xff) + 0x100);
	COPY(__u64, 38);
	COPY(__u64, 46);
	traffic_ports(data, traffic, 54, flow);
	for (__u32 offset = 58; offset < 74; offset += 4)
		COPY(__u32, offset);
}

SEC("xdp")
int traffic(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct traffic *traffic = bpf_map_lookup_elem(&traffics, &zero);
	void *data, *end;
	__u32 flow;

	if (!traffic || !traffic_restore(ctx, traffic))
		return XDP_ABORTED;
	if (traffic->is_measured && !traffic->left--)
		traffic_turn(traffic);
	flow = traffic_flow(traffic);
	if (traffic->awaited && traffic->phase == TRAFFIC_TARGET)
		flow = traffic_after_line(traffic, flow);
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (traffic->is_ipv6) {
		if (data + TRAFFIC_FRAME6 > end)
			return XDP_ABORTED;
		traffic_ipv6(data, traffic, flow);
	} else {
		if (data + TRAFFIC_FRAME4 > end)
			return XDP_ABORTED;
		traffic_ipv4(data, traffic, flow);
	}
	traffic->sent++;
	if (traffic->phase == TRAFFIC_TARGET)
		bpf_tail_call_static(ctx, &targets, TRAFFIC_TARGET);
	else if (traffic->phase == TRAFFIC_FLOOR)
		bpf_tail_call_static(ctx, &targets, TRAFFIC_FLOOR);
	else
		bpf_tail_call_static(ctx, &targets, TRAFFIC_NOTHING);
	return XDP_ABORTED;
}

/* ---- floors ---------------------------------------------------------------------------------------------- */

SEC("xdp")
int nothing(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_DROP;
}

/* Ethernet, IPv4 and ports, or NULL. */
static __always_inline struct iphdr *floor_parse(const struct xdp_md *ctx, __u32 **ret_ports)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *ip = (void *)(ethernet + 1);
	__u32 header;

	if ((void *)(ip + 1) > end || ethernet->h_proto != __builtin_bswap16(ETH_P_IP))
		return NULL;
	header = (*(__u8 *)ip & 0xf) * 4;
	if (*(__u8 *)ip >> 4 != 4 || header < sizeof(*ip) || ip->frag_off & __builtin_bswap16(0x3fff) ||
	    (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP))
		return NULL;
	*ret_ports = (void *)ip + header;
	return (void *)(*ret_ports + 2) > end ? NULL : ip;
}

SEC("xdp")
int rewrite(struct xdp_md *ctx)
{
	__u32 *ports;
	struct iphdr *ip = floor_parse(ctx, &ports);
	struct ethhdr *ethernet;
	__u8 receiver[ETH_ALEN];

	if (!ip || !*ports)
		return XDP_PASS;
	ethernet = (void *)ip - sizeof(*ethernet);
	if ((void *)ethernet < (void *)(long)ctx->data)
		return XDP_PASS;
	__builtin_memcpy(receiver, ethernet->h_dest, ETH_ALEN);
	__builtin_memcpy(ethernet->h_dest, ethernet->h_source, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, receiver, ETH_ALEN);
	return XDP_TX;
}

/* Packets that a floor did not do what it is there for with. */
__u64 floor_failed;

static __always_inline int floor_result(bool is_done)
{
	if (!is_done)
		floor_failed++;
	return XDP_DROP;
}

/* The key lies where `traffic` has put it: what is compared is a look-up and not a parser. Of IPv6 addresses the words that differ. */
static __always_inline bool floor_key(const struct xdp_md *ctx, struct lru_key *ret_key)
{
	const void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	const __u32 *ip = data + ETH_HLEN;

	if (data + TRAFFIC_FRAME4 > end)
		return false;
	if (*(const __u8 *)ip >> 4 == 4) {
		ret_key->source_be = ip[3];
		ret_key->destination_be = ip[4];
		ret_key->ports = ip[5];
		ret_key->protocol = ((const __u8 *)ip)[9];
		return true;
	}
	ret_key->source_be = ip[3];
	ret_key->destination_be = ip[9] ^ ip[5];
	ret_key->ports = ip[10];
	ret_key->protocol = ((const __u8 *)ip)[6];
	return true;
}

static __always_inline int read_line(const struct xdp_md *ctx, bool is_waited_for)
{
	__u32 zero = 0, number;
	struct traffic *traffic = bpf_map_lookup_elem(&traffics, &zero);
	const struct usher_flow *flow;
	struct lru_key key;

	if (!traffic || !floor_key(ctx, &key))
		return floor_result(false);
	number = (__u32)usher_mix64((__u64)key.source_be << 32 | key.ports) & (traffic->lines - 1);
	if (is_waited_for) {
		traffic_wait(traffic, number + (__u32)traffic->nothing);
		return floor_result(true);
	}
	flow = bpf_map_lookup_elem(&flows, &number);
	return floor_result(flow && *(const volatile __u64 *)&flow->tag != 1);
}

SEC("xdp")
int line(struct xdp_md *ctx)
{
	return read_line(ctx, false);
}

/* The next one is read when this one is there, as whoever has to know a flow before it can go on. */
SEC("xdp")
int line_waited(struct xdp_md *ctx)
{
	return read_line(ctx, true);
}

SEC("xdp")
int lru_find(struct xdp_md *ctx)
{
	struct lru_key key;
	const __u64 *value;

	if (!floor_key(ctx, &key))
		return floor_result(false);
	value = bpf_map_lookup_elem(&lru, &key);
	return floor_result(value && *(const volatile __u64 *)value == 1);
}

SEC("xdp")
int lru_insert(struct xdp_md *ctx)
{
	const __u64 value[2] = {1, 1};
	struct lru_key key;

	return floor_result(floor_key(ctx, &key) && !bpf_map_update_elem(&lru, &key, value, BPF_ANY));
}

char LICENSE[] SEC("license") = "GPL";
