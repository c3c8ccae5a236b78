/* SPDX-License-Identifier: GPL-2.0-only */
#include "audit/record.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include <cmocka.h>

#include "audit/catalogs.h"
#include "base/address.h"
#include "base/cleanup.h"
#include "compile/compile.h"
#include "compile/sources.h"
#include "policy/policy.h"

static const struct record_stamp stamp = {.realtime = 1767225600123000000LL, .boot_id = 0xfeedULL};

/* Service 1 credit, 2 credit-small; tenant 3 acme; class 2; backend 4 fra1, incarnation 6; rules a, b. */
static struct catalog *catalog_of(uint64_t generation, uint16_t incarnation)
{
	struct catalog *catalog = calloc(1, sizeof(*catalog));
	struct arena *arena = &catalog->arena;

	catalog->generation = generation;
	strcpy(catalog->policy_digest, "d16e57");
	catalog->policy_revision = 42;
	catalog->rules = arena_array(arena, 2, sizeof(*catalog->rules));
	catalog->rules[0] = "a";
	catalog->rules[1] = "b";
	catalog->rule_count = 2;
	catalog->classes = arena_array(arena, 3, sizeof(*catalog->classes));
	catalog->class_count = 3;
	strcpy(catalog->classes[2].region, "DE-HE");
	catalog->tenants = arena_array(arena, USHER_TENANT_IDS, sizeof(*catalog->tenants));
	catalog->tenants[3] = "acme";
	catalog->services = arena_array(arena, USHER_SERVICES_MAX, sizeof(*catalog->services));
	catalog->services[1] = (struct catalog_service){.name = "credit", .model = "scorer"};
	catalog->services[2] = (struct catalog_service){.name = "credit-small", .model = "small"};
	catalog->backends = arena_array(arena, USHER_BACKENDS_MAX, sizeof(*catalog->backends));
	catalog->backends[4] = (struct catalog_backend){.name = "fra1",
							.model = "scorer",
							.version = "3.1.0",
							.region = "DE",
							.incarnation = incarnation,
							.port = 8000};
	address_parse("10.1.0.11", &catalog->backends[4].address);
	catalog->nat = arena_array(arena, USHER_NAT_ADDRESSES_MAX, sizeof(*catalog->nat));
	return catalog;
}

/* Of the flow below, made by another program than ours (tests/lab/ends.py has it). */
#define CLIENT_UID "1:09tEBS29NaM0HjDjTS8kCzkey/0="
#define BACKEND_UID "1:9KuIzXs+mmw6SZRdap0gFUy5E6Y="

static struct usher_event event_of(enum usher_reason reason)
{
	struct usher_event event = {.sequence = 77,
				    .generation = 9,
				    .client_port_be = htons(51000),
				    .service_port_be = htons(443),
				    .rule = 1,
				    .class_id = 2,
				    .tenant = 3,
				    .service = 1,
				    .target = 1,
				    .backend = 4,
				    .incarnation = 6,
				    .nat_port_be = htons(40001),
				    .cpu = 5,
				    .protocol = IPPROTO_TCP,
				    .reason = (uint8_t)reason,
				    .ring = USHER_RING_REQUIRED};

	address_parse("203.0.113.10", &event.client);
	address_parse("198.51.100.10", &event.service_address);
	return event;
}

/* One line, one object. To be released with json_object_put. */
static struct json_object *parsed(const struct json *line)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *object;

	assert_true(line->length && line->bytes[line->length - 1] == '\n');
	assert_null(memchr(line->bytes, '\n', line->length - 1));
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, line->bytes, (int)line->length - 1);
	assert_true(object && json_object_is_type(object, json_type_object));
	json_tokener_free(tokener);
	return object;
}

static struct json_object *field(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	if (!json_object_object_get_ex(object, key, &value))
		fail_msg("no field %s", key);
	return value;
}

static void expect_text(struct json_object *object, const char *key, const char *text)
{
	assert_string_equal(json_object_get_string(field(object, key)), text);
}

