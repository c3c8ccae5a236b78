// SPDX-License-Identifier: GPL-2.0-only
/* The search trees of source prefixes against the longest prefix found by looking at all of them. */
#include "compile/sources.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "usher/flow_hash.h"

#include "base/address.h"
#include "compiled.h"

#define PREFIXES 3000
#define LOOKUPS 20000
#define FILES 2

static uint64_t next_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15ULL;
	return usher_mix64(*state);
}

/* ---- the trees, walked as the design says: line 0 first, child k of line n is line n * (keys + 1) + 1 + k ---------------- */

static uint16_t search4(const struct tables *tables, uint32_t address)
{
	size_t line = 0, found = 0;

	while (line < tables->source4_lines) {
		size_t rank = 0;

		while (rank < USHER_SOURCE4_KEYS && tables->source4[line].first[rank] <= address)
			rank++;
		if (rank)
			found = line * USHER_SOURCE4_KEYS + rank;
		line = line * (USHER_SOURCE4_KEYS + 1) + 1 + rank;
	}
	if (!found)
		return USHER_CLASS_UNKNOWN4;
	return tables->source4_classes[(found - 1) / 32].value[(found - 1) % 32];
}

/* By the first 16 and 24 bits, which say what the tree says, or nothing. */
static uint16_t search_networks(const struct tables *tables, uint32_t address)
{
	uint32_t value = tables->networks[address >> 20].value[address >> 16 & 15], line;

	if (value < USHER_NETWORK_BLOCK)
		return (uint16_t)value;
	line = (value - USHER_NETWORK_BLOCK) * USHER_NETWORK_BLOCK_LINES + (address >> 13 & 7);
	assert_true(value == USHER_NETWORK_TREE || line < tables->network_block_lines);
	return value == USHER_NETWORK_TREE ? USHER_NONE : tables->network_blocks[line].value[address >> 8 & 31];
}

static uint16_t search6(const struct tables *tables, uint64_t high, uint64_t low)
{
	size_t line = 0, found = 0;

	while (line < tables->source6_lines) {
		const struct usher_source6_line *at = &tables->source6[line];
		size_t rank = 0;

		while (rank < USHER_SOURCE6_KEYS &&
		       (at->first[rank].high < high || (at->first[rank].high == high && at->first[rank].low <= low)))
			rank++;
		if (rank)
			found = line * USHER_SOURCE6_KEYS + rank;
		line = line * (USHER_SOURCE6_KEYS + 1) + 1 + rank;
	}
	if (!found)
		return USHER_CLASS_UNKNOWN6;
	return tables->source6_classes[(found - 1) / 32].value[(found - 1) % 32];
}

static uint16_t search(const struct tables *tables, const struct usher_address *address)
{
	if (address_family(address) == AF_INET) {
		uint32_t number = __builtin_bswap32(address->words[3]);
		uint16_t by_tree = search4(tables, number), by_network = search_networks(tables, number);

		if (by_network != USHER_NONE)
			assert_int_equal(by_network, by_tree);
		return by_tree;
	}
	return search6(tables, __builtin_bswap64(address->halves[0]), __builtin_bswap64(address->halves[1]));
}

/* ---- the slow way -------------------------------------------------------------------------------------------- */

static bool covers(const struct usher_address *prefix, unsigned int bits, const struct usher_address *address)
{
	for (unsigned int bit = 0; bit < bits; bit++)
		if ((prefix->bytes[bit / 8] ^ address->bytes[bit / 8]) >> (7 - bit % 8) & 1)
			return false;
	return true;
}

