/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The contract between the kernel program and user space: keys and values of the maps, and event records.
 *
 * Fixed-width, explicit padding, sizes asserted. `_be` in a name means network byte order; all else is native.
 * Addresses are 16 bytes; IPv4 ones are mapped (::ffff:a.b.c.d), so that both families share every table.
 *
 * Everything that a publish writes has two slots. Where a table has N entries a slot, entry i of slot s is at
 * s * N + i. Arrays of small numbers are packed in 64-byte lines, because the kernel rounds every array element
 * up to 8 bytes.
 */
#ifndef USHER_ABI_H
#define USHER_ABI_H

#include <linux/types.h>

#include "flow_hash.h"
#include "limits.h"
#include "reasons.h"

/* Raised whenever a pinned map of an older program could be misread by a newer one. */
#define USHER_ABI_VERSION 8

#define USHER_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " has the wrong size")

struct usher_address {
	union {
		__u8 bytes[16];
		__u32 words[4];
		__u64 halves[2]; /* native loads of the bytes: only for hashing and comparing */
	};
};
USHER_ASSERT_SIZE(struct usher_address, 16);

struct usher_line16 {
	__u16 value[32];
};
USHER_ASSERT_SIZE(struct usher_line16, 64);

struct usher_line32 {
	__u32 value[16];
};
USHER_ASSERT_SIZE(struct usher_line32, 64);

/*
 * Map `tenant_limits`, by tenant id. Buckets are kept in time: what passes spends some, and so much may be spent ahead of now. That of
 * bytes counts in 1/16 ns, and what a byte costs has 16 binary places more.
 */
struct usher_tenant_limit {
	__u64 interval;	      /* ns that one new flow costs; 0: no limit */
	__u64 tolerance;      /* ns that may be spent ahead: the burst */
	__u64 byte_cost;      /* 0: no limit */
	__u64 byte_tolerance; /* 1/16 ns */
	__u32 active_flows;   /* 0: no limit */
	__u32 padding;
};
USHER_ASSERT_SIZE(struct usher_tenant_limit, 40);

#define USHER_METER_SHIFT 4	  /* of ns, in times of the bucket of bytes */
#define USHER_METER_COST_SHIFT 16 /* of that, in what a byte costs */

/* ---- what lives as long as the pins -------------------------------------------------------------------- */

/* Map `boot`, one entry: written once before the program is attached, read again by a daemon that adopts. */
struct usher_boot {
	__u32 abi_version;
	__u32 flow_lines; /* power of two */
	__u64 boot_id;	  /* random; tells the sequence numbers of one run from the next */
	__u64 hash_key[USHER_HASH_KEYS];
	__u64 dry_run_token; /* random; see usher_dry_run */
	__u32 half_open_max; /* a tenant */
	__u32 replies_max;   /* resets and ICMP answers a class, CPU and tick */
	__u32 records_max;   /* a tenant, kind and tick; see enum usher_record_kind */
	__u32 jiffy_ns;	     /* how far a step of the kernel's clock of jiffies goes */
	__u32 interfaces
		[USHER_INTERFACES_MAX]; /* indices; 0: no such one. A place keeps its interface for as long as it has it */
	__u32 flow_ends;		/* 1: flows have figures, and a record when they end */
	__u32 event_slots;		/* of one CPU's ring, a power of two */
};
USHER_ASSERT_SIZE(struct usher_boot, 120);

/* Map `control`, one entry, mmapped: the only thing a packet reads that is not immutable or its own. */
struct usher_control {
	__u32 active; /* slot of the published generation; stored last, loaded once a packet */
	__u32 padding;
	__u64 deadline; /* CLOCK_MONOTONIC ns; refreshed by the daemon; 0 = none */
};
USHER_ASSERT_SIZE(struct usher_control, 16);

/* Map `interfaces`, by place in boot.interfaces: what frames that leave there bear as sender. */
struct usher_interface {
	__u32 index;
	__u8 mac[6];
	__u16 mtu; /* 0: not known */
};
USHER_ASSERT_SIZE(struct usher_interface, 12);

/* ---- one generation ------------------------------------------------------------------------------------- */

