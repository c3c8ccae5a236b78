// SPDX-License-Identifier: GPL-2.0-only
/* Every event that we make of a decision is one of OCSF's class 4001: its attributes, their types, what has to be there, what numbers mean. */
#include "audit/ocsf.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include <cmocka.h>

#include "audit/record.h"
#include "base/address.h"
#include "base/array.h"
#include "ocsf_1_3_0.h"

static const struct record_stamp stamp = {.realtime = 1767225600123000000LL, .boot_id = 0xfeedULL};

/* ---- against the schema ---------------------------------------------------------------------------------------- */

static char wrong[512];

__attribute__((format(printf, 1, 2))) static bool refuse(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(wrong, sizeof(wrong), format, arguments);
	va_end(arguments);
	return false;
}

static const struct ocsf_attribute *attribute_of(const char *object, const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(attributes); i++)
		if (!strcmp(attributes[i].object, object) && !strcmp(attributes[i].name, name))
			return &attributes[i];
	return NULL;
}

static bool is_ip(const char *text)
{
	uint8_t bytes[16];

	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

static bool has_type(struct json_object *value, enum ocsf_type type)
{
	int64_t number = json_object_get_int64(value);

	switch (type) {
	case STRING:
		return json_object_is_type(value, json_type_string) && json_object_get_string_len(value) > 0;
	case IP:
		return json_object_is_type(value, json_type_string) && is_ip(json_object_get_string(value));
	case INTEGER:
		return json_object_is_type(value, json_type_int) && number >= INT32_MIN && number <= INT32_MAX;
	case LONG:
		return json_object_is_type(value, json_type_int);
	case TIMESTAMP: /* ms: between 2001 and 2286 */
		return json_object_is_type(value, json_type_int) && number > 1000000000000 && number < 10000000000000;
	case PORT:
		return json_object_is_type(value, json_type_int) && number >= 0 && number <= 65535;
	case BOOLEAN:
		return json_object_is_type(value, json_type_boolean);
	case OBJECT:
		return json_object_is_type(value, json_type_object);
	case STRINGS:
		return json_object_is_type(value, json_type_array) && json_object_array_length(value) > 0 &&
		       json_object_is_type(json_object_array_get_idx(value, 0), json_type_string);
	default:
		return false;
	}
}

static bool is_captioned(struct json_object *object, const struct ocsf_attribute *attribute, struct json_object *value)
{
	struct json_object *sibling;

	for (const struct ocsf_caption *caption = attribute->captions; caption->text; caption++) {
		if (caption->id != json_object_get_int(value))
			continue;
		if (!attribute->sibling || !json_object_object_get_ex(object, attribute->sibling, &sibling))
			return true;
		return !strcmp(json_object_get_string(sibling), caption->text);
	}
	return false;
}

static bool has_one_of(struct json_object *object, const char *const *names)
{
	for (; *names; names++)
		if (json_object_object_get_ex(object, *names, NULL))
			return true;
	return false;
}

static bool is_complete(struct json_object *object, const char *kind)
{
	for (size_t i = 0; i < ARRAY_COUNT(attributes); i++)
		if (!strcmp(attributes[i].object, kind) && attributes[i].required &&
		    !json_object_object_get_ex(object, attributes[i].name, NULL))
			return refuse("%s has no %s", kind, attributes[i].name);
	for (size_t i = 0; i < ARRAY_COUNT(constraints); i++)
		if (!strcmp(constraints[i].object, kind) && !has_one_of(object, constraints[i].names))
			return refuse("%s has nothing that names it", kind);
	return true;
}

static bool conforms(struct json_object *object, const char *kind)
{
	if (!strcmp(kind, "object")) /* of the source's own */
		return true;
	json_object_object_foreach(object, name, value)
	{
		const struct ocsf_attribute *attribute = attribute_of(kind, name);

		if (!attribute)
			return refuse("%s has no attribute %s", kind, name);
		if (!has_type(value, attribute->type))
			return refuse("%s.%s has another type: %s", kind, name, json_object_to_json_string(value));
		if (attribute->captions && !is_captioned(object, attribute, value))
			return refuse("%s.%s is %s", kind, name, json_object_to_json_string(value));
		if (attribute->of && !conforms(value, attribute->of))
			return false;
	}
	return is_complete(object, kind);
}

static int64_t integer(struct json_object *object, const char *key)
{
	return json_object_get_int64(json_object_object_get(object, key));
}

static bool is_event(struct json_object *event)
{
	bool management = integer(event, "class_uid") == 3004;
	char name[64];

	if (!conforms(event, management ? MANAGEMENT : EVENT))
		return false;
	if (integer(event, "type_uid") != integer(event, "class_uid") * 100 + integer(event, "activity_id"))
		return refuse("type_uid is %lld", (long long)integer(event, "type_uid"));
	snprintf(name, sizeof(name), "%s: %s", management ? "Entity Management" : "Network Activity",
		 json_object_get_string(json_object_object_get(event, "activity_name")));
	if (strcmp(name, json_object_get_string(json_object_object_get(event, "type_name"))) != 0)
		return refuse("type_name is not %s", name);
	return true;
}

/* ---- decisions ------------------------------------------------------------------------------------------------- */

/* Service 1 credit, 2 credit-small; tenant 3; class 2; backend 4; rules a, b. */
static struct catalog *names(const char *client_region, const char *backend_region)
{
	struct catalog *catalog = calloc(1, sizeof(*catalog));
	struct arena *arena = &catalog->arena;

	strcpy(catalog->policy_digest, "d16e57");
	catalog->policy_revision = 42;
	catalog->rules = arena_array(arena, 2, sizeof(*catalog->rules));
	catalog->rules[0] = "a";
	catalog->rules[1] = "b";
	catalog->rule_count = 2;
	catalog->classes = arena_array(arena, 3, sizeof(*catalog->classes));
	catalog->class_count = 3;
	strcpy(catalog->classes[2].region, client_region);
	catalog->tenants = arena_array(arena, USHER_TENANT_IDS, sizeof(*catalog->tenants));
	catalog->tenants[3] = "acme";
	catalog->services = arena_array(arena, USHER_SERVICES_MAX, sizeof(*catalog->services));
	catalog->services[1] = (struct catalog_service){.name = "credit", .model = "scorer"};
	catalog->services[2] = (struct catalog_service){.name = "credit-small", .model = "small"};
	catalog->backends = arena_array(arena, USHER_BACKENDS_MAX, sizeof(*catalog->backends));
	catalog->backends[4] =
		(struct catalog_backend){.name = "fra1", .model = "scorer", .version = "3.1.0", .port = 8000};
	strcpy(catalog->backends[4].region, backend_region);
	address_parse("10.1.0.11", &catalog->backends[4].address);
	return catalog;
}

static void free_names(struct catalog *catalog)
{
	arena_free(&catalog->arena);
	free(catalog);
}

static struct usher_event event_of(uint8_t reason, bool ipv6)
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
				    .nat_port_be = htons(40001),
				    .cpu = 5,
				    .protocol = IPPROTO_TCP,
				    .reason = reason,
				    .ring = USHER_RING_REQUIRED};

	address_parse(ipv6 ? "2001:db8::7" : "203.0.113.10", &event.client);
	address_parse(ipv6 ? "2001:db8:100::10" : "198.51.100.10", &event.service_address);
	return event;
}