/* "tenant region family" of the longest prefix, of the policy's own and of its geography files; its bits, -1: there is none. */
static int slow(const struct policy *policy, const struct usher_address *address, char text[128])
{
	const char *tenant = "unknown";
	int best = -1;
	char region[8] = "unknown";

	for (size_t t = 0; t < policy->tenant_count; t++)
		for (size_t s = 0; s < policy->tenants[t].source_count; s++) {
			const struct source *source = &policy->tenants[t].sources[s];

			if ((int)source->bits <= best || !covers(&source->address, source->bits, address))
				continue;
			best = (int)source->bits;
			tenant = policy->tenants[t].name;
			region_print(&source->region, region);
		}
	/* Of two that are the same the policy's own goes before the file's. */
	for (size_t g = 0; g < policy->geo_count; g++)
		for (size_t i = 0; i < policy->geos[g].prefix_count; i++) {
			const struct geo_prefix *prefix = &policy->geos[g].prefixes[i];

			if ((int)prefix->bits <= best || !covers(&prefix->address, prefix->bits, address))
				continue;
			best = (int)prefix->bits;
			tenant = policy->tenants[policy->geos[g].tenant].name;
			region_print(&policy->geos[g].regions[prefix->region], region);
		}
	snprintf(text, 128, "%s %s %d", tenant, region, address_family(address));
	return best;
}

static void quick(const struct tables *tables, const struct usher_address *address, char text[128])
{
	const struct catalog_class *class = &tables->catalog->classes[search(tables, address)];

	snprintf(text, 128, "%s %s %d", class->tenant, class->region, class->family);
}

static void compare(const struct compiled *compiled, const struct usher_address *address)
{
	char wanted[128], got[128], name[ADDRESS_TEXT];
	int bits = slow(compiled->policy, address, wanted);
	size_t class_id = search(compiled->tables, address);
	uint8_t found;

	if (source_trees_prefix(compiled->tables->trees, address, class_id + 1, &found))
		fail_msg("%s has a prefix of a class that it is not of", address_print(address, name));
	if (source_trees_prefix(compiled->tables->trees, address, class_id, &found) ? found != bits : bits != -1)
		fail_msg("the prefix of %s does not have %d bits", address_print(address, name), bits);
	quick(compiled->tables, address, got);
	if (strcmp(wanted, got) != 0)
		fail_msg("%s is \"%s\", and the tree says \"%s\"", address_print(address, name), wanted, got);
}

/* One more or one less, in its last bits. */
static void step(struct usher_address *address, int by)
{
	for (int i = 15; i >= 0; i--) {
		address->bytes[i] = (uint8_t)(address->bytes[i] + by);
		if (address->bytes[i] != (by > 0 ? 0 : 0xff))
			return;
	}
}

static void mask(struct usher_address *address, unsigned int bits, bool up)
{
	for (unsigned int bit = bits; bit < 128; bit++) {
		uint8_t one = (uint8_t)(0x80 >> bit % 8);

		address->bytes[bit / 8] = up ? address->bytes[bit / 8] | one : address->bytes[bit / 8] & (uint8_t)~one;
	}
}

/* ---- ranges -------------------------------------------------------------------------------------------------- */

/* Where the class of a range's addresses may change: at its beginning, and at the beginning and behind the end of each prefix. */
static void mark_class(const struct compiled *compiled, const struct usher_address *range, unsigned int bits,
		       const struct usher_address *at, bool *ret_seen)
{
	if (covers(range, bits, at) && address_family(at) == address_family(range))
		ret_seen[search(compiled->tables, at)] = true;
}

static void mark_prefix(const struct compiled *compiled, const struct usher_address *range, unsigned int bits,
			const struct usher_address *prefix, unsigned int prefix_bits, bool *ret_seen)
{
	struct usher_address edge = *prefix;

	mark_class(compiled, range, bits, &edge, ret_seen);
	mask(&edge, prefix_bits, true);
	step(&edge, 1);
	mark_class(compiled, range, bits, &edge, ret_seen);
}

static void compare_range(const struct compiled *compiled, const struct usher_address *range, unsigned int bits)
{
	static bool seen[USHER_CLASSES_MAX];
	const struct policy *policy = compiled->policy;
	size_t count, wanted = 0, classes_count = compiled->tables->class_count;
	uint16_t *classes;

	memset(seen, 0, classes_count * sizeof(*seen));
	mark_class(compiled, range, bits, range, seen);
	for (size_t t = 0; t < policy->tenant_count; t++)
		for (size_t s = 0; s < policy->tenants[t].source_count; s++)
			mark_prefix(compiled, range, bits, &policy->tenants[t].sources[s].address,
				    policy->tenants[t].sources[s].bits, seen);
	for (size_t g = 0; g < policy->geo_count; g++)
		for (size_t i = 0; i < policy->geos[g].prefix_count; i++)
			mark_prefix(compiled, range, bits, &policy->geos[g].prefixes[i].address,
				    policy->geos[g].prefixes[i].bits, seen);
	source_trees_within(compiled->tables->trees, range, (uint8_t)bits, &classes, &count);
	for (size_t i = 0; i < classes_count; i++)
		wanted += seen[i];
	assert_int_equal(count, wanted);
	for (size_t i = 0; i < count; i++) {
		assert_true(seen[classes[i]]);
		seen[classes[i]] = false; /* each once */
	}
	free(classes);
}