enum usher_loss_action { USHER_LOSS_HOLD, USHER_LOSS_DENY_NEW };

/* Map `generations`, USHER_SLOTS entries. */
struct usher_generation {
	__u64 number;
	__u32 epoch;
	__u32 endpoint_salt; /* added to the address hash: chosen so that USHER_ENDPOINT_PROBES suffice */
	__u32 class_stride;  /* classes a service's row in route_index has; a multiple of 32 */
	__u32 source4_lines;
	__u32 source6_lines;
	__u8 loss_action;
	__u8 nat4_count;
	__u8 nat6_count;
	__u8 padding;
	__u8 nat4[USHER_NAT_ADDRESSES_MAX]; /* indices into nat_addresses, by family */
	__u8 nat6[USHER_NAT_ADDRESSES_MAX];
	__u32 classes_epoch; /* since when every source has had the class that it has */
	__u32 padding2;
	__u64 classes_digest; /* of sources and classes */
};
USHER_ASSERT_SIZE(struct usher_generation, 112);

/*
 * Map `endpoints`: open addressing, linear probes from usher_hash_address(address, port word + salt) & mask.
 * An address that is usher's has one entry with port and protocol 0 besides one for each of its services.
 */
enum usher_endpoint_kind { USHER_ENDPOINT_EMPTY, USHER_ENDPOINT_SERVICE, USHER_ENDPOINT_ADDRESS, USHER_ENDPOINT_NAT };

struct usher_endpoint {
	struct usher_address address;
	__u16 port_be;
	__u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 kind;
	__u16 service; /* of USHER_ENDPOINT_SERVICE; of USHER_ENDPOINT_NAT: index into nat_addresses */
	/* Of USHER_ENDPOINT_ADDRESS: one of the services that it has, which then needs no second look-up. Port 0: none is named. */
	__u16 first_port_be;
	__u16 first_service;
	__u8 first_protocol;
	__u8 padding[5];
};
USHER_ASSERT_SIZE(struct usher_endpoint, 32);

/* The word that an endpoint's port and protocol contribute to its hash. */
#define USHER_ENDPOINT_WORD(port_be, protocol, salt)                                                                   \
	(((__u64)(salt) << 32) | ((__u64)(protocol) << 16) | (__u64)(port_be))

/*
 * Sources: the prefixes as disjoint intervals, sorted by first address, in an implicit B-tree laid out in
 * breadth-first order: line n has children n * (K + 1) + 1 + i. Position n * K + i of the class lines is the class
 * of the interval that starts at key i of line n. The answer is the last key passed that is <= the address.
 * Unused keys hold the largest address and the class of the last interval.
 */
#define USHER_SOURCE4_KEYS 16
#define USHER_SOURCE6_KEYS 4
#define USHER_SOURCE4_LINES (2 * USHER_SOURCES_MAX / USHER_SOURCE4_KEYS + 1)
#define USHER_SOURCE6_LINES (2 * USHER_SOURCES_MAX / USHER_SOURCE6_KEYS + 1)
#define USHER_SOURCE4_CLASS_LINES ((USHER_SOURCE4_LINES * USHER_SOURCE4_KEYS + 31) / 32)
#define USHER_SOURCE6_CLASS_LINES ((USHER_SOURCE6_LINES * USHER_SOURCE6_KEYS + 31) / 32)

struct usher_source4_line {
	__u32 first[USHER_SOURCE4_KEYS]; /* host byte order */
};
USHER_ASSERT_SIZE(struct usher_source4_line, 64);

struct usher_source6_line {
	struct {
		__u64 high, low; /* host byte order */
	} first[USHER_SOURCE6_KEYS];
};
USHER_ASSERT_SIZE(struct usher_source6_line, 64);

/*
 * IPv4 sources by their first 16 bits (map `networks`): the class of all of them; or USHER_NETWORK_BLOCK + b: by their first 24 in block b of
 * `network_blocks`, the class of all of them or USHER_NONE. That, and USHER_NETWORK_TREE, say that only the tree can tell.
 */