/* The event of a line, which has to be one. To be released with json_object_put. */
static struct json_object *event_of_line(const struct json *line)
{
	struct json text = {0};
	struct json_object *event;

	assert_true(ocsf_event(&text, line->bytes, line->length - 1, "0.1"));
	assert_int_equal(text.bytes[text.length - 1], '\n');
	text.bytes[text.length - 1] = '\0';
	assert_null(strchr(text.bytes, '\n'));
	event = json_tokener_parse(text.bytes);
	assert_non_null(event);
	if (!is_event(event))
		fail_msg("%s\n%s", wrong, text.bytes);
	json_free(&text);
	return event;
}

static const char *text_at(struct json_object *event, const char *path)
{
	struct json_object *value;

	return json_pointer_get(event, path, &value) ? NULL : json_object_get_string(value);
}

static void every_reason_is_an_event_of_the_class(void **state)
{
	static const char *const regions[] = {"DE", "DE-HE", "unknown", "EEA", ""};
	size_t checked = 0;

	(void)state;
	for (size_t r = 0; r < ARRAY_COUNT(regions); r++) {
		struct catalog *catalog = names(regions[r], regions[ARRAY_COUNT(regions) - 1 - r]);

		for (unsigned int reason = 0; reason <= USHER_REASON_MAX; reason++) {
			for (unsigned int form = 0; form < 64; form++) {
				struct usher_event event = event_of((uint8_t)reason, form & 1);
				struct json line = {0};
				struct usher_address nat;

				address_parse("10.0.0.2", &nat);
				event.protocol = form & 2 ? IPPROTO_UDP : IPPROTO_TCP;
				event.aggregated = (form & 4) != 0;
				if (event.aggregated) {
					event.protocol = 0;
					event.count = 1234567;
				}
				event.target = form & 8 ? 2 : 1;
				record_decision(&line, &stamp, &event, form & 16 ? catalog : NULL,
						form & 16 && form & 32 ? &catalog->backends[4] : NULL,
						form & 1 ? NULL : &nat, NULL);
				json_object_put(event_of_line(&line));
				json_free(&line);
				checked++;
			}
		}
		free_names(catalog);
	}
	assert_int_equal(checked, 5 * 81 * 64);
}