/* ---- policies ------------------------------------------------------------------------------------------------ */

/* A few networks, and prefixes of all lengths in them, so that many nest. */
static void random_prefix(uint64_t *random, bool ipv6, struct usher_address *address, unsigned int *bits)
{
	uint64_t network = next_random(random) % 6, low = next_random(random);

	memset(address, 0, sizeof(*address));
	if (ipv6) {
		address->bytes[0] = 0x20;
		address->bytes[1] = (uint8_t)network;
		for (int i = 2; i < 16; i++)
			address->bytes[i] = next_random(random) % 3 ? 0 : (uint8_t)(low >> 8 * (i % 8));
		*bits = 8 + (unsigned int)(next_random(random) % 121);
	} else {
		address->bytes[10] = address->bytes[11] = 0xff;
		address->bytes[12] = (uint8_t)(20 + network);
		for (int i = 13; i < 16; i++)
			address->bytes[i] = (uint8_t)(low >> 8 * i);
		*bits = 96 + 4 + (unsigned int)(next_random(random) % 29);
	}
	mask(address, *bits, false);
}

static int by_text(const void *left, const void *right)
{
	return strcmp(left, right);
}

static char prefixes[PREFIXES][64];
static const char *const regions[] = {"DE", "FR-IDF", "US"};

static void draw_prefixes(uint64_t seed, size_t count)
{
	uint64_t random = seed;

	for (size_t i = 0; i < count; i++) {
		struct usher_address address;
		unsigned int bits;
		bool ipv6 = next_random(&random) % 2;
		char text[ADDRESS_TEXT];

		random_prefix(&random, ipv6, &address, &bits);
		snprintf(prefixes[i], sizeof(prefixes[i]), "%s/%u", address_print(&address, text),
			 ipv6 ? bits : bits - 96);
	}
	qsort(prefixes, count, sizeof(prefixes[0]), by_text);
}

/* Every third prefix is in one of two geography files, some of them in the policy as well; in no order. */
static void write_files(struct writing *to, uint64_t seed, size_t count)
{
	for (unsigned int file = 0; file < FILES; file++) {
		struct writing lines = {0};
		size_t length;

		writef(&lines, "# of file %u\n", file);
		for (size_t n = 0; n < count; n++) {
			size_t i = (n * 7919 + seed) % count;

			if ((!i || strcmp(prefixes[i], prefixes[i - 1])) && i % 3 == 0 && i / 3 % FILES == file)
				writef(&lines, "%s,%s\n", prefixes[i], regions[usher_mix64(i + 1) % 3]);
		}
		writef(&lines, "0.0.0.0/%u,JP\n", 1 + file);
		length = to->length + (size_t)snprintf(NULL, 0, "usher-file read 6 %zu\nf%u.csv", lines.length, file);
		writef(to, "%cusher-file read 6 %zu\nf%u.csv", 0, lines.length, file);
		assert_int_equal(to->length, length + 1);
		writef(to, "%s", lines.text);
		free(lines.text);
	}
}

