// SPDX-License-Identifier: GPL-2.0-only
/* Search trees at their largest and deepest: as many prefixes as there may be, none next to another, and one in the other. */
#include "compile/sources.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/address.h"
#include "compiled.h"

static const char *const regions[] = {"DE", "FR", "US"};

/* Walks down a tree as abi.h has it; counts lines. Returns the class. */
static const struct catalog_class *search(const struct tables *tables, const struct usher_address *address)
{
	bool ipv4 = address_is_ipv4(address);
	size_t keys = ipv4 ? USHER_SOURCE4_KEYS : USHER_SOURCE6_KEYS, line = 0, levels = 0, found = 0, class_id;
	size_t lines = ipv4 ? tables->header.source4_lines : tables->header.source6_lines;
	uint64_t high = ipv4 ? 0 : __builtin_bswap64(address->halves[0]);
	uint64_t low = ipv4 ? __builtin_bswap32(address->words[3]) : __builtin_bswap64(address->halves[1]);

	for (; line < lines; levels++) {
		size_t passed = 0;

		for (size_t k = 0; k < keys; k++) {
			uint64_t first_high = ipv4 ? 0 : tables->source6[line].first[k].high;
			uint64_t first_low = ipv4 ? tables->source4[line].first[k] : tables->source6[line].first[k].low;

			passed += first_high < high || (first_high == high && first_low <= low);
		}
		if (passed)
			found = line * keys + passed;
		line = line * (keys + 1) + 1 + passed;
	}
	assert_in_range(levels, 0, ipv4 ? USHER_SOURCE4_LEVELS_MAX : USHER_SOURCE6_LEVELS_MAX);
	if (!found)
		class_id = ipv4 ? USHER_CLASS_UNKNOWN4 : USHER_CLASS_UNKNOWN6;
	else if (ipv4)
		class_id = tables->source4_classes[(found - 1) / 32].value[(found - 1) % 32];
	else
		class_id = tables->source6_classes[(found - 1) / 32].value[(found - 1) % 32];
	assert_in_range(class_id, 0, tables->class_count - 1);
	return &tables->catalog->classes[class_id];
}

/* region NULL: nobody knows it. */
static void expect(const struct tables *tables, const struct usher_address *address, const char *region)
{
	const struct catalog_class *class = search(tables, address);
	char text[ADDRESS_TEXT];

	if (strcmp(class->region, region ? region : "unknown") != 0 ||
	    strcmp(class->tenant, region ? "t" : "unknown") != 0 || class->family != address_family(address))
		fail_msg("%s is taken for %s in %s", address_print(address, text), class->tenant, class->region);
}

static void open_policy(struct writing *to)
{
	writef(to, "{\"apiVersion\": \"usher/v1\", \"models\": {}, \"backends\": {}, \"services\": {}, \"rules\": [], "
		   "\"tenants\": {\"t\": {\"sources\": [");
}

static void close_policy(struct writing *to, struct compiled *compiled)
{
	writef(to, "]}}}");
	if (compile_after(NULL, to->text, NULL, compiled)) {
		diagnostics_print(&compiled->diagnostics, stderr);
		fail_msg("it does not compile");
	}
	free(to->text);
}

static struct usher_address address4(uint32_t number)
{
	struct usher_address address;

	number = __builtin_bswap32(number);
	address_from_bytes(AF_INET, &number, &address);
	return address;
}

static struct usher_address address6(uint64_t high, uint64_t low)
{
	return (struct usher_address){.halves = {__builtin_bswap64(high), __builtin_bswap64(low)}};
}

/* /24s with a gap of a /24 behind each: two intervals a prefix. */
static void test_as_many_ipv4_prefixes_as_there_may_be(void **state)
{
	struct writing to = {0};
	struct compiled compiled;

	(void)state;
	open_policy(&to);
	for (uint32_t p = 0; p < USHER_PREFIXES_MAX; p++)
		writef(&to, "%s{\"prefix\": \"%u.%u.%u.0/24\", \"region\": \"%s\"}", p ? "," : "", 16 + p / 32768,
		       p / 128 % 256, p % 128 * 2, regions[p % 3]);
	close_policy(&to, &compiled);
	assert_in_range(compiled.tables->source4_lines, 1, USHER_SOURCE4_LINES);
	assert_in_range(compiled.tables->source4_class_lines, 1, USHER_SOURCE4_CLASS_LINES);
	for (uint32_t p = 0; p < USHER_PREFIXES_MAX; p++) {
		uint32_t first = (16u << 24) + p * 512;
		struct usher_address edges[] = {address4(first - 1), address4(first), address4(first + 255),
						address4(first + 256)};

		expect(compiled.tables, &edges[0], NULL);
		expect(compiled.tables, &edges[1], regions[p % 3]);
		expect(compiled.tables, &edges[2], regions[p % 3]);
		expect(compiled.tables, &edges[3], NULL);
	}
	print_message("# %u IPv4 prefixes: %zu lines of at most %d\n", USHER_PREFIXES_MAX,
		      compiled.tables->source4_lines, USHER_SOURCE4_LINES);
	compiled_free(&compiled);
}