#define USHER_NETWORKS_LINES (65536 / 16)
#define USHER_NETWORK_BLOCKS_MAX 32768
#define USHER_NETWORK_BLOCK_LINES (256 / 32)
#define USHER_NETWORK_BLOCK 0x10000u
#define USHER_NETWORK_TREE 0xffffffffu

#define USHER_NONE 0xffffu /* no tenant, rule, service or backend */

#define USHER_TENANT_UNKNOWN 0
/* A class is (tenant, region, address family). These two are what no prefix covers. */
#define USHER_CLASS_UNKNOWN4 0
#define USHER_CLASS_UNKNOWN6 1

#define USHER_CLASS_AUDIT_REQUIRED 0x1

struct usher_class {
	__u16 tenant;
	__u16 flags;
	__u32 padding;
};
USHER_ASSERT_SIZE(struct usher_class, 8);

#define USHER_SERVICE_STICKY_CLIENT 0x1
#define USHER_SERVICE_AUDIT_REQUIRED 0x2 /* by the tenant that owns it */
#define USHER_SERVICE_LEAST_LOAD 0x4	 /* of two backends the less loaded */

struct usher_service {
	__u64 seed;   /* of its name; the same on every gateway */
	__u16 tenant; /* that owns it, or USHER_NONE */
	__u8 flags;
	__u8 protocol;
	__u32 padding;
};
USHER_ASSERT_SIZE(struct usher_service, 16);

enum usher_answer { USHER_ANSWER_RESET, USHER_ANSWER_DROP };

/* Map `route_index`: usher_line16 packed; number service * class_stride + class is a route. */
#define USHER_ROUTE_INDEX_LINES (USHER_SERVICES_MAX * USHER_CLASSES_MAX / 32)

/* What new flows of a (service, class) get, and by which set open ones are judged. */
struct usher_route {
	__u8 reason; /* USHER_REASON_ADMITTED or _REROUTED, or why not */
	__u8 answer; /* to a refusal */
	__u8 arms;
	__u8 padding;
	__u16 rule;   /* that decided: position in the policy, or USHER_NONE */
	__u16 target; /* service whose backends answer: itself, or where a reroute leads */
	__u32 first_arm;
	__u16 set; /* constraint set */
	__u16 padding2;
};
USHER_ASSERT_SIZE(struct usher_route, 16);

/* Versions, and those new flows that are shed. */
#define USHER_ROUTE_ARMS (USHER_ARMS_MAX + 1)
#define USHER_ARM_SHED_SEED 0x73686564u

struct usher_arm {
	__u32 ring;	 /* first slot; slots are backend ids in usher_line16s */
	__u32 ring_size; /* 0: who draws it is shed */
	__u32 weight;	 /* at least 1 */
	__u32 seed;	 /* of its version's name */
};
USHER_ASSERT_SIZE(struct usher_arm, 16);

#define USHER_RING_LINES (USHER_RING_SLOTS_MAX / 32)

/* Map `sets`: bit b of a set says that backend b is in it. */
struct usher_set {
	__u64 word[USHER_BACKENDS_MAX / 64];
};
USHER_ASSERT_SIZE(struct usher_set, 512);

/* How packets come to a backend. X(number, NAME, "word in a policy") */
#define USHER_FORWARDS(X)                                                                                              \
	X(0, NAT, "nat")                                                                                               \
	X(1, L2, "l2")                                                                                                 \
	X(2, IPIP, "ipip")                                                                                             \
	X(3, GUE, "gue")

enum usher_forward {
#define X(number, name, word) USHER_FORWARD_##name = number,
	USHER_FORWARDS(X)
#undef X
};

/* The tunnels: inner and outer packet may be of different address families. */
#define USHER_FORWARD_IS_TUNNEL(forward) ((forward) >= USHER_FORWARD_IPIP)

/* Where tunnel ends listen for GUE (IANA). */
#define USHER_GUE_PORT 6080

#define USHER_BACKEND_REACHABLE 0x1

