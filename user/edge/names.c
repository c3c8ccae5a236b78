// SPDX-License-Identifier: GPL-2.0-only
#include "edge/names.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <ares.h>

#include "base/address.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define TRY_MS 1000 /* until a question is sent again */
#define TRIES 3
#define LATER (10 * CLOCK_MILLISECOND)
#define NOBODY UINT32_MAX

static const struct {
	uint8_t bit;
	int type, family;
} families[] = {{EDGE_IPV4, ns_t_a, AF_INET}, {EDGE_IPV6, ns_t_aaaa, AF_INET6}};

/* c-ares takes its settings once, from files that cannot be read later: so each slot has a channel for good. */
struct slot {
	struct names *names;
	ares_channel channel;
	uint32_t target; /* in the list, or NOBODY */
	struct edge_name name;
	uint32_t pending; /* questions under way */
	int64_t ask_at, give_up_at;
	struct cause failed; /* of the round under way */
	struct usher_address *found;
	uint32_t found_count;
	/* The last round that is over. */
	bool known;
	struct cause cause;
	struct usher_address *addresses;
	uint32_t address_count;
	uint32_t told; /* facts of it; NOBODY: all */
};

struct names {
	int epoll;
	struct slot *slots;		     /* USHER_POOLS_MAX */
	struct ares_addr_port_node *servers; /* whom the host asks */
	bool (*report)(void *context, const struct edge_fact *fact);
	void *context;
};

/* ---- life ---------------------------------------------------------------------------------------------------- */

static void watch_socket(void *data, ares_socket_t socket, int readable, int writable)
{
	struct slot *slot = data;
	struct epoll_event event = {.events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u),
				    .data.u64 = (uint64_t)(slot - slot->names->slots) << 32 | (uint32_t)socket};

	if (!readable && !writable)
		epoll_ctl(slot->names->epoll, EPOLL_CTL_DEL, socket, NULL);
	else if (epoll_ctl(slot->names->epoll, EPOLL_CTL_MOD, socket, &event))
		epoll_ctl(slot->names->epoll, EPOLL_CTL_ADD, socket, &event);
}

static int open_slot(struct names *names, struct slot *slot)
{
	struct ares_options options = {.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
				       .timeout = TRY_MS,
				       .tries = TRIES,
				       .sock_state_cb = watch_socket,
				       .sock_state_cb_data = slot};

	*slot = (struct slot){.names = names,
			      .target = NOBODY,
			      .found = calloc(EDGE_ADDRESSES_MAX, sizeof(*slot->found)),
			      .addresses = calloc(EDGE_ADDRESSES_MAX, sizeof(*slot->addresses))};
	if (!slot->found || !slot->addresses)
		return -ENOMEM;
	return ares_init_options(&slot->channel, &options,
				 ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB)
		       ? -EIO
		       : 0;
}

void names_free(struct names *names)
{
	if (!names)
		return;
	for (size_t i = 0; names->slots && i < USHER_POOLS_MAX; i++) {
		struct slot *slot = &names->slots[i];

		slot->target = NOBODY;
		if (slot->channel)
			ares_destroy(slot->channel);
		free(slot->found);
		free(slot->addresses);
	}
	if (names->servers)
		ares_free_data(names->servers);
	if (names->epoll >= 0)
		close(names->epoll);
	free(names->slots);
	free(names);
	ares_library_cleanup();
}

static void free_names(struct names **names)
{
	names_free(*names);
}

int names_new(bool (*report)(void *context, const struct edge_fact *fact), void *context, struct names **ret_names)
{
	_cleanup_(free_names) struct names *names = NULL;
	int error = 0;

	if (ares_library_init(ARES_LIB_INIT_ALL))
		return -EIO;
	names = calloc(1, sizeof(*names));
	if (!names)
		return -ENOMEM;
	*names = (struct names){.epoll = epoll_create1(EPOLL_CLOEXEC),
				.slots = calloc(USHER_POOLS_MAX, sizeof(*names->slots)),
				.report = report,
				.context = context};
	if (names->epoll < 0 || !names->slots)
		return -ENOMEM;
	for (size_t i = 0; i < USHER_POOLS_MAX && !error; i++)
		error = open_slot(names, &names->slots[i]);
	if (!error && ares_get_servers_ports(names->slots[0].channel, &names->servers))
		error = -EIO;
	if (!error)
		*ret_names = TAKE_PTR(names);
	return error;
}

int names_fd(const struct names *names)
{
	return names->epoll;
}

/* ---- who is asked what --------------------------------------------------------------------------------------- */