static void expect_number(struct json_object *object, const char *key, int64_t number)
{
	assert_true(json_object_is_type(field(object, key), json_type_int));
	assert_int_equal(json_object_get_int64(field(object, key)), number);
}

static void expect_endpoint(struct json_object *object, const char *key, const char *ip, int port)
{
	expect_text(field(object, key), "ip", ip);
	expect_number(field(object, key), "port", port);
}

static void test_a_decision_says_everything(void **state)
{
	_cleanup_(json_free) struct json line = {0};
	struct catalog *catalog = catalog_of(9, 6);
	struct usher_event event = event_of(USHER_REASON_ADMITTED);
	struct usher_address nat;
	struct json_object *record;

	(void)state;
	address_parse("10.0.0.2", &nat);
	record_decision(&line, &stamp, &event, catalog, &catalog->backends[4], &nat, NULL);
	record = parsed(&line);
	expect_text(record, "time", "2026-01-01T00:00:00.123Z");
	expect_text(record, "type", "decision");
	expect_text(record, "boot", "000000000000feed");
	expect_number(record, "cpu", 5);
	expect_text(record, "ring", "required");
	expect_number(record, "sequence", 77);
	expect_text(record, "verdict", "forward");
	expect_text(record, "reason", "admitted");
	expect_number(record, "generation", 9);
	expect_text(record, "rule", "b");
	expect_text(record, "policy_digest", "d16e57");
	expect_number(record, "policy_revision", 42);
	expect_text(record, "tenant", "acme");
	expect_text(record, "client_region", "DE-HE");
	expect_text(record, "service", "credit");
	expect_text(record, "model", "scorer");
	expect_text(record, "version", "3.1.0");
	expect_text(record, "backend", "fra1");
	expect_text(record, "backend_region", "DE");
	expect_endpoint(record, "src_endpoint", "203.0.113.10", 51000);
	expect_endpoint(record, "dst_endpoint", "198.51.100.10", 443);
	expect_endpoint(record, "backend_endpoint", "10.1.0.11", 8000);
	expect_endpoint(record, "nat_endpoint", "10.0.0.2", 40001);
	expect_text(field(record, "connection_info"), "protocol_name", "tcp");
	expect_text(field(record, "connection_info"), "community_uid", CLIENT_UID);
	expect_text(field(record, "connection_info"), "backend_community_uid", BACKEND_UID);
	assert_false(json_object_object_get_ex(record, "target", NULL));
	assert_false(json_object_object_get_ex(record, "numbers", NULL));
	json_object_put(record);
	catalog_free(catalog);
}

static void test_a_reroute_names_both_services(void **state)
{
	_cleanup_(json_free) struct json line = {0};
	struct catalog *catalog = catalog_of(9, 6);
	struct usher_event event = event_of(USHER_REASON_REROUTED);
	struct json_object *record;

	(void)state;
	event.target = 2;
	record_decision(&line, &stamp, &event, catalog, &catalog->backends[4], NULL, NULL);
	record = parsed(&line);
	expect_text(record, "reason", "rerouted");
	expect_text(record, "service", "credit");
	expect_text(record, "target", "credit-small");
	assert_null(field(record, "nat_endpoint"));
	json_object_put(record);
	catalog_free(catalog);
}

static void test_a_refusal_has_the_same_fields(void **state)
{
	_cleanup_(json_free) struct json line = {0};
	struct catalog *catalog = catalog_of(9, 6);
	struct usher_event event = event_of(USHER_REASON_NO_ALLOW_RULE);
	struct json_object *record;

	(void)state;
	event.backend = USHER_NONE;
	event.rule = USHER_NONE;
	event.nat_port_be = 0;
	event.protocol = IPPROTO_UDP;
	record_decision(&line, &stamp, &event, catalog, NULL, NULL, NULL);
	record = parsed(&line);
	expect_text(record, "verdict", "refuse");
	expect_text(record, "reason", "no-allow-rule");
	expect_text(record, "model", "scorer");
	assert_null(field(record, "rule"));
	assert_null(field(record, "version"));
	assert_null(field(record, "backend"));
	assert_null(field(record, "backend_region"));
	assert_null(field(record, "backend_endpoint"));
	assert_null(field(record, "nat_endpoint"));
	expect_text(field(record, "connection_info"), "protocol_name", "udp");
	assert_false(json_object_object_get_ex(record, "numbers", NULL));
	json_object_put(record);
	catalog_free(catalog);
}