struct usher_backend {
	struct usher_address address;
	__u16 port_be;
	__u16 incarnation;
	__u8 forward;
	__u8 flags;
	__u8 next_hop[6]; /* destination MAC */
	__u8 own_mac[6];  /* source MAC */
	__u16 mtu;	  /* of the path to it, in bytes of the IP packet; 0: not known */
	__u32 interface;  /* index */
	__u16 padding[4];
	struct usher_address source; /* of tunnels to it */
};
USHER_ASSERT_SIZE(struct usher_backend, 64);

struct usher_nat_address {
	struct usher_address address;
	__u8 used;
	__u8 padding[7];
};
USHER_ASSERT_SIZE(struct usher_nat_address, 24);

/* ---- flows ---------------------------------------------------------------------------------------------- */

/*
 * The tag of a flow line, one 64-bit word, changed by compare-and-swap only:
 *   status 3 | protocol 1 (UDP) | kind 1 (return) | displacement 5 | version 6 | fingerprint 16 | epoch 32
 */
enum usher_flow_status {
	USHER_FLOW_EMPTY,
	USHER_FLOW_BUSY,      /* claimed, being filled */
	USHER_FLOW_HALF_OPEN, /* TCP without a proven handshake, UDP not known to be in use: may be evicted */
	USHER_FLOW_LIVE,
	USHER_FLOW_CUT,	  /* tombstone: revoked */
	USHER_FLOW_QUIET, /* LIVE, but closed, or silent for so long that it does not count as active */
};

#define USHER_TAG_STATUS(tag) ((__u32)(tag)&0x7)
#define USHER_TAG_STATUS_MASK 0x7ULL
#define USHER_TAG_UDP 0x8ULL
#define USHER_TAG_RETURN 0x10ULL
#define USHER_TAG_DISPLACEMENT(tag) (((__u32)(tag) >> 5) & 0x3f)
#define USHER_TAG_VERSION(tag) (((__u32)(tag) >> 11) & 0x1f)
#define USHER_TAG_FINGERPRINT(tag) ((__u16)((tag) >> 16))
#define USHER_TAG_EPOCH(tag) ((__u32)((tag) >> 32))
#define USHER_TAG_EPOCH_MASK 0xffffffff00000000ULL
#define USHER_TAG_MAKE(status, udp, ret, displacement, version, fingerprint, epoch)                                    \
	((__u64)(status) | ((__u64)(udp) << 3) | ((__u64)(ret) << 4) | ((__u64)(displacement) << 5) |                  \
	 ((__u64)((version)&0x1f) << 11) | ((__u64)(__u16)(fingerprint) << 16) | ((__u64)(epoch) << 32))

/* Home of a hash: its low bits. Fingerprint: its top 16. */
#define USHER_FLOW_FINGERPRINT(hash) ((__u16)((hash) >> 48))

/*
 * Time in a flow: a tick of 1.07 s, modulo 2^16 (19 hours). It is counted by the kernel's jiffies, which a program reads like a
 * variable; asking a clock would cost an established packet a quarter of what it costs in all. When they began does not matter.
 */
#define USHER_TICK_SHIFT 30

/* What the sweep of the flow table says of itself; map `sweepers` has it behind its timer. */
struct usher_sweep {
	__u32 cursor; /* next line */
	__u32 passes; /* over the whole table */
	__u32 tick;   /* now: at most one period of the sweep (100 ms) ago */
	__u32 told;   /* tick in which floods were last recorded */
	__u64 offset; /* of CLOCK_MONOTONIC from the clock of ticks, in ns; less by a jiffy, so that nothing is of the future */
};
USHER_ASSERT_SIZE(struct usher_sweep, 24);

/* Both ports, as they lie in a TCP or UDP header. */
#define USHER_PORTS                                                                                                    \
	union {                                                                                                        \
		struct {                                                                                               \
			__u16 source_port_be;                                                                          \
			__u16 destination_port_be;                                                                     \
		};                                                                                                     \
		__u32 ports; /* native load of the bytes */                                                            \
	}

struct usher_flow_key {
	struct usher_address source;
	struct usher_address destination;
	USHER_PORTS;
	__u8 protocol;
	__u8 is_return; /* a NAT flow's way back: backend to NAT address */
	__u16 padding;
};
USHER_ASSERT_SIZE(struct usher_flow_key, 40);

