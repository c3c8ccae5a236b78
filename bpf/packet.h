/* SPDX-License-Identifier: GPL-2.0-only */
/* What one stage hands to the next. No pointers: the stages that are functions of their own are verified alone. */
#ifndef USHER_BPF_PACKET_H
#define USHER_BPF_PACKET_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/stddef.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>

#include "usher/abi.h"

/* What a stage returns instead of a reason when the next one is to decide. */
#define UNDECIDED USHER_REASON_MAX

/* Byte 13 of a TCP header. */
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20

/* What the bytes say. All but what packet_begin clears is written before it is read: clearing it too would be a twentieth of a packet's cost. */
struct packet {
	struct usher_flow_key key; /* as on the wire, sender first */
	__u64 hash;		   /* of the key */
	__u32 length;		   /* of the frame, padding included */
	__u32 transport;	   /* offset of the TCP, UDP or ICMP header in the frame */
	__u32 ip_length;	   /* of the IP packet, headers included */
	__u32 payload;		   /* bytes after the TCP or UDP header */
	__u32 sequence;		   /* TCP, host byte order */
	__u32 acknowledgement;
	__u32 slot; /* of the generation that this packet sees */
	__u32 epoch;
	__u32 now;			 /* tick */
	__u32 service;			 /* counted under */
	__u32 action;			 /* enum xdp_action */
	__u32 tags[USHER_VLAN_TAGS_MAX]; /* as on the wire; 0: none */
	union {
		struct {
			__u8 receiver_mac[ETH_ALEN];
			__u8 sender_mac[ETH_ALEN];
		};
		__u32 macs[2 * ETH_ALEN / 4]; /* both, as they lie in the frame */
	};
	__u8 tcp_flags;
	__u8 is_ipv6;
	__u8 hop_limit;
	__u8 network; /* offset of the IP header */
	__u8 dry_run;
	__u8 padding[3];
};
USHER_ASSERT_SIZE(struct packet, 120);

/* Before a frame of `length` bytes is looked at. */
static __always_inline void packet_begin(struct packet *packet, __u32 length, bool dry_run)
{
	packet->key.ports = 0;
	packet->key.protocol = 0;
	packet->key.is_return = 0;
	packet->key.padding = 0;
	packet->length = length;
	packet->sequence = 0;
	packet->acknowledgement = 0;
	packet->service = USHER_SERVICE_NONE;
	packet->action = XDP_DROP;
	packet->tags[0] = 0;
	packet->tags[1] = 0;
	packet->tcp_flags = 0;
	packet->is_ipv6 = 0;
	packet->hop_limit = 0;
	packet->network = 0;
	packet->dry_run = dry_run;
}

/* What policy says to it: filled as far as the packet got. */
struct decision {
	struct usher_flow_key client; /* the flow as its client sees it */
	struct usher_route route;
	__u32 route_id;
	__u32 ring_slot;
	__u32 flow_line;
	__u32 client_next, backend_next; /* revoked TCP: sequence number that a reset to that end must carry */
	__u16 service;			 /* that the client called */
	__u16 class_id;
	__u16 tenant;
	__u16 arm;
	__u16 backend;
	__u16 incarnation;
	__u16 nat_port_be;
	__u8 nat_index;
	__u8 audit_required;
	__u8 forward; /* enum usher_forward */
	__u8 cut;     /* ends that have been reset */
	__u8 client_mac[ETH_ALEN];
	__u8 interface;	 /* place of the one by which the client came */
	__u8 metered;	 /* its tenant has a bit rate */
	__u8 reason;	 /* what the policy has it come to */
	__u8 classified; /* class_id is known before the source is looked up */
	__u16 rival;	 /* see usher_explanation */
	__u8 balanced;	 /* of a service with USHER_SERVICE_LEAST_LOAD */
	__u8 recorded;	 /* its opening gets a record of its own */
	__u8 padding[4];
	__u64 load, rival_load;
	__u64 flow_tag;
};

/* One entry at one time. `tag` is as last seen; what changes an entry leaves the new one here. */
struct flow_ref {
	__u64 tag;
	__u32 line;
	__u32 padding;
};

/* An entry that was found. */
struct flow_hit {
	struct flow_ref ref;
	union usher_flow_value value;
	__u32 stale; /* hint bits that lead to no entry of this home */
	__u32 padding;
};

/* What is to be inserted, besides its key. */
struct flow_entry {
	union usher_flow_value value; /* a forward one names the tenant that is charged */
	__u32 epoch;
	__u16 now;    /* tick */
	__u16 tenant; /* on whose behalf */
	__u8 status;
	__u8 figures; /* USHER_FIGURES_* */
	__u16 target;
	__u8 padding[4];
	__u64 generation;
};

/* The packet that an ICMP error quotes: where its headers are in the frame, and where the error ends. */
struct quote {
	__u32 network;
	__u32 transport;
	__u32 end;
	__u32 padding;
};

/*
 * Where a packet is worked on: the stack has no room for it. A CPU has one for traffic and one for dry runs, which
 * traffic may interrupt.
 */
struct desk {
	struct packet packet;
	struct decision decision;
	struct flow_hit hit;  /* client to service */
	struct flow_hit back; /* backend to NAT address */
	struct flow_entry entry;
	struct usher_flow_key path; /* as the packet leaves */
	struct usher_flow_key key;  /* of another entry that is looked for */
	struct quote quote;
};

#endif