static void a_decision_says_what_it_is(void **state)
{
	static const struct {
		uint8_t reason;
		const char *activity, *action, *disposition, *severity;
	} expected[] = {
		{USHER_REASON_ADMITTED, "Open", "Allowed", "Allowed", "Informational"},
		{USHER_REASON_REROUTED, "Open", "Allowed", "Allowed", "Informational"},
		{USHER_REASON_ADOPTED, "Open", "Allowed", "Allowed", "Informational"},
		{USHER_REASON_CONFIRMED, "Traffic", "Allowed", "Allowed", "Informational"},
		{USHER_REASON_DENY_RULE, "Refuse", "Denied", "Blocked", "Low"},
		{USHER_REASON_NEW_FLOW_LIMIT, "Fail", "Denied", "Dropped", "Low"},
		{USHER_REASON_REVOKED, "Reset", "Denied", "Access Revoked", "Medium"},
	};
	struct catalog *catalog = names("DE-HE", "FR");
	struct usher_address nat;

	(void)state;
	address_parse("10.0.0.2", &nat);
	for (size_t i = 0; i < ARRAY_COUNT(expected); i++) {
		struct usher_event event = event_of(expected[i].reason, false);
		struct json line = {0};
		struct json_object *made;

		event.target = 2;
		record_decision(&line, &stamp, &event, catalog, &catalog->backends[4], &nat, NULL);
		made = event_of_line(&line);
		assert_string_equal(text_at(made, "/activity_name"), expected[i].activity);
		assert_string_equal(text_at(made, "/action"), expected[i].action);
		assert_string_equal(text_at(made, "/disposition"), expected[i].disposition);
		assert_string_equal(text_at(made, "/severity"), expected[i].severity);
		assert_string_equal(text_at(made, "/status_code"), record_reason(expected[i].reason));
		assert_int_equal(integer(made, "time"), 1767225600123);
		assert_string_equal(text_at(made, "/policy/uid"), "d16e57");
		assert_string_equal(text_at(made, "/policy/version"), "42");
		assert_string_equal(text_at(made, "/firewall_rule/uid"), "b");
		assert_string_equal(text_at(made, "/src_endpoint/ip"), "203.0.113.10");
		assert_string_equal(text_at(made, "/src_endpoint/port"), "51000");
		assert_string_equal(text_at(made, "/src_endpoint/location/country"), "DE");
		assert_string_equal(text_at(made, "/src_endpoint/location/region"), "HE");
		assert_string_equal(text_at(made, "/src_endpoint/proxy_endpoint/ip"), "10.0.0.2");
		assert_string_equal(text_at(made, "/dst_endpoint/svc_name"), "credit");
		assert_string_equal(text_at(made, "/load_balancer/dst_endpoint/name"), "fra1");
		assert_string_equal(text_at(made, "/load_balancer/dst_endpoint/svc_name"), "credit-small");
		assert_string_equal(text_at(made, "/load_balancer/dst_endpoint/location/country"), "FR");
		assert_string_equal(text_at(made, "/metadata/tenant_uid"), "acme");
		assert_string_equal(text_at(made, "/metadata/uid"), "000000000000feed-5-required-77");
		assert_string_equal(text_at(made, "/unmapped/version"), "3.1.0");
		json_object_put(made);
		json_free(&line);
	}
	free_names(catalog);
}