static void test_without_names_the_numbers_stay(void **state)
{
	_cleanup_(json_free) struct json line = {0};
	struct usher_event event = event_of(USHER_REASON_REVOKED);
	struct json_object *record, *numbers;

	(void)state;
	record_decision(&line, &stamp, &event, NULL, NULL, NULL, NULL);
	record = parsed(&line);
	expect_text(record, "verdict", "revoke");
	assert_null(field(record, "tenant"));
	assert_null(field(record, "policy_digest"));
	assert_null(field(record, "policy_revision"));
	assert_null(field(record, "client_region"));
	numbers = field(record, "numbers");
	expect_number(numbers, "tenant", 3);
	expect_number(numbers, "class", 2);
	expect_number(numbers, "service", 1);
	expect_number(numbers, "backend", 4);
	expect_number(numbers, "incarnation", 6);
	expect_number(numbers, "rule", 1);
	json_object_put(record);
}

/* Numbers come from shared memory: none of them may lead out of a table. */
static void test_numbers_out_of_range_name_nothing(void **state)
{
	_cleanup_(json_free) struct json line = {0};
	struct catalog *catalog = catalog_of(9, 6);
	struct usher_event event;
	struct json_object *record;

	(void)state;
	memset(&event, 0xff, sizeof(event));
	record_decision(&line, &stamp, &event, catalog, NULL, NULL, NULL);
	record = parsed(&line);
	expect_text(record, "reason", "unknown");
	expect_text(record, "verdict", "unknown");
	assert_null(field(record, "tenant"));
	assert_null(field(record, "service"));
	assert_null(field(record, "ring"));
	json_object_put(record);
	catalog_free(catalog);
}

static void test_gaps_and_operations(void **state)
{
	_cleanup_(json_free) struct json line = {0};
	struct record_gap gap = {.cpu = 1, .ring = USHER_RING_EVENTS, .first = 10, .last = 14};
	struct record_actor actor = {.uid = 1000, .pid = 4242, .user = "an \"operator\"\n"};
	struct json_object *record;

	(void)state;
	record_gap(&line, &stamp, &gap);
	record = parsed(&line);
	expect_text(record, "type", "gap");
	expect_text(record, "ring", "events");
	expect_number(record, "first", 10);
	expect_number(record, "last", 14);
	expect_number(record, "count", 5);
	json_object_put(record);

	json_clear(&line);
	record_operation(&line, &stamp, "drain", &actor);
	json_string(&line, "backend", "fra1");
	record_operation_end(&line);
	record = parsed(&line);
	expect_text(record, "type", "operation");
	expect_text(record, "activity", "drain");
	expect_number(field(record, "actor"), "uid", 1000);
	expect_number(field(record, "actor"), "pid", 4242);
	expect_text(field(record, "actor"), "user", "an \"operator\"\n");
	expect_text(record, "backend", "fra1");
	json_object_put(record);
}

