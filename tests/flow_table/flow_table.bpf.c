// SPDX-License-Identifier: GPL-2.0-only
/* Swings at the flow table from every CPU that runs it. */
#include "../../bpf/expire.h"
#include "hammer.h"

const volatile struct hammer_settings settings;

USHER_ARRAY(hands, struct hammer_hand, HAMMER_CPUS);

/* Does a key of one CPU's own live in the table? Only that CPU writes here. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << 20);
	__type(key, __u32);
	__type(value, __u64);
} shadows SEC(".maps");

struct scratch {
	struct usher_flow_key key;
	struct flow_entry entry;
	struct flow_hit hit;
};
USHER_PERCPU(scratches, struct scratch, 1);

static __always_inline __u64 next_random(struct hammer_hand *hand)
{
	hand->random += 0x9e3779b97f4a7c15ULL;
	return usher_mix64(hand->random);
}

static __always_inline void make_key(__u32 id, struct usher_flow_key *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->source.halves[0] = usher_mix64(id);
	key->source.halves[1] = id;
	key->destination.halves[1] = 0x0a000001;
	key->source_port_be = (__u16)(id * 7);
	key->destination_port_be = 443;
	key->protocol = IPPROTO_TCP;
}

static __always_inline __u64 hash_of(const struct usher_flow_key *key)
{
	const __u64 keys[USHER_HASH_KEYS] = {usher_boot.hash_key[0], usher_boot.hash_key[1], usher_boot.hash_key[2],
					     usher_boot.hash_key[3], usher_boot.hash_key[4]};

	return usher_hash_flow(key->source.halves, key->destination.halves, USHER_FLOW_WORD(key), keys);
}

/* Every part of a value says which key it belongs to. */
static __always_inline void make_entry(__u32 id, __u8 status, bool dead, struct flow_entry *entry)
{
	__u16 now = flow_tick();

	__builtin_memset(entry, 0, sizeof(*entry));
	entry->status = status;
	entry->epoch = id;
	entry->now = now;
	entry->tenant = (__u16)(id % HAMMER_TENANTS);
	entry->value.forward.backend = (__u16)id;
	entry->value.forward.incarnation = (__u16)(id >> 16);
	entry->value.forward.class_id = (__u16)(id * 31);
	entry->value.forward.tenant = (__u16)(id % HAMMER_TENANTS);
	entry->value.forward.nat_port_be = (__u16)~id;
	entry->value.forward.service = (__u8)(id * 5);
	entry->value.forward.seen = dead ? (__u16)(now - 100) : now;
	entry->value.forward.tcp = dead ? USHER_TCP_CLIENT_FIN | USHER_TCP_BACKEND_FIN : 0;
}

static __always_inline bool is_value_of(__u32 id, const union usher_flow_value *value)
{
	return value->forward.backend == (__u16)id && value->forward.incarnation == (__u16)(id >> 16) &&
	       value->forward.class_id == (__u16)(id * 31) && value->forward.tenant == (__u16)(id % HAMMER_TENANTS) &&
	       value->forward.nat_port_be == (__u16)~id && value->forward.service == (__u8)(id * 5);
}

static __always_inline int insert(struct hammer_hand *hand, struct scratch *scratch)
{
	int result = flow_insert(&scratch->key, hash_of(&scratch->key), &scratch->entry, &scratch->hit);

	if (result == FLOW_INSERTED)
		hand->inserted++;
	else if (result == USHER_REASON_FLOW_TABLE_FULL)
		hand->full++;
	else if (result == USHER_REASON_HALF_OPEN_LIMIT)
		hand->limited++;
	else if (result == USHER_REASON_FLOW_CONTENDED)
		hand->contended++;
	return result;
}

static __always_inline int find(struct hammer_hand *hand, struct scratch *scratch, __u32 id)
{
	int result = flow_find(&scratch->key, hash_of(&scratch->key), &scratch->hit.ref, &scratch->hit.value);

	if (!result && !is_value_of(id, &scratch->hit.value))
		hand->faults[FAULT_TORN]++;
	if (result)
		hand->missed++;
	else
		hand->found++;
	return result;
}