/* Word of ports and protocol for usher_hash_flow. */
#define USHER_FLOW_WORD(key) (((__u64)(key)->is_return << 40) | ((__u64)(key)->protocol << 32) | (__u64)(key)->ports)

#define USHER_TCP_CLIENT_FIN 0x01
#define USHER_TCP_BACKEND_FIN 0x02 /* with CLIENT_FIN: it is over, and nothing takes that back */
#define USHER_TCP_RESET 0x04	   /* until the next packet that is none */
#define USHER_TCP_ANSWERED 0x08	   /* NAT: the backend has answered the SYN */
#define USHER_TCP_ASKED 0x10	   /* NAT: the client has sent something, and the backend nothing since */
#define USHER_TCP_LOST 0x20	   /* NAT: where the client is, the backend's next acknowledgement says */
#define USHER_TCP_ADOPTED 0x40	   /* direct return: it did not begin with a SYN here */

#define USHER_CUT_CLIENT 0x01 /* the reset for this end has gone out */
#define USHER_CUT_BACKEND 0x02
#define USHER_FLOW_METERED 0x80 /* beside them: its tenant has a bit rate */
#define USHER_FLOW_ROUTER 0x7c	/* NAT: a mark of five bits of the MAC address that its answers go to */

/* Value of a line client -> service. */
struct usher_flow_forward {
	__u16 backend;
	__u16 incarnation;
	__u16 tenant;
	__u16 class_id; /* when it began; USHER_NONE: its client has had another one since */
	__u16 nat_port_be;
	__u16 seen; /* tick */
	__u8 service;
	__u8 nat_index : 5;
	__u8 interface : 3; /* place of the one by which the client came */
	__u8 tcp;	    /* USHER_TCP_* */
	__u8 cut;	    /* USHER_CUT_* */
};
USHER_ASSERT_SIZE(struct usher_flow_forward, 16);

/* Value of a line backend -> NAT address. It lives as long as its forward line does. */
struct usher_flow_return {
	__u32 forward_line;
	__u32 backend_next; /* TCP: the stamp of the SYN; from ANSWERED on the sequence number after the SYN-ACK */
	__u8 client_mac[6];
	__u16 forward_fingerprint;
};
USHER_ASSERT_SIZE(struct usher_flow_return, 16);

#define USHER_FLOW_LINE_NONE 0xffffffffu

union usher_flow_value {
	struct usher_flow_forward forward;
	struct usher_flow_return back;
	__u64 words[2]; /* while the line is published, changed by compare-and-swap only */
};

/* A stamp of time: CLOCK_MONOTONIC ns >> USHER_STAMP_SHIFT, modulo 2^32 (73 minutes). */
#define USHER_STAMP_SHIFT 10

/* Map `flow_moments`, by line of a NAT flow's forward entry: what only few of its packets need. TCP. */
struct usher_flow_moment {
	__u32 asked;	   /* stamp of the client's first byte since the backend spoke: with USHER_TCP_ASKED */
	__u32 client_next; /* sequence number that the client had come to, when it last asked or was answered */
};
USHER_ASSERT_SIZE(struct usher_flow_moment, 8);

/* What an end has done to close its flow: bits of usher_flow_figures.closing. */
#define USHER_CLOSING_CLIENT_FIN 0x01
#define USHER_CLOSING_BACKEND_FIN 0x02
#define USHER_CLOSING_BACKEND_FIRST 0x04 /* its FIN came before the client's */
#define USHER_CLOSING_CLIENT_RESET 0x08
#define USHER_CLOSING_BACKEND_RESET 0x10
#define USHER_CLOSING_FORGOTTEN 0x20 /* the backend answered as if there had been no such connection */

#define USHER_FIGURES_RECORDED 0x1 /* its opening has a record of its own, and so its end has one */
#define USHER_FIGURES_REQUIRED 0x2 /* in the ring of those whose audit is required */

/*
 * Map `flow_figures`, by line of a forward entry, if boot.flow_ends; otherwise it has one entry that nobody reads. What was sent on:
 * bytes are those of IP packets, headers included, as they came. One cache line.
 */