/* Whatever was under way is over, without a word. */
static void release(struct slot *slot)
{
	slot->target = NOBODY;
	ares_cancel(slot->channel);
	slot->pending = 0;
	slot->known = false;
}

static int set_servers(struct names *names, struct slot *slot)
{
	const struct edge_name *name = &slot->name;
	char text[ENDPOINT_TEXT];

	if (!name->port)
		return ares_set_servers_ports(slot->channel, names->servers);
	return ares_set_servers_ports_csv(slot->channel, endpoint_print(&name->server, name->port, text));
}

static bool take_slot(struct names *names, const struct edge_name *name, uint32_t target, int64_t now)
{
	size_t i = 0;

	while (i < USHER_POOLS_MAX && names->slots[i].target != NOBODY)
		i++;
	if (i == USHER_POOLS_MAX)
		return false;
	names->slots[i].target = target;
	names->slots[i].name = *name;
	names->slots[i].ask_at = now;
	return !set_servers(names, &names->slots[i]);
}

void names_watch(struct names *names, const struct edge_name *list, uint32_t count, int64_t now)
{
	bool kept[USHER_POOLS_MAX] = {0};

	for (size_t s = 0; s < USHER_POOLS_MAX; s++) {
		struct slot *slot = &names->slots[s];
		uint32_t i = 0;

		if (slot->target == NOBODY)
			continue;
		while (i < count && (kept[i] || memcmp(&list[i], &slot->name, sizeof(slot->name)) != 0))
			i++;
		if (i == count) {
			release(slot);
			continue;
		}
		kept[i] = true;
		slot->target = i;
		slot->told = 0;
	}
	for (uint32_t i = 0; i < count; i++)
		if (!kept[i])
			take_slot(names, &list[i], i, now);
}

/* ---- answers -------------------------------------------------------------------------------------------------- */

static void finish(struct slot *slot)
{
	struct usher_address *before = slot->addresses;

	if (slot->failed.kind == CAUSE_NONE && !slot->found_count)
		slot->failed = (struct cause){CAUSE_ADDRESS, 0};
	slot->cause = slot->failed;
	slot->addresses = slot->found;
	slot->address_count = slot->failed.kind == CAUSE_NONE ? slot->found_count : 0;
	slot->found = before;
	slot->known = true;
	slot->told = 0;
}

static struct cause cause_of(const struct slot *slot, int status)
{
	switch (status) {
	case ARES_ENOTFOUND:
		return (struct cause){CAUSE_NAME, 0};
	case ARES_ETIMEOUT:
	case ARES_ECANCELLED:
		return (struct cause){CAUSE_TIMEOUT, (int32_t)slot->name.timeout_ms};
	case ARES_ECONNREFUSED: /* c-ares 1.18 says so of failures as well, once it has asked all servers */
		return (struct cause){CAUSE_SERVERS, 0};
	case ARES_EFORMERR:
	case ARES_ESERVFAIL:
	case ARES_ENOTIMP:
	case ARES_EREFUSED: /* RFC 1035: RCODE */
		return (struct cause){CAUSE_RCODE, status == ARES_EFORMERR    ? 1
						   : status == ARES_ESERVFAIL ? 2
						   : status == ARES_ENOTIMP   ? 4
									      : 5};
	case ARES_EBADRESP:
	case ARES_EBADNAME:
		return (struct cause){CAUSE_ANSWER, 0};
	default:
		return (struct cause){CAUSE_OURS, 0};
	}
}

static void add(struct slot *slot, int family, const void *bytes)
{
	if (slot->found_count < EDGE_ADDRESSES_MAX)
		address_from_bytes(family, bytes, &slot->found[slot->found_count++]);
}

static int take_ipv4(struct slot *slot, const unsigned char *answer, int length)
{
	struct ares_addrttl found[EDGE_ADDRESSES_MAX / 2];
	int count = ARRAY_COUNT(found);
	int status = ares_parse_a_reply(answer, length, NULL, found, &count);

	for (int i = 0; !status && i < count; i++)
		add(slot, AF_INET, &found[i].ipaddr);
	return status;
}

static int take_ipv6(struct slot *slot, const unsigned char *answer, int length)
{
	struct ares_addr6ttl found[EDGE_ADDRESSES_MAX / 2];
	int count = ARRAY_COUNT(found);
	int status = ares_parse_aaaa_reply(answer, length, NULL, found, &count);

	for (int i = 0; !status && i < count; i++)
		add(slot, AF_INET6, &found[i].ip6addr);
	return status;
}