static void test_as_many_ipv6_prefixes_as_there_may_be(void **state)
{
	struct writing to = {0};
	struct compiled compiled;

	(void)state;
	open_policy(&to);
	for (uint32_t p = 0; p < USHER_PREFIXES_MAX; p++)
		writef(&to, "%s{\"prefix\": \"2001:db8:%x:%x::/64\", \"region\": \"%s\"}", p ? "," : "", p / 32768,
		       p % 32768 * 2, regions[p % 3]);
	close_policy(&to, &compiled);
	assert_in_range(compiled.tables->source6_lines, 1, USHER_SOURCE6_LINES);
	assert_in_range(compiled.tables->source6_class_lines, 1, USHER_SOURCE6_CLASS_LINES);
	for (uint64_t p = 0; p < USHER_PREFIXES_MAX; p++) {
		uint64_t high = 0x20010db800000000ULL + p / 32768 * 65536 + p % 32768 * 2;
		struct usher_address edges[] = {address6(high - 1, UINT64_MAX), address6(high, 0),
						address6(high, UINT64_MAX), address6(high + 1, 0)};

		expect(compiled.tables, &edges[0], NULL);
		expect(compiled.tables, &edges[1], regions[p % 3]);
		expect(compiled.tables, &edges[2], regions[p % 3]);
		expect(compiled.tables, &edges[3], NULL);
	}
	print_message("# %u IPv6 prefixes: %zu lines of at most %d\n", USHER_PREFIXES_MAX,
		      compiled.tables->source6_lines, USHER_SOURCE6_LINES);
	compiled_free(&compiled);
}

/* The first `bits` bits of `base`, the next one turned, and then `tail`. */
static struct usher_address leaving(const struct usher_address *base, unsigned int bits, uint64_t tail)
{
	struct usher_address address = *base;

	for (unsigned int bit = bits; bit < 128; bit++) {
		uint8_t mask = (uint8_t)(0x80 >> bit % 8);
		bool one = bit == bits ? !(base->bytes[bit / 8] & mask) : tail >> bit % 64 & 1;

		address.bytes[bit / 8] =
			(uint8_t)(one ? address.bytes[bit / 8] | mask : address.bytes[bit / 8] & ~mask);
	}
	return address;
}

/* Prefixes of every length of one address: whoever agrees with it in n bits and no more is in the one of n bits. */
static void nest(const char *name, unsigned int shortest, unsigned int shift)
{
	static const uint64_t tails[] = {0, UINT64_MAX, 0x9e3779b97f4a7c15ULL};
	struct usher_address base, network;
	struct writing to = {0};
	struct compiled compiled;

	assert_int_equal(address_parse(name, &base), 0);
	open_policy(&to);
	for (unsigned int bits = shortest; bits <= 128; bits++) {
		char text[ADDRESS_TEXT];

		network = base;
		for (unsigned int bit = bits; bit < 128; bit++)
			network.bytes[bit / 8] = (uint8_t)(network.bytes[bit / 8] & ~(0x80 >> bit % 8));
		writef(&to, "%s{\"prefix\": \"%s/%u\", \"region\": \"%s\"}", bits > shortest ? "," : "",
		       address_print(&network, text), bits - shift, regions[bits % 3]);
	}
	close_policy(&to, &compiled);
	expect(compiled.tables, &base, regions[128 % 3]);
	for (unsigned int bits = shift; bits < 128; bits++)
		for (size_t t = 0; t < sizeof(tails) / sizeof(*tails); t++) {
			struct usher_address address = leaving(&base, bits, tails[t]);

			expect(compiled.tables, &address, bits < shortest ? NULL : regions[bits % 3]);
		}
	compiled_free(&compiled);
}

static void test_prefixes_of_every_length_in_each_other(void **state)
{
	(void)state;
	nest("198.51.100.37", 96, 96);
	nest("198.51.100.37", 101, 96);
	nest("0.0.0.0", 97, 96);
	nest("255.255.255.255", 97, 96);
	nest("2001:db8:85a3:8d3:1319:8a2e:370:7348", 1, 0);
	nest("2001:db8:85a3:8d3:1319:8a2e:370:7348", 20, 0);
	nest("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_many_ipv4_prefixes_as_there_may_be),
		cmocka_unit_test(test_as_many_ipv6_prefixes_as_there_may_be),
		cmocka_unit_test(test_prefixes_of_every_length_in_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