struct usher_flow_figures {
	__u64 packets_to, bytes_to;	/* the backend */
	__u64 packets_from, bytes_from; /* NAT only: in direct return nobody here sees them */
	__u64 begun, seen;		/* first and last packet: ns of the clock of ticks */
	__u64 generation;		/* that it was opened under */
	__u32 closing;			/* USHER_CLOSING_* */
	__u16 target;			/* service whose backends answer */
	__u8 flags;			/* USHER_FIGURES_* */
	__u8 padding;
};
USHER_ASSERT_SIZE(struct usher_flow_figures, 64);

/* The bit that says to a home that an entry of its lives at XOR distance d: one each for the nearest, one for all the others. */
#define USHER_FLOW_HINT(d) (1u << ((d) < 31 ? (d) : 31))

/* One cache line. `hint` belongs to the line as a home, all else to the entry that lives in it. */
struct usher_flow {
	__u64 tag;
	__u32 hint; /* USHER_FLOW_HINT of the distances where entries live whose home is here; bit 0: insert lock */
	USHER_PORTS;
	struct usher_address source;
	struct usher_address destination;
	union usher_flow_value value;
};
USHER_ASSERT_SIZE(struct usher_flow, 64);

/*
 * Each tenant has a budget of records for each of these, boot.records_max a tick, of refusals a tenth of that; what comes beyond
 * is counted, and recorded together. Revocations are not among them: the daemon acts on each.
 */
enum usher_record_kind { USHER_RECORD_BEGUN, USHER_RECORD_REFUSED, USHER_RECORD_PROVEN, USHER_RECORD_KINDS };
#define USHER_RECORD_REFUSED_SHARE 10

/* Map `tenants`, by tenant id; shared by all CPUs. Two cache lines of its own: what floods one costs no other. */
struct usher_tenant_state {
	__s64 half_open;	    /* flows HALF_OPEN in the table */
	__s64 live;		    /* flows LIVE; with those HALF_OPEN, the active ones */
	__u64 arrival;		    /* CLOCK_MONOTONIC_COARSE ns at which the bucket of new flows is full again */
	__u64 bytes_arrival;	    /* the same of the bucket of bytes, in 1/16 ns */
	__u64 new_flows_refused;    /* beyond their rate, since the maps were made */
	__u64 active_flows_refused; /* the same: new flows beyond the number of active ones */
	__u64 packets_refused;	    /* the same: beyond the bit rate */
	__u64 records[USHER_RECORD_KINDS]; /* tick << 32 | records made in it */
	__u64 padding[6];
};
USHER_ASSERT_SIZE(struct usher_tenant_state, 128);

/* ---- counters (per CPU) --------------------------------------------------------------------------------- */

/* Slot of packets that are for no service. */
#define USHER_SERVICE_NONE USHER_SERVICES_MAX

struct usher_counter {
	__u64 packets;
	__u64 bytes;
};
USHER_ASSERT_SIZE(struct usher_counter, 16);

/* Map `verdicts`: service * USHER_REASON_MAX + reason. Map `received`: service. Both with USHER_SERVICE_NONE. */
#define USHER_VERDICT_SLOTS ((USHER_SERVICES_MAX + 1) * USHER_REASON_MAX)

struct usher_backend_counter {
	__u64 flows; /* admitted */
	__u64 packets_to, bytes_to;
	__u64 packets_from, bytes_from; /* NAT only: in direct return nobody here sees them */
};
USHER_ASSERT_SIZE(struct usher_backend_counter, 40);

/* A latency in ns is in bucket i if it is below 2^(i + USHER_LATENCY_FIRST) and in none before; the last one takes all others. */
#define USHER_LATENCY_FIRST 14
#define USHER_LATENCY_BUCKETS 25

struct usher_latency {
	__u64 units; /* sum, in 2^USHER_STAMP_SHIFT ns */
	__u64 bucket[USHER_LATENCY_BUCKETS];
};
USHER_ASSERT_SIZE(struct usher_latency, 208);

/*
 * Map `loads`, by backend. Packets add to `opened` and the daemon writes the rest, each word at once. A share is a part of the backend's
 * capacity, with USHER_LOAD_SHIFT binary places.
 */
