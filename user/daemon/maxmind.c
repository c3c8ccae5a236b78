// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tree of a database has a bit of the address at each level. It is walked from its root; a subtree whose networks all have one
 * region is one prefix. Pointers that lead back, or from several places to one subtree, make a damaged or malicious file larger
 * than its bytes: the walk ends after NODES_MAX steps.
 */
#include "daemon/maxmind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <maxminddb.h>

#include "base/address.h"
#include "policy/region.h"

#define NODES_MAX (64u << 20)
#define CACHE_SLOTS 65536

#define REGION_TEXT 8

/* What a subtree comes to: one region ("" for none), or several, whose prefixes are written already. */
struct outcome {
	bool several;
	char region[REGION_TEXT];
};

struct cached {
	uint32_t offset;
	bool used;
	char region[REGION_TEXT];
};

struct walk {
	MMDB_s *database;
	struct json *to;
	struct cached *cache;
	size_t room, nodes, left_out;
	uint32_t ipv4_root;
	uint8_t address[16];
	const char *failure;
};

/* ---- records ------------------------------------------------------------------------------------------------ */

static bool text_of(MMDB_entry_s *entry, const char *const *path, char *to, size_t room)
{
	MMDB_entry_data_s data;

	if (MMDB_aget_value(entry, &data, path) != MMDB_SUCCESS || !data.has_data ||
	    data.type != MMDB_DATA_TYPE_UTF8_STRING || data.data_size >= room)
		return false;
	memcpy(to, data.utf8_string, data.data_size);
	to[data.data_size] = '\0';
	return true;
}

static void read_region_of(MMDB_entry_s *entry, char region[REGION_TEXT])
{
	static const char *const country_path[] = {"country", "iso_code", NULL};
	static const char *const subdivision_path[] = {"subdivisions", "0", "iso_code", NULL};
	char country[3], subdivision[4], whole[REGION_TEXT];
	struct region parsed;

	region[0] = '\0';
	if (!text_of(entry, country_path, country, sizeof(country)) || region_parse(country, &parsed))
		return;
	strcpy(region, country);
	if (!text_of(entry, subdivision_path, subdivision, sizeof(subdivision)))
		return;
	snprintf(whole, sizeof(whole), "%s-%s", country, subdivision);
	if (!region_parse(whole, &parsed))
		strcpy(region, whole);
}

static void region_of(struct walk *walk, MMDB_entry_s *entry, char region[REGION_TEXT])
{
	struct cached *cached = &walk->cache[(entry->offset * 2654435761u >> 16) % CACHE_SLOTS];

	if (!cached->used || cached->offset != entry->offset) {
		cached->used = true;
		cached->offset = entry->offset;
		read_region_of(entry, cached->region);
	}
	memcpy(region, cached->region, REGION_TEXT);
}

/* ---- the tree ----------------------------------------------------------------------------------------------- */

static void emit(struct walk *walk, unsigned int bits, const char *region)
{
	bool ipv4 = walk->database->metadata.ip_version == 4 || bits >= 96;
	struct usher_address address;
	char text[ADDRESS_TEXT + 16], printed[ADDRESS_TEXT];
	int length;

	if (!*region)
		return;
	for (int i = 0; ipv4 && walk->database->metadata.ip_version == 6 && i < 12; i++)
		ipv4 = !walk->address[i];
	if (walk->database->metadata.ip_version == 4)
		address_from_bytes(AF_INET, walk->address, &address);
	else if (ipv4)
		address_from_bytes(AF_INET, walk->address + 12, &address);
	else
		address_from_bytes(AF_INET6, walk->address, &address);
	if (ipv4 && walk->database->metadata.ip_version == 6)
		bits -= 96;
	length = snprintf(text, sizeof(text), "%s/%u,%s\n", address_print(&address, printed), bits, region);
	if (walk->to->length + (size_t)length > walk->room)
		walk->failure = "it holds more than a geography file may";
	else
		json_raw(walk->to, text, (size_t)length);
}

static void set_bit(struct walk *walk, unsigned int bit, bool value)
{
	uint8_t mask = (uint8_t)(0x80 >> bit % 8);

	walk->address[bit / 8] = (uint8_t)(value ? walk->address[bit / 8] | mask : walk->address[bit / 8] & ~mask);
}

static bool address_is_zero(const struct walk *walk)
{
	static const uint8_t zero[16];

	return !memcmp(walk->address, zero, sizeof(zero));
}

