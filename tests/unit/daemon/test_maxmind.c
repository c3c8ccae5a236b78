// SPDX-License-Identifier: GPL-2.0-only
/* Databases made here, byte by byte after the MaxMind DB File Format Specification 2.0, as lines of a geography file. */
#include "daemon/maxmind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>

#define NODES 1024
#define EMPTY UINT32_MAX
#define DATA (1u << 30)

struct making {
	uint32_t nodes[NODES][2];
	uint32_t count;
	uint8_t data[4096];
	size_t length;
	int version;
};

static void put(struct making *to, const void *bytes, size_t length)
{
	memcpy(to->data + to->length, bytes, length);
	to->length += length;
}

static void put_head(struct making *to, unsigned int type, size_t size)
{
	uint8_t head[] = {(uint8_t)((type > 7 ? 0 : type << 5) | size), (uint8_t)(type - 7)};

	put(to, head, type > 7 ? 2 : 1);
}

static void put_text(struct making *to, const char *text)
{
	put_head(to, 2, strlen(text));
	put(to, text, strlen(text));
}

static void put_number(struct making *to, unsigned int type, size_t size, uint64_t value)
{
	put_head(to, type, size);
	while (size--)
		put(to, &(uint8_t){(uint8_t)(value >> 8 * size)}, 1);
}

static void start(struct making *to, int version)
{
	memset(to, 0, sizeof(*to));
	memset(to->nodes, 0xff, sizeof(to->nodes));
	to->count = 1;
	to->version = version;
}

static void add(struct making *to, const char *network, unsigned int bits, const char *country, const char *subdivision)
{
	uint8_t address[16] = {0};
	bool six = strchr(network, ':') != NULL;
	uint32_t node = 0, record = DATA + (uint32_t)to->length;

	assert_int_equal(inet_pton(six ? AF_INET6 : AF_INET, network, address + (six || to->version == 4 ? 0 : 12)), 1);
	if (to->version == 6 && !six)
		bits += 96;
	put_head(to, 7, subdivision ? 2 : 1);
	put_text(to, "country");
	put_head(to, 7, 1);
	put_text(to, "iso_code");
	put_text(to, country);
	if (subdivision) {
		put_text(to, "subdivisions");
		put_head(to, 11, 1);
		put_head(to, 7, 1);
		put_text(to, "iso_code");
		put_text(to, subdivision);
	}
	for (unsigned int bit = 0; bit < bits; bit++) {
		uint32_t *next = &to->nodes[node][address[bit / 8] >> (7 - bit % 8) & 1];

		if (bit + 1 == bits)
			*next = record;
		else if (*next == EMPTY)
			*next = to->count++;
		node = *next;
	}
}

static void put_metadata(struct making *to)
{
	static const uint8_t zeros[16];

	put(to, zeros, 16);
	put(to, "\xab\xcd\xefMaxMind.com", 14);
	put_head(to, 7, 9);
	put_text(to, "node_count");
	put_number(to, 6, 4, to->count);
	put_text(to, "record_size");
	put_number(to, 5, 2, 32);
	put_text(to, "ip_version");
	put_number(to, 5, 2, (uint64_t)to->version);
	put_text(to, "database_type");
	put_text(to, "Test");
	put_text(to, "languages");
	put_head(to, 11, 0);
	put_text(to, "binary_format_major_version");
	put_number(to, 5, 2, 2);
	put_text(to, "binary_format_minor_version");
	put_number(to, 5, 2, 0);
	put_text(to, "build_epoch");
	put_number(to, 9, 8, 1795478400);
	put_text(to, "description");
	put_head(to, 7, 0);
}

static size_t left_out; /* of the database that was read last */

/* Writes the database, reads it, and compares what is said: the lines, or how the sentence ends. */
static void expect(struct making *from, size_t room, const char *wanted)
{
	char path[] = "/tmp/usher-maxmind-XXXXXX", sentence[MAXMIND_SENTENCE] = "";
	int file = mkstemp(path);
	FILE *to = fdopen(file, "w");
	static const uint8_t zeros[16];
	struct json lines = {0};
	const char *got;

	put_metadata(from);
	for (uint32_t n = 0; n < from->count; n++)
		for (int side = 0; side < 2; side++) {
			uint32_t record = from->nodes[n][side];

			record = record == EMPTY  ? from->count
				 : record >= DATA ? record - DATA + from->count + 16
						  : record;
			record = htonl(record);
			fwrite(&record, sizeof(record), 1, to);
		}
	fwrite(zeros, sizeof(zeros), 1, to);
	fwrite(from->data, from->length, 1, to);
	assert_int_equal(fclose(to), 0);
	left_out = 0;
	if (maxmind_read(path, room, &lines, &left_out, sentence))
		got = strstr(sentence, ": ") ? strstr(sentence, ": ") + 2 : sentence;
	else {
		json_raw(&lines, "", 1);
		got = lines.bytes;
	}
	unlink(path);
	assert_string_equal(got, wanted);
	json_free(&lines);
}

static struct making making;

static void test_networks_come_as_lines_and_neighbours_as_one(void **state)
{
	(void)state;
	start(&making, 4);
	add(&making, "203.0.113.0", 25, "DE", NULL);
	add(&making, "203.0.113.128", 25, "DE", NULL);
	add(&making, "198.51.100.0", 25, "DE", "HE");
	add(&making, "198.51.100.128", 25, "DE", NULL);
	add(&making, "192.0.2.0", 24, "FR", "toolong");
	expect(&making, 1000, "192.0.2.0/24,FR\n198.51.100.0/25,DE-HE\n198.51.100.128/25,DE\n203.0.113.0/24,DE\n");
}

static void test_ipv4_in_a_tree_of_ipv6(void **state)
{
	(void)state;
	start(&making, 6);
	add(&making, "203.0.113.0", 24, "DE", NULL);
	add(&making, "2001:db8:a::", 48, "FR", "IDF");
	expect(&making, 1000, "203.0.113.0/24,DE\n2001:db8:a::/48,FR-IDF\n");
	assert_int_equal(left_out, 0);
}

static void test_what_is_no_country_is_left_out(void **state)
{
	(void)state;
	start(&making, 4);
	add(&making, "203.0.113.0", 24, "QQ", NULL);
	add(&making, "192.0.2.0", 24, "US", NULL);
	add(&making, "198.51.100.0", 24, "ZZ", NULL);
	expect(&making, 1000, "192.0.2.0/24,US\n");
	assert_int_equal(left_out, 2); /* what has an entry, and no country of ISO 3166-1 */
	start(&making, 4);
	add(&making, "203.0.113.0", 24, "QQ", NULL);
	expect(&making, 1000, "it names no country of any network");
}

static void test_a_tree_that_leads_back_is_damaged(void **state)
{
	(void)state;
	start(&making, 4);
	add(&making, "203.0.113.0", 24, "DE", NULL);
	making.nodes[3][0] = 0;
	expect(&making, 1000, "its search tree is damaged");
}

static void test_more_than_there_is_room_for(void **state)
{
	(void)state;
	start(&making, 4);
	add(&making, "203.0.113.0", 24, "DE", NULL);
	expect(&making, 10, "it holds more than a geography file may");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_networks_come_as_lines_and_neighbours_as_one),
		cmocka_unit_test(test_ipv4_in_a_tree_of_ipv6),
		cmocka_unit_test(test_what_is_no_country_is_left_out),
		cmocka_unit_test(test_a_tree_that_leads_back_is_damaged),
		cmocka_unit_test(test_more_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