struct usher_load {
	__u64 told;   /* share when it was observed << 32 | what `opened` was then */
	__u32 opened; /* connections that services with USHER_SERVICE_LEAST_LOAD have opened; modulo 2^32 */
	__u32 cost;   /* share that each of them takes, at least 1; 0: nothing has been told */
};
USHER_ASSERT_SIZE(struct usher_load, 16);

#define USHER_LOAD_SHIFT 20
#define USHER_LOAD_TELL(share, opened) ((__u64)(share) << 32 | (__u32)(opened))

/* Map `backend_figures`, by backend; shared by all CPUs. Of TCP through NAT: in direct return nobody here sees its answers. */
struct usher_backend_figures {
	__u64 refused;		   /* resets that answered a SYN */
	__u64 resets;		   /* by the backend, of open connections that the client had not ended */
	__u64 connect_timeouts;	   /* flows that were forgotten before their SYN was answered */
	__u64 first_byte_timeouts; /* connections that the client closed after it had waited USHER_FIRST_BYTE_PATIENCE */
	struct usher_latency connect; /* SYN to SYN-ACK */
	struct usher_latency
		first_byte; /* the client's first byte since the backend spoke, to the backend's first since */
};
USHER_ASSERT_SIZE(struct usher_backend_figures, 448);

#define USHER_FIRST_BYTE_PATIENCE (1000000000 >> USHER_STAMP_SHIFT)

enum usher_ring { USHER_RING_EVENTS, USHER_RING_REQUIRED, USHER_RINGS };

/* Numbers of records: how many have been taken, and of these, how many found no room. */
struct usher_sequence {
	__u64 taken;
	__u64 lost;
};
USHER_ASSERT_SIZE(struct usher_sequence, 16);

/*
 * Map `event_rings`, entry USHER_EVENT_RING(cpu, ring), mmapped: one CPU's ring of records. Only that CPU fills it, and one reader empties
 * it, so neither waits for the other: each has a line of its own to write to. Places count slots and never turn back; slot `place` of the ring is entry
 * USHER_EVENT_RING(cpu, ring) * boot.event_slots + place % boot.event_slots of map `events`, which is mmapped too. A record has one
 * slot, the end of a flow two, the second of which may be the ring's first.
 */
#define USHER_EVENT_RING(cpu, ring) ((cpu)*USHER_RINGS + (ring))
struct usher_event_ring {
	/* The CPU's. */
	struct usher_sequence sequence;
	__u64 head;	  /* records before this place are whole; stored last */
	__u64 next;	  /* slots before this place are reserved */
	__u64 open;	  /* reservations that are not whole yet */
	__u64 tail_known; /* `tail` as it last was when there seemed to be no room */
	__u64 padding[2];
	/* The reader's. */
	__u64 tail; /* slots before this place are free again */
	__u64 rest[7];
};
USHER_ASSERT_SIZE(struct usher_event_ring, 128);

/*
 * Map `flow_counters`, one entry. Summed over CPUs: flows in the table = inserted - expired - evicted - deleted,
 * and lines taken = flows + return_lines.
 */
struct usher_flow_counter {
	__u64 inserted;
	__u64 expired;
	__u64 evicted;
	__u64 replaced; /* in place, by a new SYN */
	__u64 deleted;
	__s64 return_lines;
	__u64 replies;		  /* resets and ICMP answers sent */
	__u64 replies_suppressed; /* by the rate cap */
};
USHER_ASSERT_SIZE(struct usher_flow_counter, 64);

/* ---- events --------------------------------------------------------------------------------------------- */

/*
 * One decision, or `count` of them that were too many to be recorded one by one: those of one class, service, rule and reason in
 * one tick, whose end is `time`. They have neither addresses nor ports nor flow. What the numbers are called is known to the
 * generation that the event names.
 */