/* A key that every CPU may write to: whatever happens, a value is one key's. */
static __always_inline void strike_shared(struct hammer_hand *hand, struct scratch *scratch, __u32 id, __u32 what)
{
	switch (what % 8) {
	case 0:
	case 1:
		make_entry(id, what & 8 ? USHER_FLOW_LIVE : USHER_FLOW_HALF_OPEN, what & 16, &scratch->entry);
		insert(hand, scratch);
		return;
	case 2:
		if (!find(hand, scratch, id))
			flow_delete(&scratch->hit.ref);
		return;
	case 3:
		if (!find(hand, scratch, id))
			flow_promote(&scratch->hit.ref);
		return;
	case 4:
		if (!find(hand, scratch, id)) {
			make_entry(id, USHER_FLOW_HALF_OPEN, false, &scratch->entry);
			flow_replace(&scratch->hit.ref, &scratch->entry);
		}
		return;
	case 5:
		if (find(hand, scratch, id))
			return;
		if (what & 8)
			flow_rest(&scratch->hit.ref);
		else
			flow_mark(&scratch->hit.ref, USHER_TCP_CLIENT_FIN, 0);
		return;
	case 6:
		if (!find(hand, scratch, id))
			flow_cut(&scratch->hit.ref);
		return;
	default:
		if (!find(hand, scratch, id))
			flow_touch(&scratch->hit.ref, &scratch->hit.value, flow_tick());
	}
}

/* A key of this CPU alone: what it has put there is there until it takes it away. */
static __always_inline void strike_own(struct hammer_hand *hand, struct scratch *scratch, __u32 id, __u32 what)
{
	__u32 slot = id & ((1 << 20) - 1);
	__u64 *lives = bpf_map_lookup_elem(&shadows, &slot);
	int result;

	if (!lives)
		return;
	result = find(hand, scratch, id);
	if (result == -EAGAIN)
		return;
	if (*lives && result)
		hand->faults[FAULT_LOST]++;
	if (*lives && !result && USHER_TAG_STATUS(scratch->hit.ref.tag) != USHER_FLOW_LIVE)
		hand->faults[FAULT_EVICTED]++;
	if (!*lives && !result)
		hand->faults[FAULT_UNDELETED]++;
	if (*lives) {
		if (what % 4 == 0 && !result && !flow_delete(&scratch->hit.ref))
			*lives = 0;
		return;
	}
	make_entry(id, USHER_FLOW_LIVE, false, &scratch->entry);
	result = insert(hand, scratch);
	if (result == FLOW_INSERTED)
		*lives = 1;
	else if (result == FLOW_EXISTS)
		hand->faults[FAULT_TWICE]++;
}

/* Each number is drawn twice, at the same moment if two CPUs draw. */
static __always_inline __u32 draw_twin(void)
{
	__u32 first = 0;
	struct hammer_hand *hand = bpf_map_lookup_elem(&hands, &first);

	return hand ? (__u32)(__sync_fetch_and_add(&hand->next_key, 1) / 2) : 0;
}

__noinline int strike(__u32 cpu)
{
	struct hammer_hand *hand = bpf_map_lookup_elem(&hands, &cpu);
	__u32 zero = 0, what, id;
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &zero);
	__u64 random;

	if (!hand || !scratch)
		return 0;
	hand->operations++;
	if (settings.mode != HAMMER_ALL) {
		id = settings.mode == HAMMER_TWINS ? draw_twin()
						   : (__u32)(hand->next_key++ * HAMMER_CPUS + cpu) + (1u << 24);
		make_key(id, &scratch->key);
		make_entry(id, settings.mode == HAMMER_HALF_OPEN ? USHER_FLOW_HALF_OPEN : USHER_FLOW_LIVE, false,
			   &scratch->entry);
		if (settings.mode == HAMMER_HALF_OPEN)
			scratch->entry.tenant = scratch->entry.value.forward.tenant = 1;
		insert(hand, scratch);
		return 0;
	}
	random = next_random(hand);
	what = (__u32)(random >> 40);
	if (random & 1) {
		id = usher_scale(random << 16, settings.shared);
		make_key(id, &scratch->key);
		strike_shared(hand, scratch, id, what);
	} else {
		id = (cpu + 1) << 16 | usher_scale(random << 16, settings.own);
		make_key(id, &scratch->key);
		strike_own(hand, scratch, id, what);
	}
	return 0;
}

SEC("xdp")
int hammer(struct xdp_md *ctx)
{
	(void)ctx;
	for (int i = 0; i < HAMMER_BLOWS; i++)
		strike(bpf_get_smp_processor_id());
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