/* Nobody's network is given out as somebody's address. */
static void a_client_by_network_or_pseudonym_has_no_address(void **state)
{
	static const char *const lines[] = {"{\"ip\":\"203.0.113.0\",\"bits\":24,\"port\":7}",
					    "{\"ip\":null,\"pseudonym\":\"ab12\",\"key\":\"c0\",\"port\":7}",
					    "{\"ip\":null,\"pseudonym\":null,\"port\":7}"};
	static const char *const uids[] = {"203.0.113.0/24", "ab12", NULL};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
		struct json line = {0};
		struct json_object *made;

		record_begin(&line, &stamp, "decision");
		json_string(&line, "verdict", "forward");
		json_string(&line, "service", "credit");
		json_value(&line, "src_endpoint", lines[i], strlen(lines[i]));
		json_object_end(&line);
		json_newline(&line);
		made = event_of_line(&line);
		assert_null(text_at(made, "/src_endpoint/ip"));
		if (uids[i])
			assert_string_equal(text_at(made, "/src_endpoint/uid"), uids[i]);
		assert_string_equal(text_at(made, "/src_endpoint/port"), "7");
		json_object_put(made);
		json_free(&line);
	}
}

static void an_end_has_its_figures(void **state)
{
	static const struct {
		const char *ended, *activity;
	} expected[] = {{"closed-by-client", "Close"},
			{"reset-by-backend", "Reset"},
			{"revoked", "Reset"},
			{"handshake-not-proven", "Fail"},
			{"timed-out", "Close"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(expected); i++) {
		struct json line = {0};
		struct json_object *made;

		record_begin(&line, &stamp, "flow");
		json_string(&line, "ended", expected[i].ended);
		json_string(&line, "start_time", "2026-01-01T00:00:00.000Z");
		json_string(&line, "end_time", "2026-01-01T00:00:01.500Z");
		json_unsigned(&line, "duration", 1500);
		json_string(&line, "sides", i ? "both" : "client");
		json_object_begin(&line, "traffic");
		json_unsigned(&line, "packets_out", 3);
		json_unsigned(&line, "bytes_out", 5000000000);
		if (i) {
			json_unsigned(&line, "packets_in", 4);
			json_unsigned(&line, "bytes_in", 7);
		} else {
			json_null(&line, "packets_in");
			json_null(&line, "bytes_in");
		}
		json_object_end(&line);
		json_string(&line, "service", "credit");
		json_object_begin(&line, "connection_info");
		json_string(&line, "protocol_name", "tcp");
		json_unsigned(&line, "protocol_num", 6);
		json_string(&line, "community_uid", "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
		json_object_end(&line);
		json_object_end(&line);
		json_newline(&line);
		made = event_of_line(&line);
		assert_string_equal(text_at(made, "/activity_name"), expected[i].activity);
		assert_string_equal(text_at(made, "/status_code"), expected[i].ended);
		assert_int_equal(integer(made, "end_time") - integer(made, "start_time"), 1500);
		assert_int_equal(integer(made, "duration"), 1500);
		assert_string_equal(text_at(made, "/traffic/bytes_out"), "5000000000");
		if (i)
			assert_string_equal(text_at(made, "/traffic/bytes"), "5000000007");
		else
			assert_null(text_at(made, "/traffic/bytes"));
		assert_string_equal(text_at(made, "/connection_info/uid"), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
		json_object_put(made);
		json_free(&line);
	}
}

static void an_operation_is_management_of_what_it_changes(void **state)
{
	static const struct {
		const char *activity, *key, *value, *what, *type, *name, *severity, *status;
	} expected[] = {
		{"apply", "file", "p.json", "Update", "policy", "p.json", "Informational", "Success"},
		{"policy-refused", "file", "p.json", "Update", "policy", "p.json", "Low", "Failure"},
		{"policy-deleted", NULL, NULL, "Delete", "policy", "usher", "Informational", "Success"},
		{"quarantine", "backend", "fra-1", "Suspend", "backend", "fra-1", "Medium", "Success"},
		{"quarantine", "model", "scorer", "Suspend", "model version", "scorer", "Medium", "Success"},
		{"release", "backend", "fra-1", "Resume", "backend", "fra-1", "Informational", "Success"},
		{"drain", "backend", "fra-1", "Deactivate", "backend", "fra-1", "Informational", "Success"},
		{"undrain", "backend", "fra-1", "Activate", "backend", "fra-1", "Informational", "Success"},
		{"gate", "gate", "four-fifths", "Update", "gate", "four-fifths", "Informational", "Success"},
		{"rollout", "rollout", "r", "Update", "rollout", "r", "Informational", "Success"},
		{"stop", "interface", "eth0", "Deactivate", "daemon", "eth0", "Informational", "Success"},
		{"key-rotated", "new_key", "abcd", "Update", "signing key", "abcd", "Informational", "Success"},
		{"segment-deleted", "name", "usher-1", "Delete", "log segment", "usher-1", "Informational", "Success"},
		{"segment-lost", "name", "usher-1", "Delete", "log segment", "usher-1", "High", "Success"},
		{"log-mended", NULL, NULL, "Update", "audit log", "usher", "Medium", "Success"},
		{"of-next-year", "backend", "fra-1", "Other", "usher", "usher", "Informational", "Success"},
	};
	static const struct record_actor actor = {.uid = 1000, .user = "ada", .pid = 4711};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_COUNT(expected); i++) {
		const char *key = expected[i / 2].key, *value = expected[i / 2].value;
		struct json line = {0};
		struct json_object *made;

		record_operation(&line, &stamp, expected[i / 2].activity, i % 2 ? &actor : NULL);
		if (key)
			json_string(&line, key, value);
		json_string(&line, "why", "ticket \"7\"");
		json_string(&line, "policy_digest", "d16e57");
		json_unsigned(&line, "policy_revision", 42);
		json_string(&line, "version", "3.1.0");
		record_operation_end(&line);
		made = event_of_line(&line);
		assert_int_equal(integer(made, "class_uid"), 3004);
		assert_int_equal(integer(made, "time"), 1767225600123);
		assert_string_equal(text_at(made, "/activity_name"), expected[i / 2].what);
		assert_string_equal(text_at(made, "/severity"), expected[i / 2].severity);
		assert_string_equal(text_at(made, "/status"), expected[i / 2].status);
		if (strcmp(expected[i / 2].type, "daemon") != 0) { /* with a policy, a start is that policy's */
			assert_string_equal(text_at(made, "/entity/type"), expected[i / 2].type);
			assert_string_equal(text_at(made, "/entity/name"), expected[i / 2].name);
		}
		if (!strcmp(expected[i / 2].type, "policy")) {
			assert_string_equal(text_at(made, "/entity/uid"), "d16e57");
			assert_string_equal(text_at(made, "/entity/version"), "42");
		}
		if (!strcmp(expected[i / 2].type, "model version"))
			assert_string_equal(text_at(made, "/entity/version"), "3.1.0");
		assert_string_equal(text_at(made, "/comment"), "ticket \"7\"");
		assert_string_equal(text_at(made, "/metadata/event_code"), expected[i / 2].activity);
		assert_string_equal(text_at(made, "/unmapped/policy_digest"), "d16e57");
		assert_null(text_at(made, "/unmapped/why"));
		if (key)
			assert_string_equal(json_object_get_string(json_object_object_get(
						    json_object_object_get(made, "unmapped"), key)),
					    value);
		if (i % 2) {
			assert_string_equal(text_at(made, "/actor/user/name"), "ada");
			assert_string_equal(text_at(made, "/actor/user/uid"), "1000");
			assert_string_equal(text_at(made, "/actor/process/pid"), "4711");
		} else {
			assert_string_equal(text_at(made, "/actor/app_name"), "usher");
		}
		json_object_put(made);
		json_free(&line);
	}
}

static void other_records_are_none(void **state)
{
	static const char *const lines[] = {"{\"time\":\"2026-01-01T00:00:00.000Z\",\"type\":\"operation\"}",
					    "{\"type\":\"operation\",\"activity\":\"apply\"}",
					    "{\"time\":\"2026-01-01T00:00:00.000Z\",\"type\":\"gap\"}",
					    "{\"type\":\"decision\"}",
					    "{\"time\":\"yesterday\",\"type\":\"decision\"}",
					    "{}"};
	struct json text = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(lines); i++)
		assert_false(ocsf_event(&text, lines[i], strlen(lines[i]), "0.1"));
	assert_int_equal(text.length, 0);
	json_free(&text);
}

/* What checks events finds what is wrong with them. */
static void the_check_can_fail(void **state)
{
	static const struct {
		const char *from, *to, *says;
	} edits[] = {
		{"\"activity_id\":1", "\"activity_id\":7", "activity_id"},
		{"\"activity_id\":1", "\"activity_id\":2", "activity_id"},
		{"\"activity_name\":\"Open\"", "\"activity_name\":\"Opened\"", "activity_id"},
		{"\"type_uid\":400101", "\"type_uid\":400102", "type_uid"},
		{"\"class_uid\":4001", "\"class_uid\":4002", "class_uid"},
		{"\"time\":", "\"tine\":", "tine"},
		{"\"time\":1767225600123", "\"time\":1767225600", "time"},
		{"\"severity_id\":1,", "", "severity_id"},
		{"\"dst_endpoint\":", "\"raw_data\":", "raw_data"},
		{"\"port\":443", "\"port\":\"443\"", "port"},
		{"\"ip\":\"203.0.113.10\"", "\"ip\":\"203.0.113\"", "ip"},
		{"\"vendor_name\":\"usher\"", "\"uid\":\"usher\"", "vendor_name"},
		{"\"version\":\"1.3.0\",", "", "version"},
		{"\"is_applied\":true", "\"is_applied\":1", "is_applied"},
		{"\"disposition_id\":1", "\"disposition_id\":28", "disposition_id"},
	};
	struct catalog *catalog = names("DE", "FR");
	struct usher_event event = event_of(USHER_REASON_ADMITTED, false);
	struct json line = {0}, text = {0};

	(void)state;
	record_decision(&line, &stamp, &event, catalog, &catalog->backends[4], NULL, NULL);
	assert_true(ocsf_event(&text, line.bytes, line.length - 1, "0.1"));
	text.bytes[text.length - 1] = '\0';
	for (size_t i = 0; i < ARRAY_COUNT(edits); i++) {
		const char *at = strstr(text.bytes, edits[i].from);
		struct json_object *made;
		char edited[4096];

		assert_non_null(at);
		snprintf(edited, sizeof(edited), "%.*s%s%s", (int)(at - text.bytes), text.bytes, edits[i].to,
			 at + strlen(edits[i].from));
		made = json_tokener_parse(edited);
		assert_non_null(made);
		if (is_event(made))
			fail_msg("nothing is wrong with %s for %s", edits[i].to, edits[i].from);
		assert_non_null(strstr(wrong, edits[i].says));
		json_object_put(made);
	}
	json_free(&line);
	json_free(&text);
	free_names(catalog);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reason_is_an_event_of_the_class),
		cmocka_unit_test(a_decision_says_what_it_is),
		cmocka_unit_test(a_client_by_network_or_pseudonym_has_no_address),
		cmocka_unit_test(an_end_has_its_figures),
		cmocka_unit_test(an_operation_is_management_of_what_it_changes),
		cmocka_unit_test(other_records_are_none),
		cmocka_unit_test(the_check_can_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