struct usher_event {
	__u64 sequence; /* of this CPU and ring, taken before room is asked for; from 0 */
	__u64 time;	/* CLOCK_MONOTONIC ns, up to two jiffies behind */
	__u64 generation;
	__u64 flow_tag; /* 0: no flow */
	__u64 count;
	struct usher_address client;
	struct usher_address service_address;
	__u32 flow_line;
	__u32 client_next;  /* revoked TCP: sequence number that a reset to the client must carry */
	__u32 backend_next; /* the same towards the backend */
	__u16 client_port_be;
	__u16 service_port_be;
	__u16 rule;
	__u16 class_id;
	__u16 tenant;
	__u16 service;
	__u16 target;
	__u16 backend;
	__u16 incarnation;
	__u16 nat_port_be;
	__u16 cpu;
	__u8 protocol;
	__u8 reason;
	__u8 nat_index;
	__u8 ring;
	__u8 cut; /* revoked: which ends this packet's verdict has reset */
	__u8 client_mac[6];
	__u8 interface; /* place of the client's */
	__u8 aggregated;
	__u8 ended;			 /* USHER_ENDED_*: this is the head of a struct usher_flow_end; 0: a decision */
	__u32 tags[USHER_VLAN_TAGS_MAX]; /* of the frame, as on the wire; 0: none */
};
USHER_ASSERT_SIZE(struct usher_event, 128);

/* How a flow ended. X(number, NAME, "word in a record") */
#define USHER_ENDS(X)                                                                                                  \
	X(1, CLOSED_BY_CLIENT, "closed-by-client")   /* by both; in direct return by what is seen of it */             \
	X(2, CLOSED_BY_BACKEND, "closed-by-backend") /* first, then by the client */                                   \
	X(3, RESET_BY_CLIENT, "reset-by-client")                                                                       \
	X(4, RESET_BY_BACKEND, "reset-by-backend")                                                                     \
	X(5, FORGOTTEN, "forgotten-by-backend") /* it answered a SYN as if there had been no connection */             \
	X(6, REVOKED, "revoked")		/* cut by policy */                                                    \
	X(7, HALF_CLOSED, "half-closed")	/* one end closed, and then nobody said anything */                    \
	X(8, TIMED_OUT, "timed-out")                                                                                   \
	X(9, NOT_PROVEN, "handshake-not-proven")                                                                       \
	X(10, EVICTED, "evicted")   /* it had to make room */                                                          \
	X(11, REPLACED, "replaced") /* by a new SYN of the same address and port */

enum usher_ended {
#define X(number, NAME, word) USHER_ENDED_##NAME = number,
	USHER_ENDS(X)
#undef X
		USHER_ENDED_MAX,
};

/*
 * The end of a flow whose opening has a record of its own: exactly one of these, in the same ring. Of the head, `generation` is that in force
 * when it ended; rule, class, tags and MAC address are not set; without nat_port_be only the client's side was seen.
 */
struct usher_flow_end {
	struct usher_event event;
	__u64 begun, seen; /* CLOCK_MONOTONIC ns */
	__u64 generation;  /* that it was opened under */
	__u64 packets_to, bytes_to;
	__u64 packets_from, bytes_from;
};
USHER_ASSERT_SIZE(struct usher_flow_end, 184);
#define USHER_FLOW_END_REST (sizeof(struct usher_flow_end) - sizeof(struct usher_event)) /* in the second slot */

/* ---- dry runs ------------------------------------------------------------------------------------------- */

/*
 * `usher explain` hands the loaded program a packet through BPF_PROG_TEST_RUN with this as XDP metadata. A packet
 * whose metadata holds the token changes no counter, flow or record; its verdict is written to map `explanation`.
 */
struct usher_dry_run {
	__u64 token;
};
USHER_ASSERT_SIZE(struct usher_dry_run, 8);

struct usher_explanation {
	__u64 generation;
	__u32 ring_slot;
	__u32 route_id;
	struct usher_route route;
	__u16 class_id;
	__u16 tenant;
	__u16 service;
	__u16 arm; /* of the route, or USHER_NONE */
	__u16 backend;
	__u16 incarnation;
	__u8 reason;
	__u8 padding;
	__u16 rival; /* the other candidate of least-load, or USHER_NONE: there was none to compare with */
	__u64 load;  /* of the backend; with the rival's, as they were compared */
	__u64 rival_load;
};
USHER_ASSERT_SIZE(struct usher_explanation, 64);

#endif
