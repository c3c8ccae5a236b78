// SPDX-License-Identifier: GPL-2.0-only
/*
 * send INTERFACE MAC FIRST-SOURCE SOURCES SERVICE PORT RATE: TCP SYNs to the service, by the host with this MAC address, RATE a second,
 * from random ones of the sources. Stops itself (SIGSTOP) when it is ready; goes on with SIGCONT; with SIGTERM it ends and says how many
 * it has sent. What it was too late for is not made up for, so a rate is never exceeded.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 16
#define LATE_NS 1000000

struct frame {
	struct ether_header ether;
	struct iphdr ip;
	struct tcphdr tcp;
	uint8_t padding[6];
} __attribute__((packed));

struct target {
	uint32_t first, sources;
	struct in_addr service;
	uint16_t port;
};

static struct frame frames[BATCH];
static struct mmsghdr messages[BATCH];
static struct iovec parts[BATCH];
static volatile sig_atomic_t is_over;

static void end(int number)
{
	(void)number;
	is_over = true;
}

static int open_at(const char *interface, struct ether_addr *ret_own)
{
	int wire = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct sockaddr_ll own = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface)};
	socklen_t length = sizeof(own);

	if (wire < 0 || bind(wire, (struct sockaddr *)&own, sizeof(own)) ||
	    getsockname(wire, (struct sockaddr *)&own, &length))
		return -1;
	memcpy(ret_own, own.sll_addr, sizeof(*ret_own));
	return wire;
}

static uint16_t header_sum(struct iphdr ip)
{
	uint16_t words[sizeof(ip) / 2];
	uint32_t sum = 0;

	memcpy(words, &ip, sizeof(words));
	for (size_t i = 0; i < sizeof(ip) / 2; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

static uint32_t chance(uint32_t below)
{
	static uint64_t state = 1;

	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((state >> 32) * below >> 32);
}

/* A SYN like none before. */
static void make(struct frame *frame, const struct target *target)
{
	frame->ether.ether_type = htons(ETHERTYPE_IP);
	frame->ip = (struct iphdr){.version = 4,
				   .ihl = 5,
				   .ttl = 64,
				   .protocol = IPPROTO_TCP,
				   .frag_off = htons(IP_DF),
				   .tot_len = htons(sizeof(frame->ip) + sizeof(frame->tcp)),
				   .saddr = htonl(target->first + chance(target->sources)),
				   .daddr = target->service.s_addr};
	frame->ip.check = header_sum(frame->ip);
	frame->tcp = (struct tcphdr){.source = htons((uint16_t)(1024 + chance(60000))),
				     .dest = htons(target->port),
				     .seq = chance(UINT32_MAX),
				     .doff = 5,
				     .syn = 1,
				     .window = htons(64240)};
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void wait_until(uint64_t when)
{
	const struct timespec time = {.tv_sec = (time_t)(when / 1000000000u), .tv_nsec = (long)(when % 1000000000u)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

static uint64_t flood(int wire, const struct target *target, double rate)
{
	uint64_t interval = (uint64_t)(1e9 * BATCH / rate), due = now_ns(), sent = 0;

	while (!is_over) {
		int taken;

		for (size_t i = 0; i < BATCH; i++)
			make(&frames[i], target);
		taken = sendmmsg(wire, messages, BATCH, 0);
		sent += taken > 0 ? (uint64_t)taken : 0;
		due += interval;
		if (due + LATE_NS < now_ns())
			due = now_ns();
		wait_until(due);
	}
	return sent;
}

int main(int argc, char **argv)
{
	struct ether_addr own, *gateway = argc == 8 ? ether_aton(argv[2]) : NULL;
	struct target target;
	struct in_addr first;
	int wire;

	if (!gateway || inet_pton(AF_INET, argv[3], &first) != 1 || inet_pton(AF_INET, argv[5], &target.service) != 1 ||
	    atoi(argv[4]) < 1 || atof(argv[7]) < 1) {
		fprintf(stderr, "usage: send INTERFACE MAC FIRST-SOURCE SOURCES SERVICE PORT RATE\n");
		return 2;
	}
	wire = open_at(argv[1], &own);
	if (wire < 0) {
		fprintf(stderr, "send: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	target.first = ntohl(first.s_addr);
	target.sources = (uint32_t)atoi(argv[4]);
	target.port = (uint16_t)atoi(argv[6]);
	for (size_t i = 0; i < BATCH; i++) {
		memcpy(frames[i].ether.ether_dhost, gateway, ETH_ALEN);
		memcpy(frames[i].ether.ether_shost, &own, ETH_ALEN);
		parts[i] = (struct iovec){&frames[i], sizeof(frames[i])};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
	}
	signal(SIGTERM, end);
	prctl(PR_SET_TIMERSLACK, 1000);
	raise(SIGSTOP);
	printf("%llu\n", (unsigned long long)flood(wire, &target, atof(argv[7])));
	return 0;
}