/* What comes from outside, a file's name for example, may hold any bytes; the line must stay one that can be read. */
static void test_any_bytes_make_a_line(void **state)
{
	static const struct {
		const char *bytes, *text;
	} cases[] = {
		{"plain", "plain"},
		{"\x01\n\t\x1f\x7f", "\x01\n\t\x1f\x7f"},
		{"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
		{"a\xff"
		 "b",
		 "a\xef\xbf\xbd"
		 "b"},
		{"cut \xe2\x82", "cut \xef\xbf\xbd\xef\xbf\xbd"},
		{"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},				      /* longer than need be */
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},		      /* a surrogate */
		{"\xf4\x90\x80\x80\"", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* beyond all */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(json_free) struct json line = {0};
		struct json_object *record;

		record_operation(&line, &stamp, "apply", NULL);
		json_string(&line, "file", cases[i].bytes);
		record_operation_end(&line);
		record = parsed(&line);
		expect_text(record, "file", cases[i].text);
		json_object_put(record);
	}
}

/* ---- catalogs ----------------------------------------------------------------------------------------------- */

static void test_generations_are_kept_while_records_may_name_them(void **state)
{
	struct catalogs *catalogs;

	(void)state;
	assert_int_equal(catalogs_new(&catalogs), 0);
	assert_null(catalogs_find(catalogs, 1));
	assert_null(catalogs_backend(catalogs, 4, 6));
	for (uint64_t generation = 1; generation <= 5; generation++)
		catalogs_add(catalogs, catalog_of(generation, (uint16_t)(generation < 4 ? 6 : 7)));
	for (uint64_t generation = 1; generation <= 5; generation++)
		assert_int_equal(catalogs_find(catalogs, generation)->generation, generation);
	catalogs_drained(catalogs, 0);
	assert_non_null(catalogs_find(catalogs, 1));
	/* Records of the fourth may not have been read yet. */
	catalogs_drained(catalogs, 3);
	assert_null(catalogs_find(catalogs, 1));
	assert_non_null(catalogs_find(catalogs, 2));
	catalogs_drained(catalogs, 5);
	assert_null(catalogs_find(catalogs, 3));
	assert_non_null(catalogs_find(catalogs, 4));
	assert_non_null(catalogs_find(catalogs, 5));
	/* Whom a flow of an older generation went to is still known, under the incarnation that the flow names. */
	assert_string_equal(catalogs_backend(catalogs, 4, 6)->name, "fra1");
	assert_string_equal(catalogs_backend(catalogs, 4, 6)->version, "3.1.0");
	assert_int_equal(catalogs_backend(catalogs, 4, 7)->incarnation, 7);
	assert_null(catalogs_backend(catalogs, 4, 5));
	assert_null(catalogs_backend(catalogs, USHER_NONE, 6));
	catalogs_drained(catalogs, 5);
	assert_non_null(catalogs_find(catalogs, 4));
	catalogs_free(catalogs);
}

static struct catalog *catalog_with_nat(uint64_t generation, uint8_t number, const char *address)
{
	struct catalog *catalog = catalog_of(generation, 6);

	assert_int_equal(address_parse(address, &catalog->nat[number].address), 0);
	catalog->nat[number].used = 1;
	return catalog;
}

static void expect_nat(const struct catalogs *catalogs, uint64_t generation, uint8_t number, const char *address)
{
	char text[ADDRESS_TEXT];

	assert_non_null(catalogs_nat(catalogs, generation, number));
	assert_string_equal(address_print(catalogs_nat(catalogs, generation, number), text), address);
}

/* A number may mean another address later: a record is of the one that it meant then, whatever is forgotten meanwhile. */
static void test_a_nat_address_is_that_of_its_time(void **state)
{
	struct catalogs *catalogs;

	(void)state;
	assert_int_equal(catalogs_new(&catalogs), 0);
	assert_null(catalogs_nat(catalogs, 1, 3));
	catalogs_add(catalogs, catalog_with_nat(5, 3, "10.0.0.2"));
	catalogs_add(catalogs, catalog_with_nat(6, 4, "10.0.0.3")); /* the third is nobody's for a time */
	catalogs_add(catalogs, catalog_with_nat(7, 3, "10.0.0.4"));
	catalogs_add(catalogs, catalog_with_nat(8, 3, "10.0.0.4"));
	catalogs_drained(catalogs, 9);
	assert_null(catalogs_find(catalogs, 6));
	expect_nat(catalogs, 2, 3, "10.0.0.2"); /* of a flow that began before anything was known */
	expect_nat(catalogs, 5, 3, "10.0.0.2");
	expect_nat(catalogs, 6, 3, "10.0.0.2");
	expect_nat(catalogs, 7, 3, "10.0.0.4");
	expect_nat(catalogs, 9, 3, "10.0.0.4");
	assert_null(catalogs_nat(catalogs, 5, 4));
	expect_nat(catalogs, 8, 4, "10.0.0.3");
	assert_null(catalogs_nat(catalogs, 8, USHER_NAT_ADDRESSES_MAX));
	catalogs_free(catalogs);
}

static void test_many_decisions_in_one_record(void **state)
{
	_cleanup_(json_free) struct json line = {0};
	struct catalog *catalog = catalog_of(9, 6);
	struct usher_event event = event_of(USHER_REASON_NEW_FLOW_LIMIT);
	struct json_object *record;

	(void)state;
	event.aggregated = 1;
	event.count = 123456;
	event.backend = USHER_NONE;
	event.nat_port_be = 0;
	memset(&event.client, 0, sizeof(event.client));
	record_decision(&line, &stamp, &event, catalog, NULL, NULL, NULL);
	record = parsed(&line);
	expect_text(record, "type", "decision");
	expect_text(record, "verdict", "drop");
	expect_text(record, "reason", "new-flow-limit");
	expect_text(record, "tenant", "acme");
	expect_text(record, "client_region", "DE-HE");
	expect_text(record, "service", "credit");
	expect_number(record, "count", 123456);
	expect_text(record, "end_time", "2026-01-01T00:00:00.123Z");
	expect_text(record, "start_time", "2025-12-31T23:59:59.049Z"); /* a tick before */
	assert_null(field(record, "src_endpoint"));
	assert_null(field(record, "dst_endpoint"));
	assert_null(field(record, "backend"));
	assert_false(json_object_object_get_ex(field(record, "connection_info"), "community_uid", NULL));
	json_object_put(record);
	catalog_free(catalog);
}

/* Opened 2.5 s ago, and silent since 1 s ago. */
static struct usher_flow_end end_of(void)
{
	struct usher_flow_end end = {.event = event_of(USHER_REASON_NOT_FOR_SERVICE),
				     .begun = 7500000000,
				     .seen = 9000000000,
				     .generation = 4,
				     .packets_to = 12,
				     .bytes_to = 3456,
				     .packets_from = 1ull << 33,
				     .bytes_from = 1ull << 40};

	end.event.rule = end.event.class_id = USHER_NONE;
	end.event.time = 10000000000;
	end.event.ended = USHER_ENDED_RESET_BY_BACKEND;
	return end;
}

static void test_the_end_of_a_flow(void **state)
{
	_cleanup_(json_free) struct json line = {0};
	struct catalog *catalog = catalog_of(9, 6);
	struct usher_flow_end end = end_of();
	struct json_object *record;
	struct usher_address nat;

	(void)state;
	address_parse("10.0.0.2", &nat);
	record_flow(&line, &stamp, &end, catalog, &catalog->backends[4], &nat, NULL);
	record = parsed(&line);
	expect_text(record, "time", "2026-01-01T00:00:00.123Z");
	expect_text(record, "type", "flow");
	expect_number(record, "cpu", 5);
	expect_text(record, "ring", "required");
	expect_number(record, "sequence", 77);
	expect_text(record, "ended", "reset-by-backend");
	expect_text(record, "start_time", "2025-12-31T23:59:57.623Z");
	expect_text(record, "end_time", "2025-12-31T23:59:59.123Z");
	expect_number(record, "duration", 1500);
	expect_text(record, "sides", "both");
	expect_number(field(record, "traffic"), "packets_out", 12);
	expect_number(field(record, "traffic"), "bytes_out", 3456);
	expect_number(field(record, "traffic"), "packets_in", 1ll << 33);
	expect_number(field(record, "traffic"), "bytes_in", 1ll << 40);
	expect_number(record, "generation", 9);
	expect_number(record, "opened_generation", 4);
	expect_text(record, "policy_digest", "d16e57");
	expect_text(record, "tenant", "acme");
	expect_text(record, "service", "credit");
	expect_text(record, "model", "scorer");
	expect_text(record, "version", "3.1.0");
	expect_text(record, "backend", "fra1");
	expect_endpoint(record, "src_endpoint", "203.0.113.10", 51000);
	expect_endpoint(record, "dst_endpoint", "198.51.100.10", 443);
	expect_endpoint(record, "nat_endpoint", "10.0.0.2", 40001);
	expect_text(field(record, "connection_info"), "community_uid", CLIENT_UID);
	expect_text(field(record, "connection_info"), "backend_community_uid", BACKEND_UID);
	assert_false(json_object_object_get_ex(record, "numbers", NULL));
	assert_false(json_object_object_get_ex(record, "rule", NULL));
	json_object_put(record);
	catalog_free(catalog);
}

/* In direct return nobody here has seen what the backend sent. */
static void test_the_end_of_a_flow_of_which_one_side_was_seen(void **state)
{
	_cleanup_(json_free) struct json line = {0};
	struct catalog *catalog = catalog_of(9, 7);
	struct usher_flow_end end = end_of();
	struct json_object *record;

	(void)state;
	end.event.nat_port_be = 0;
	end.event.ended = USHER_ENDED_MAX;
	record_flow(&line, &stamp, &end, catalog, NULL, NULL, NULL);
	record = parsed(&line);
	assert_null(field(record, "ended")); /* of a kernel program that knows more than this */
	expect_text(record, "sides", "client");
	assert_null(field(field(record, "traffic"), "packets_in"));
	assert_null(field(field(record, "traffic"), "bytes_in"));
	assert_null(field(record, "nat_endpoint"));
	expect_text(field(record, "connection_info"), "community_uid", CLIENT_UID);
	assert_false(json_object_object_get_ex(field(record, "connection_info"), "backend_community_uid", NULL));
	expect_number(field(record, "numbers"), "incarnation", 6);
	json_object_put(record);
	catalog_free(catalog);
}

/* ---- the prefix that says who it is -------------------------------------------------------------------------- */

static const char prefixes[] = "{\"apiVersion\": \"usher/v1\", \"models\": {}, \"backends\": {}, \"services\": {}, "
			       "\"rules\": [], \"tenants\": {"
			       "\"wide\": {\"sources\": [{\"prefix\": \"203.0.112.0/22\", \"region\": \"DE\"}, "
			       "{\"prefix\": \"2001:db8::/32\", "
			       "\"region\": \"DE\"}]},"
			       "\"narrow\": {\"sources\": [{\"prefix\": \"203.0.113.64/26\", \"region\": \"DE\"}, "
			       "{\"prefix\": \"203.0.113.9/32\", "
			       "\"region\": \"DE\"}, {\"prefix\": \"2001:db8:a:b::/64\", \"region\": \"DE\"}]},"
			       "\"net\": {\"sources\": [{\"prefix\": \"203.0.114.0/24\", \"region\": \"DE\"}, "
			       "{\"prefix\": \"2001:db8:c::/48\", "
			       "\"region\": \"DE\"}]}}}";

static struct catalog *catalog_with_prefixes(void)
{
	struct diagnostics diagnostics = {.file = "test.json"};
	struct catalog *catalog = catalog_of(9, 6);
	struct policy *policy;

	if (policy_parse("test.json", prefixes, strlen(prefixes), 0, &diagnostics, &policy)) {
		diagnostics_print(&diagnostics, stderr);
		fail();
	}
	diagnostics_free(&diagnostics);
	catalog->trees = source_trees_of(policy, NULL);
	policy_free(policy);
	return catalog;
}

/* prefix NULL: none is on record. */
static void expect_prefix(const struct catalog *catalog, const struct veil *veil, const char *client,
			  const char *prefix)
{
	_cleanup_(json_free) struct json line = {0};
	struct usher_event event = event_of(USHER_REASON_ADMITTED);
	struct json_object *record, *got;

	address_parse(client, &event.client);
	event.class_id = (uint16_t)source_trees_find(catalog->trees, &event.client);
	record_decision(&line, &stamp, &event, catalog, NULL, NULL, veil);
	record = parsed(&line);
	got = field(record, "client_prefix");
	if (prefix)
		assert_string_equal(json_object_get_string(got), prefix);
	else
		assert_null(got);
	json_object_put(record);
}

static void test_the_prefix_that_classified_the_client(void **state)
{
	_cleanup_(json_free) struct json line = {0};
	struct catalog *catalog = catalog_with_prefixes();
	struct usher_event event = event_of(USHER_REASON_ADMITTED);

	(void)state;
	expect_prefix(catalog, NULL, "203.0.112.1", "203.0.112.0/22");
	expect_prefix(catalog, NULL, "203.0.113.65", "203.0.113.64/26");
	expect_prefix(catalog, NULL, "203.0.113.9", "203.0.113.9/32");
	expect_prefix(catalog, NULL, "203.0.113.10", "203.0.112.0/22");
	expect_prefix(catalog, NULL, "2001:db8:a:b::1", "2001:db8:a:b::/64");
	expect_prefix(catalog, NULL, "2001:db8:ffff::1", "2001:db8::/32");
	expect_prefix(catalog, NULL, "198.51.100.1", NULL); /* nobody's */
	expect_prefix(catalog, NULL, "2001:db9::1", NULL);
	/* Not what these prefixes make of it. */
	event.class_id = (uint16_t)(source_trees_find(catalog->trees, &event.client) + 1);
	record_decision(&line, &stamp, &event, catalog, NULL, NULL, NULL);
	assert_non_null(memmem(line.bytes, line.length, "\"client_prefix\":null", 20));
	catalog_free(catalog);
}

/* What a prefix may not tell: more than the network of an address that is not on record itself. */
static void test_a_prefix_tells_no_more_than_the_network(void **state)
{
	static const enum client_address modes[] = {CLIENT_TRUNCATED, CLIENT_HMAC};
	struct catalog *catalog = catalog_with_prefixes();
	struct problem problem = {0};
	struct veil *veil;
	bool damaged;

	(void)state;
	assert_int_equal(veil_open("/nonexistent/keys", &problem, &veil, &damaged), 0);
	for (size_t i = 0; i < 2; i++) {
		veil_set(veil, &(struct client_privacy){.mode = modes[i]});
		expect_prefix(catalog, veil, "203.0.113.9", NULL);
		expect_prefix(catalog, veil, "203.0.113.65", NULL);
		expect_prefix(catalog, veil, "2001:db8:a:b::1", NULL);
		expect_prefix(catalog, veil, "203.0.112.1", "203.0.112.0/22");
		expect_prefix(catalog, veil, "203.0.114.77", "203.0.114.0/24");
		expect_prefix(catalog, veil, "2001:db8:c:d::1", "2001:db8:c::/48");
	}
	veil_set(veil, &(struct client_privacy){.mode = CLIENT_PLAIN});
	expect_prefix(catalog, veil, "203.0.113.9", "203.0.113.9/32");
	veil_close(veil);
	catalog_free(catalog);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_decision_says_everything),
		cmocka_unit_test(test_a_reroute_names_both_services),
		cmocka_unit_test(test_a_refusal_has_the_same_fields),
		cmocka_unit_test(test_without_names_the_numbers_stay),
		cmocka_unit_test(test_numbers_out_of_range_name_nothing),
		cmocka_unit_test(test_gaps_and_operations),
		cmocka_unit_test(test_any_bytes_make_a_line),
		cmocka_unit_test(test_generations_are_kept_while_records_may_name_them),
		cmocka_unit_test(test_a_nat_address_is_that_of_its_time),
		cmocka_unit_test(test_many_decisions_in_one_record),
		cmocka_unit_test(test_the_prefix_that_classified_the_client),
		cmocka_unit_test(test_a_prefix_tells_no_more_than_the_network),
		cmocka_unit_test(test_the_end_of_a_flow),
		cmocka_unit_test(test_the_end_of_a_flow_of_which_one_side_was_seen),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