static void write_policy(struct writing *to, uint64_t seed, size_t count)
{
	draw_prefixes(seed, count);
	writef(to, "{\"apiVersion\": \"usher/v1\", \"models\": {}, \"backends\": {}, \"services\": {}, \"rules\": [],"
		   "\"tenants\": {");
	for (unsigned int t = 0, written = 0; t < 5; t++) {
		size_t sources = 0;

		for (size_t i = 0; i < count; i++) {
			if ((i && !strcmp(prefixes[i], prefixes[i - 1])) || usher_mix64(seed + i) % 5 != t ||
			    (i % 3 == 0 && i % 2)) /* in a file alone */
				continue;
			if (!sources++)
				writef(to, "%s\"t%u\": {\"sources\": [", written++ ? "," : "", t);
			writef(to, "%s{\"prefix\": \"%s\", \"region\": \"%s\"}", sources > 1 ? "," : "", prefixes[i],
			       regions[usher_mix64(i) % 3]);
		}
		writef(to, "%s", sources ? "]}" : "");
	}
	for (unsigned int file = 0; file < FILES; file++)
		writef(to, "%s\"g%u\": {\"sources\": [{\"geo\": \"f%u.csv\"}]}",
		       file || strchr(to->text, '[') != strrchr(to->text, '[') ? "," : "", file, file);
	writef(to, "}}");
	write_files(to, seed, count);
}

static void compare_all(uint64_t seed, size_t count)
{
	struct writing text = {0};
	struct compiled compiled;
	uint64_t random = ~seed;

	write_policy(&text, seed, count);
	if (compile_bundle(NULL, text.text, text.length, NULL, &compiled)) {
		diagnostics_print(&compiled.diagnostics, stderr);
		fail_msg("the policy of seed %u does not compile", (unsigned int)seed);
	}
	for (size_t t = 0; t < compiled.policy->tenant_count; t++)
		for (size_t s = 0; s < compiled.policy->tenants[t].source_count; s += 1 + count / 500) {
			const struct source *source = &compiled.policy->tenants[t].sources[s];
			struct usher_address edge = source->address;

			compare(&compiled, &edge);
			step(&edge, -1);
			compare(&compiled, &edge);
			edge = source->address;
			mask(&edge, source->bits, true);
			compare(&compiled, &edge);
			step(&edge, 1);
			compare(&compiled, &edge);
		}
	for (size_t i = 0; i < LOOKUPS * count / PREFIXES + 100; i++) {
		struct usher_address address;
		unsigned int bits;

		random_prefix(&random, next_random(&random) % 2, &address, &bits);
		for (int b = 12; b < 16; b++)
			address.bytes[b] ^= next_random(&random) % 2 ? 0 : (uint8_t)next_random(&random);
		compare(&compiled, &address);
		if (i < 200) {
			random_prefix(&random, next_random(&random) % 2, &address, &bits);
			compare_range(&compiled, &address, bits);
		}
	}
	compiled_free(&compiled);
	free(text.text);
}

static void test_few_prefixes(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++)
		compare_all(seed, seed % 40);
}

static void test_thousands_of_nested_prefixes(void **state)
{
	(void)state;
	compare_all(1000, PREFIXES);
	compare_all(1001, PREFIXES);
}

static void test_the_whole_space(void **state)
{
	static const char text[] =
		"{\"apiVersion\": \"usher/v1\", \"models\": {}, \"backends\": {}, \"services\": {}, \"rules\": [], "
		"\"tenants\": {"
		"\"all\": {\"sources\": [{\"prefix\": \"0.0.0.0/0\", \"region\": \"DE\"}, {\"prefix\": \"::/0\", "
		"\"region\": \"FR\"}]},"
		"\"one\": {\"sources\": [{\"prefix\": \"255.255.255.255/32\", \"region\": \"US\"},"
		"{\"prefix\": \"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128\", \"region\": \"US\"}]}}}";
	static const char *const addresses[] = {"0.0.0.0",
						"255.255.255.254",
						"255.255.255.255",
						"::",
						"::1",
						"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe",
						"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"};
	struct compiled compiled;
	struct usher_address address;

	(void)state;
	if (compile_after(NULL, text, NULL, &compiled)) {
		diagnostics_print(&compiled.diagnostics, stderr);
		fail();
	}
	for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++) {
		assert_int_equal(address_parse(addresses[i], &address), 0);
		compare(&compiled, &address);
	}
	compiled_free(&compiled);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few_prefixes),
		cmocka_unit_test(test_thousands_of_nested_prefixes),
		cmocka_unit_test(test_the_whole_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