/* The root of the IPv4 addresses in a tree of IPv6, at ::/96; 0 if there is none. */
static uint32_t find_ipv4_root(const MMDB_s *database)
{
	MMDB_search_node_s records;
	uint64_t node = 0;

	for (unsigned int bit = 0; database->metadata.ip_version == 6 && bit < 96; bit++) {
		if (MMDB_read_node(database, (uint32_t)node, &records) != MMDB_SUCCESS ||
		    records.left_record_type != MMDB_RECORD_TYPE_SEARCH_NODE)
			return 0;
		node = records.left_record;
	}
	return (uint32_t)node;
}

static struct outcome walk_node(struct walk *walk, uint32_t node, unsigned int bits);

static struct outcome walk_record(struct walk *walk, uint64_t record, uint8_t type, MMDB_entry_s *entry,
				  unsigned int bits)
{
	struct outcome outcome = {0};

	switch (type) {
	case MMDB_RECORD_TYPE_SEARCH_NODE:
		/* Other addresses that stand for IPv4 ones lead there as well: they are read once. */
		if (walk->ipv4_root && record == walk->ipv4_root && !(bits == 96 && address_is_zero(walk)))
			return outcome;
		return walk_node(walk, (uint32_t)record, bits);
	case MMDB_RECORD_TYPE_DATA:
		region_of(walk, entry, outcome.region);
		walk->left_out += !*outcome.region;
		return outcome;
	case MMDB_RECORD_TYPE_EMPTY:
		return outcome;
	default:
		walk->failure = "its search tree is damaged";
		return outcome;
	}
}

/* Depth: a level for each bit of an address. */
static struct outcome walk_node(struct walk *walk, uint32_t node, unsigned int bits)
{
	const unsigned int most = walk->database->metadata.ip_version == 4 ? 32 : 128;
	struct outcome left, right;
	MMDB_search_node_s records;

	if (walk->failure)
		return (struct outcome){0};
	if (bits == most || ++walk->nodes > NODES_MAX ||
	    MMDB_read_node(walk->database, node, &records) != MMDB_SUCCESS) {
		walk->failure = "its search tree is damaged";
		return (struct outcome){0};
	}
	left = walk_record(walk, records.left_record, records.left_record_type, &records.left_record_entry, bits + 1);
	set_bit(walk, bits, true);
	right = walk_record(walk, records.right_record, records.right_record_type, &records.right_record_entry,
			    bits + 1);
	set_bit(walk, bits, false);
	/* ::/96 holds IPv4 addresses, which are no IPv6 ones: nothing above it may be one with it. */
	if (!left.several && !right.several && !strcmp(left.region, right.region) &&
	    !(most == 128 && bits < 96 && address_is_zero(walk)))
		return left;
	if (!left.several)
		emit(walk, bits + 1, left.region);
	set_bit(walk, bits, true);
	if (!right.several)
		emit(walk, bits + 1, right.region);
	set_bit(walk, bits, false);
	return (struct outcome){.several = true};
}

int maxmind_read(const char *path, size_t room, struct json *to, size_t *ret_left_out,
		 char ret_sentence[MAXMIND_SENTENCE])
{
	struct walk walk = {.to = to, .room = to->length + room};
	struct outcome outcome;
	MMDB_s database;
	int error = MMDB_open(path, MMDB_MODE_MMAP, &database);

	if (error != MMDB_SUCCESS) {
		snprintf(ret_sentence, MAXMIND_SENTENCE, "%s cannot be read: %s", path,
			 error == MMDB_IO_ERROR || error == MMDB_FILE_OPEN_ERROR ? strerror(errno)
										 : MMDB_strerror(error));
		return -EINVAL;
	}
	walk.database = &database;
	walk.ipv4_root = find_ipv4_root(&database);
	walk.cache = calloc(CACHE_SLOTS, sizeof(*walk.cache));
	if (!walk.cache)
		abort();
	outcome = walk_node(&walk, 0, 0);
	if (!outcome.several && !walk.failure)
		emit(&walk, 0, outcome.region);
	free(walk.cache);
	MMDB_close(&database);
	if (!walk.failure && !to->length)
		walk.failure = "it names no country of any network";
	if (!walk.failure) {
		*ret_left_out = walk.left_out;
		return 0;
	}
	snprintf(ret_sentence, MAXMIND_SENTENCE, "%s is no geography: %s", path, walk.failure);
	return -EINVAL;
}