static void take(struct slot *slot, int status, const unsigned char *answer, int length, int family)
{
	if (slot->target == NOBODY || !slot->pending)
		return;
	if (!status)
		status = family == AF_INET ? take_ipv4(slot, answer, length) : take_ipv6(slot, answer, length);
	/* A name may well have addresses of one family alone. */
	if (status && status != ARES_ENODATA && slot->failed.kind == CAUSE_NONE)
		slot->failed = cause_of(slot, status);
	if (!--slot->pending)
		finish(slot);
}

static void take_a(void *slot, int status, int timeouts, unsigned char *answer, int length)
{
	(void)timeouts;
	take(slot, status, answer, length, AF_INET);
}

static void take_aaaa(void *slot, int status, int timeouts, unsigned char *answer, int length)
{
	(void)timeouts;
	take(slot, status, answer, length, AF_INET6);
}

static void ask(struct slot *slot, int64_t now)
{
	slot->ask_at = now + slot->name.every_ms * CLOCK_MILLISECOND;
	slot->give_up_at = now + slot->name.timeout_ms * CLOCK_MILLISECOND;
	slot->failed = (struct cause){CAUSE_NONE, 0};
	slot->found_count = 0;
	slot->pending = 0;
	for (size_t f = 0; f < ARRAY_COUNT(families); f++)
		slot->pending += !!(slot->name.families & families[f].bit);
	/* Either may be answered before it returns. */
	for (size_t f = 0; f < ARRAY_COUNT(families); f++)
		if (slot->name.families & families[f].bit)
			ares_query(slot->channel, slot->name.name, ns_c_in, families[f].type,
				   families[f].family == AF_INET ? take_a : take_aaaa, slot);
}

/* ---- the core -------------------------------------------------------------------------------------------------- */

/* Addresses, a few in a fact, then what has become of it. */
static bool tell_next(struct slot *slot)
{
	uint32_t first = slot->told * EDGE_ADDRESSES;
	struct edge_fact fact = {.target = slot->target,
				 .kind = EDGE_FACT_RESOLVED,
				 .up = slot->cause.kind == CAUSE_NONE,
				 .cause = slot->cause.kind,
				 .number = slot->cause.number};
	uint32_t left = first < slot->address_count ? slot->address_count - first : 0;

	if (fact.up)
		fact.number = (int32_t)(left ? first : slot->address_count);
	if (left) {
		fact.kind = EDGE_FACT_ADDRESSES;
		memcpy(fact.addresses, slot->addresses + first,
		       (left < EDGE_ADDRESSES ? left : EDGE_ADDRESSES) * sizeof(fact.addresses[0]));
	}
	if (!slot->names->report(slot->names->context, &fact))
		return false;
	slot->told = left ? slot->told + 1 : NOBODY;
	return true;
}

static void tell(struct slot *slot)
{
	while (slot->known && slot->told != NOBODY && tell_next(slot))
		;
}

static void take_answers(struct names *names)
{
	struct epoll_event events[64];
	int count = epoll_wait(names->epoll, events, ARRAY_COUNT(events), 0);

	for (int i = 0; i < count; i++) {
		struct slot *slot = &names->slots[events[i].data.u64 >> 32];
		ares_socket_t socket = (int)(uint32_t)events[i].data.u64;
		bool broken = events[i].events & (EPOLLERR | EPOLLHUP);

		ares_process_fd(slot->channel, broken || events[i].events & EPOLLIN ? socket : ARES_SOCKET_BAD,
				broken || events[i].events & EPOLLOUT ? socket : ARES_SOCKET_BAD);
	}
}

/* When a slot has something to do. */
static int64_t due(const struct slot *slot, int64_t now)
{
	int64_t at = slot->ask_at;
	struct timeval wait, *next;

	if (slot->pending) {
		next = ares_timeout(slot->channel, NULL, &wait);
		at = slot->give_up_at;
		if (next && now + next->tv_sec * CLOCK_SECOND + next->tv_usec * 1000 < at)
			at = now + next->tv_sec * CLOCK_SECOND + next->tv_usec * 1000;
	}
	if (slot->known && slot->told != NOBODY && at > now + LATER)
		at = now + LATER;
	return at;
}

int64_t names_run(struct names *names, int64_t now)
{
	int64_t next = now + CLOCK_SECOND;

	take_answers(names);
	for (size_t i = 0; i < USHER_POOLS_MAX; i++) {
		struct slot *slot = &names->slots[i];
		int64_t at;

		if (slot->target == NOBODY)
			continue;
		if (slot->pending && slot->give_up_at <= now)
			ares_cancel(slot->channel); /* which answers what is pending */
		else if (slot->pending)
			ares_process_fd(slot->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
		if (!slot->pending && slot->ask_at <= now)
			ask(slot, now);
		tell(slot);
		at = due(slot, now);
		if (at < next)
			next = at;
	}
	return next;
}
