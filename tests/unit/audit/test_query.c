// SPDX-License-Identifier: GPL-2.0-only
/* What a query finds is what a scan with json-c finds, for any filter; and a range of time leaves segments unread, but never one that has it. */
#include "audit/query.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <json-c/json.h>

#include <cmocka.h>

#include "audit/community_id.h"
#include "audit/ledger.h"
#include "audit/line.h"
#include "audit/segment.h"
#include "audit/verify.h"
#include "base/address.h"
#include "base/array.h"
#include "base/moment.h"
#include "cli/audit_filter.h"
#include "cli/field.h"
#include "scratch.h"

#define SEGMENTS 8
#define BATCHES 12
#define RECORDS 6
#define FILTERS 800
#define BEGINS (1767225600 * CLOCK_SECOND)
#define DAY 86400
#define PORT 1000 /* of the first of ips, and so on: a client's port tells who it is where its address does not */
#define TARGETS 3

static char key_path[96], client_keys[96];
static struct veil *veil;
static uint64_t seed = 0x5eed;

static unsigned int below(unsigned int count)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned int)((seed >> 20) % count);
}

static const char *const words[] = {
	"a", "b", "acme-bank", "quote\"d", "back\\slash", "caf\xc3\xa9", "line\nbreak\x01", "a\"", "\\"};
static const char *const ips[] = {"203.0.113.7", "203.0.113.70",     "203.0.112.7",  "10.0.0.1",
				  "2001:db8::1", "2001:db8:8000::1", "2001:db8::100"};
static const char *const types[] = {"decision", "flow", "operation", "gap", "position", "other"};
static const char *const nats[] = {"10.1.0.1", "fd00::1"};
static const char service_ip[] = "198.51.100.10";
static const char *const texts[] = {"verdict", "reason", "rule", "tenant", "service", "model", "version", "backend"};

static const char *word(void)
{
	return words[below(ARRAY_COUNT(words))];
}

static int begin(void **state)
{
	struct problem problem = {0};
	bool damaged;

	(void)state;
	if (scratch_make("query"))
		return -1;
	snprintf(key_path, sizeof(key_path), "%s/private", folder);
	snprintf(client_keys, sizeof(client_keys), "%s/client-keys", folder);
	return veil_open(client_keys, &problem, &veil, &damaged);
}

static int end(void **state)
{
	(void)state;
	veil_close(veil);
	return scratch_remove();
}

/* ---- a random log --------------------------------------------------------------------------------------------- */

/* Keys of pseudonyms last a day, and three more until they are destroyed. */
static const struct client_privacy pseudonyms = {.mode = CLIENT_HMAC, .every_s = DAY, .keep_s = 3 * DAY};

static void turn_keys(int64_t day)
{
	struct veil_turn turn;

	veil_set(veil, &pseudonyms);
	assert_int_equal(veil_turn(veil, BEGINS / CLOCK_SECOND + day * DAY, &turn), 0);
}

/* Plain as often as not. */
static const struct veil *any_veil(void)
{
	static const struct client_privacy truncated = {.mode = CLIENT_TRUNCATED};

	veil_set(veil, below(3) ? &pseudonyms : &truncated);
	return below(2) ? veil : NULL;
}

static struct usher_address address_of(const char *text)
{
	struct usher_address address;

	assert_int_equal(address_parse(text, &address), 0);
	return address;
}

/* One flow of few, as its client's addresses have it, or its backend's. */
struct flow {
	unsigned int client, nat;
	uint8_t protocol;
	struct usher_address client_address, service_address, nat_address;
};

static struct flow any_flow(void)
{
	struct flow flow = {.client = below(ARRAY_COUNT(ips)),
			    .nat = below(ARRAY_COUNT(nats)),
			    .protocol = below(2) ? IPPROTO_TCP : IPPROTO_UDP};

	flow.client_address = address_of(ips[flow.client]);
	flow.service_address = address_of(service_ip);
	flow.nat_address = address_of(nats[flow.nat]);
	return flow;
}

static const char *flow_uid(const struct flow *flow, char text[COMMUNITY_ID])
{
	return community_id((struct community_end){&flow->client_address, htons((uint16_t)(PORT + flow->client))},
			    (struct community_end){&flow->service_address, htons(443)}, flow->protocol, text);
}

static const char *backend_uid(const struct flow *flow, unsigned int target, char text[COMMUNITY_ID])
{
	struct usher_address server = address_of("10.2.0.1");

	return community_id((struct community_end){&flow->nat_address, htons((uint16_t)(PORT + flow->client))},
			    (struct community_end){&server, htons((uint16_t)(8000 + target))}, flow->protocol, text);
}

static void add_connection(struct json *to)
{
	struct flow flow = any_flow();
	char text[COMMUNITY_ID];

	if (!below(8)) {
		json_null(to, "connection_info");
		return;
	}
	json_object_begin(to, "connection_info");
	if (below(4))
		json_string(to, "community_uid", below(4) ? flow_uid(&flow, text) : NULL);
	if (below(2))
		json_string(to, "backend_community_uid", backend_uid(&flow, below(TARGETS), text));
	json_object_end(to);
}

/* As usher writes them. */
static void add_own(struct json *to, int64_t now)
{
	const struct record_stamp stamp = {.realtime = now, .boot_id = 7};
	const unsigned int target = below(TARGETS);
	const struct flow flow = any_flow();
	const struct catalog_backend backend = {.name = (char *)word(),
						.model = (char *)word(),
						.version = (char *)word(),
						.address = address_of("10.2.0.1"),
						.port = (uint16_t)(8000 + target)};
	struct usher_flow_end end = {
		.event = {.client = flow.client_address,
			  .service_address = flow.service_address,
			  .client_port_be = htons((uint16_t)(PORT + flow.client)),
			  .service_port_be = htons(443),
			  .nat_port_be = below(3) ? htons((uint16_t)(PORT + flow.client)) : (uint16_t)0,
			  .protocol = flow.protocol,
			  .ended = USHER_ENDED_CLOSED_BY_CLIENT,
			  .reason = USHER_REASON_ADMITTED}};

	if (below(2))
		record_flow(to, &stamp, &end, NULL, below(4) ? &backend : NULL, &flow.nat_address, any_veil());
	else
		record_decision(to, &stamp, &end.event, NULL, below(4) ? &backend : NULL, &flow.nat_address,
				any_veil());
}

static void add_record(struct json *to, int64_t now)
{
	const struct record_stamp stamp = {.realtime = now, .boot_id = 7};

	if (!below(4)) {
		add_own(to, now);
		return;
	}
	record_begin(to, &stamp, types[below(ARRAY_COUNT(types))]);
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
		if (below(8))
			json_string(to, texts[i], below(8) ? word() : NULL);
	if (below(4)) {
		unsigned int client = below(ARRAY_COUNT(ips));
		struct usher_address address = address_of(ips[client]);

		veil_client(any_veil(), to, "src_endpoint", &address, (uint16_t)(PORT + client));
	} else {
		json_null(to, "src_endpoint");
	}
	if (below(4))
		add_connection(to);
	json_object_begin(to, "nested"); /* what is inside of other objects is not meant */
	json_string(to, "tenant", word());
	json_string(to, "}", "{[\"");
	json_object_end(to);
	json_object_end(to);
	json_newline(to);
}

/* The clock goes on, leaps, and is set back; within a batch as well. A key of pseudonyms to each segment but the first, which has none. */
static void write_log(void)
{
	int64_t now = BEGINS;

	for (int s = 0; s < SEGMENTS; s++) {
		struct record_stamp stamp = {.realtime = now, .boot_id = 7};
		struct problem problem = {0};
		struct ledger_found found;
		struct ledger *ledger;

		assert_int_equal(ledger_open(folder, key_path, &stamp, &problem, &ledger, &found), 0);
		if (s)
			turn_keys(s);
		for (int b = 0; b < BATCHES; b++) {
			struct json text = {0};

			for (int r = 0; r < RECORDS; r++) {
				add_record(&text, now);
				now += (int64_t)below(20000) * CLOCK_MILLISECOND;
				if (!below(60))
					now -= (int64_t)below(2000) * CLOCK_SECOND;
				if (!below(100))
					now += (int64_t)below(4000) * CLOCK_SECOND;
			}
			stamp.realtime = now;
			assert_int_equal(ledger_append(ledger, &stamp, text.bytes, text.length, RECORDS, NULL, 0), 0);
			json_free(&text);
		}
		ledger_close(ledger, &stamp);
	}
}

/* ---- as anybody would ----------------------------------------------------------------------------------------- */

/* Is the key there with which the pseudonym was made? */
static bool naive_key(const char *id)
{
	static char text[65536];
	FILE *file = fopen(client_keys, "re");
	size_t length = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

	if (file)
		fclose(file);
	text[length] = '\0';
	return strlen(id) == VEIL_ID - 1 && strstr(text, id);
}

/* Who it is, its port says. */
static bool naive_pseudonym(struct json_object *endpoint, const char *wanted)
{
	unsigned int port = (unsigned int)json_object_get_int(field(endpoint, "port"));

	return naive_key(field_text(endpoint, "key")) && port - PORT < ARRAY_COUNT(ips) &&
	       !strcmp(wanted, ips[port - PORT]);
}

static bool naive_client(struct json_object *record, const char *wanted)
{
	char address[64];
	uint8_t want[16], have[16];
	struct json_object *endpoint = field(record, "src_endpoint");
	const char *slash = strchr(wanted, '/'), *ip = field_text(endpoint, "ip");
	int family = strchr(wanted, ':') ? AF_INET6 : AF_INET, whole = family == AF_INET ? 32 : 128;
	int bits = slash ? atoi(slash + 1) : whole;

	snprintf(address, sizeof(address), "%.*s", slash ? (int)(slash - wanted) : (int)strlen(wanted), wanted);
	if (bits == whole && field(endpoint, "pseudonym"))
		return naive_pseudonym(endpoint, address);
	if (inet_pton(family, address, want) != 1 || inet_pton(family, ip, have) != 1)
		return false;
	if (field(endpoint, "bits") && bits > json_object_get_int(field(endpoint, "bits")))
		return false;
	for (int i = 0; i < bits; i++)
		if ((want[i / 8] ^ have[i / 8]) & (0x80 >> i % 8))
			return false;
	return true;
}

static bool naive_flow(struct json_object *record, const char *wanted)
{
	struct json_object *connection = field(record, "connection_info");

	return !strcmp(field_text(connection, "community_uid"), wanted) ||
	       !strcmp(field_text(connection, "backend_community_uid"), wanted);
}

struct question {
	struct filter filter;
	const char *client;
	int64_t since, until; /* 0: any */
};

static bool naive(const struct question *question, const char *line, size_t length)
{
	static const char *const notes[] = {"position", "segment", "seal", "checkpoint"};
	struct json_object *record;
	bool good = true;
	int64_t time;

	if (tree_parse(line, length, &record))
		return false;
	for (size_t i = 0; i < ARRAY_COUNT(notes); i++)
		good &= strcmp(field_text(record, "type"), notes[i]) != 0;
	for (size_t i = 0; i < FILTER_TEXT_COUNT; i++) {
		const char *wanted = question->filter.texts[i], *key = filter_key((enum filter_text)i);

		good &= !wanted || (field(record, key) && !strcmp(field_text(record, key), wanted));
	}
	good = good && (!question->client || naive_client(record, question->client));
	good = good && (!question->filter.flow || naive_flow(record, question->filter.flow));
	if (good && (question->since || question->until))
		good = !moment_parse(field_text(record, "time"), false, &time) && time >= question->since &&
		       (!question->until || time < question->until);
	json_object_put(record);
	return good;
}

/* As the command takes it. */
static void ask_of_flow(struct filter *filter)
{
	static char uid[COMMUNITY_ID];
	struct flow flow = any_flow();

	if (below(2))
		flow_uid(&flow, uid);
	else
		backend_uid(&flow, below(TARGETS), uid);
	assert_int_equal(audit_filter_take('F', uid, filter), 0);
}

static struct question random_question(char client[64], bool timed)
{
	struct question question = {0};
	char text[CLOCK_TEXT];

	for (size_t i = 0; i < FILTER_TEXT_COUNT; i++)
		if (!below(6))
			question.filter.texts[i] = i == FILTER_TYPE ? types[below(ARRAY_COUNT(types))] : word();
	if (!below(3)) {
		const char *ip = ips[below(ARRAY_COUNT(ips))];

		snprintf(client, 64, "%s/%u", ip, below(strchr(ip, ':') ? 129 : 33));
		if (below(2))
			snprintf(client, 64, "%s", ip);
		question.client = client;
		assert_int_equal(audit_filter_take('c', client, &question.filter), 0);
	}
	if (!below(4))
		ask_of_flow(&question.filter);
	if (timed || below(2)) {
		question.since = BEGINS + (int64_t)below(12000) * CLOCK_SECOND;
		assert_int_equal(filter_set_since(&question.filter, clock_print(question.since, text)), 0);
	}
	if (timed || below(2)) {
		question.until = (question.since ? question.since : BEGINS) + (int64_t)(1 + below(1500)) * CLOCK_SECOND;
		assert_int_equal(filter_set_until(&question.filter, clock_print(question.until, text)), 0);
	}
	assert_int_equal(audit_filter_take('K', client_keys, &question.filter), 0);
	assert_int_equal(audit_filter_check(&question.filter), 0);
	return question;
}

/* Everything in the folder, one text after the other. */
static struct json load_all(void)
{
	struct segments segments;
	struct json all = {0};

	assert_int_equal(segments_list(folder, &segments), 0);
	for (size_t i = 0; i < segments.count; i++) {
		struct segment_text text;

		assert_int_equal(segment_read(folder, segments.items[i].name, &text), 0);
		json_raw(&all, text.bytes, text.length);
		segment_release(&text);
	}
	segments_free(&segments);
	return all;
}

static int take_line(const char *line, size_t length, void *context)
{
	json_raw(context, line, length);
	json_raw(context, "\n", 1);
	return 0;
}

/* ---- tests ---------------------------------------------------------------------------------------------------- */

static void a_query_gives_what_a_naive_scan_gives(void **state)
{
	struct query_totals totals = {0};
	struct json all, found = {0}, wanted = {0};
	uint64_t total = 0, flows = 0, veiled = 0, ends = 0;
	char client[64];

	(void)state;
	write_log();
	all = load_all();
	for (int i = 0; i < FILTERS; i++) {
		struct question question = random_question(client, i % 2);
		struct query_place place = {0};

		json_clear(&found);
		json_clear(&wanted);
		for (const char *line = all.bytes, *next; line < all.bytes + all.length; line = next) {
			next = (const char *)memchr(line, '\n', (size_t)(all.bytes + all.length - line)) + 1;
			if (naive(&question, line, (size_t)(next - 1 - line)))
				take_line(line, (size_t)(next - 1 - line), &wanted);
		}
		assert_int_equal(query_run(folder, &question.filter, &place, take_line, &found, &totals), 0);
		assert_int_equal(found.length, wanted.length);
		if (found.length)
			assert_memory_equal(found.bytes, wanted.bytes, found.length);
		total += found.length;
		flows += question.filter.flow ? found.length : 0;
		json_raw(&found, "", 1);
		veiled += question.client && strstr(found.bytes, "\"pseudonym\":\"");
		ends += strstr(found.bytes, "\"type\":\"flow\"") != NULL;
	}
	assert_true(total > 20000);
	assert_true(flows > 10000 && veiled > 8 && ends > 80);
	assert_true(totals.skipped > FILTERS); /* else it has read them all */
	json_free(&all);
	json_free(&found);
	json_free(&wanted);
}

/* Other people's spacing and order of keys is JSON as well; and what was edited, cut and torn is never more than json-c takes. */
static void lines_of_any_form(void **state)
{
	struct json text = {0};
	char client[64], line[2048];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct question question;
		struct json_object *record;
		size_t length;

		if (i % 2500 == 0)
			turn_keys(i / 2500);
		question = random_question(client, false);

		json_clear(&text);
		add_record(&text, BEGINS + (int64_t)below(12000) * CLOCK_SECOND);
		length = text.length - 1;
		assert_true(line_is_json(text.bytes, length));
		assert_int_equal(tree_parse(text.bytes, length, &record), 0);
		snprintf(line, sizeof(line), "%s", json_object_to_json_string_ext(record, JSON_C_TO_STRING_SPACED));
		json_object_put(record);
		length = strlen(line);
		if (filter_matches(&question.filter, line, length) != naive(&question, line, length))
			fail_msg("%s | %s | %s %s", line, question.client, question.filter.since,
				 question.filter.until);
		question.filter.pseudonym_count = 0; /* a port that is edited says another client */
		for (int m = 0; m < 3; m++)
			line[below((unsigned int)length)] = (char)below(256);
		length = 1 + below((unsigned int)length);
		if (filter_matches(&question.filter, line, length))
			if (!naive(&question, line, length))
				fail_msg("%.*s", (int)length, line);
	}
	json_free(&text);
}

/* A reader that comes back goes on where it was, across segments, and does not take half a line. */
static void one_goes_on_where_one_was(void **state)
{
	const struct filter all = {0};
	struct record_stamp stamp = {.realtime = BEGINS, .boot_id = 7};
	struct query_place place = {0}, whole = {0};
	struct problem problem = {0};
	struct ledger_found mended;
	struct ledger *ledger;
	struct json found = {0}, wanted = {0};
	struct segments segments;
	char path[512];
	FILE *file;

	(void)state;
	write_log();
	assert_int_equal(query_run(folder, &all, &place, take_line, &found, NULL), 0);
	assert_int_equal(segments_list(folder, &segments), 0);
	snprintf(path, sizeof(path), "%s/%s", folder, segments.items[segments.count - 1].name);
	segments_free(&segments);
	file = fopen(path, "ae");
	fputs("{\"type\":\"operation\"", file);
	fflush(file);
	json_clear(&found);
	assert_int_equal(query_run(folder, &all, &place, take_line, &found, NULL), 0);
	assert_int_equal(found.length, 0);
	fputs("}\n", file);
	fclose(file);
	/* Nor a batch that nothing seals: it may be taken back. */
	assert_int_equal(query_run(folder, &all, &place, take_line, &found, NULL), 0);
	assert_int_equal(found.length, 0);
	assert_int_equal(query_run(folder, &all, &(struct query_place){0}, take_line, &wanted, NULL), 0);
	assert_null(memmem(wanted.bytes, wanted.length, "{\"type\":\"operation\"}\n", 21));
	json_clear(&wanted);
	assert_int_equal(ledger_open(folder, key_path, &stamp, &problem, &ledger, &mended), 0);
	assert_int_equal(mended.unsealed_lines, 1);
	ledger_close(ledger, &stamp);
	assert_int_equal(query_run(folder, &all, &place, take_line, &found, NULL), 0);
	assert_int_equal(found.length, strlen("{\"type\":\"operation\"}\n"));
	json_clear(&found);
	seed++;
	write_log(); /* more segments */
	assert_int_equal(query_run(folder, &all, &place, take_line, &found, NULL), 0);
	assert_int_equal(query_run(folder, &all, &whole, take_line, &wanted, NULL), 0);
	assert_true(found.length && found.length < wanted.length);
	assert_memory_equal(found.bytes, wanted.bytes + wanted.length - found.length, found.length);
	json_free(&found);
	json_free(&wanted);
}

/* Half a batch is taken back and another one written where it was: each line is found once, and none that was not to stay. */
static void a_batch_that_was_taken_back_is_not_found(void **state)
{
	struct record_stamp stamp = {.realtime = BEGINS, .boot_id = 7};
	const struct filter all = {0};
	struct query_place place = {0};
	struct json found = {0}, record = {0};
	struct problem problem = {0};
	struct ledger_found mended;
	struct ledger *ledger;
	struct stat status;
	char path[512];
	FILE *file;

	(void)state;
	assert_int_equal(ledger_open(folder, key_path, &stamp, &problem, &ledger, &mended), 0);
	for (int i = 0; i < 2; i++) {
		json_clear(&record);
		record_operation(&record, &stamp, i ? "second" : "first", NULL);
		record_operation_end(&record);
		if (i) {
			snprintf(path, sizeof(path), "%.500s", ledger_path(ledger));
			assert_int_equal(stat(path, &status), 0);
			file = fopen(path, "ae");
			for (int line = 0; line < 5; line++)
				fputs("{\"type\":\"operation\",\"activity\":\"torn\"}\n", file);
			fputs("{\"type\":\"oper", file);
			fclose(file);
			assert_int_equal(query_run(folder, &all, &place, take_line, &found, NULL), 0);
			assert_int_equal(truncate(path, status.st_size), 0);
		}
		assert_int_equal(ledger_append(ledger, &stamp, record.bytes, record.length, 1, NULL, 0), 0);
		assert_int_equal(query_run(folder, &all, &place, take_line, &found, NULL), 0);
	}
	json_raw(&found, "", 1);
	assert_null(strstr(found.bytes, "torn"));
	assert_non_null(strstr(found.bytes, "\"first\""));
	assert_non_null(strstr(found.bytes, "\"second\""));
	ledger_close(ledger, &stamp);
	json_free(&found);
	json_free(&record);
}

static void note(const struct verify_finding *finding, void *context)
{
	if (strstr(finding->text, "it says that the segment before it is of"))
		++*(int *)context;
}

/* What a segment says of the one before it is what a range of time relies on. */
static void a_false_span_is_found(void **state)
{
	struct record_stamp stamp = {.realtime = BEGINS, .boot_id = 7};
	struct ledger_found found;
	struct problem problem = {0};
	struct verify_trust trust = {0};
	struct verify_summary summary;
	struct segments segments;
	struct ledger *ledger;
	char path[512], line[4096], *at;
	int findings = 0;
	FILE *file;

	(void)state;
	write_log();
	assert_int_equal(verify_folder(folder, &trust, note, &findings, &summary), 0);
	assert_int_equal(findings, 0);
	assert_int_equal(ledger_open(folder, key_path, &stamp, &problem, &ledger, &found), 0);
	ledger_close(ledger, &stamp);
	assert_int_equal(segments_list(folder, &segments), 0);
	snprintf(path, sizeof(path), "%s/%s", folder, segments.items[3].name);
	segments_free(&segments);
	file = fopen(path, "r+e");
	assert_non_null(fgets(line, sizeof(line), file));
	at = strstr(line, "\"earliest\":\"");
	assert_non_null(at);
	fseek(file, at + 12 + 3 - line, SEEK_SET);
	fputs("7", file);
	fclose(file);
	assert_int_equal(verify_folder(folder, &trust, note, &findings, &summary), 0);
	assert_int_equal(findings, 1);
}

static int take_nothing(const char *line, size_t length, void *context)
{
	(void)line;
	(void)context;
	return length == 0;
}

/* Writes over what follows `what` in the first line of each segment but the first one; NULL: puts that back. */
static void damage(const struct segments *segments, const char *what)
{
	static char lines[SEGMENTS + 1][4096];

	assert_true(segments->count <= ARRAY_COUNT(lines));
	for (size_t i = 1; i < segments->count; i++) {
		char path[512];
		FILE *file;

		snprintf(path, sizeof(path), "%s/%s", folder, segments->items[i].name);
		file = fopen(path, "r+e");
		assert_non_null(file);
		if (what) {
			assert_non_null(fgets(lines[i], sizeof(lines[i]), file));
			assert_non_null(strstr(lines[i], what));
			fseek(file, strstr(lines[i], what) + strlen(what) - lines[i], SEEK_SET);
			fputs("?", file);
		} else {
			fputs(lines[i], file);
		}
		fclose(file);
	}
}

/* Of a line that cannot be read nothing is believed: the segment before it is read. */
static void a_damaged_span_hides_nothing(void **state)
{
	static const char *const damages[] = {"\"type\":\"", "\"number\":", "\"previous\":\"", "\"latest\":\"",
					      "\"earliest\":\""};
	struct filter filter = {0};
	struct query_totals before = {0};
	struct query_place place = {0};
	struct segments segments;

	(void)state;
	write_log();
	clock_print(BEGINS, filter.since);
	clock_print(BEGINS + CLOCK_SECOND * 60, filter.until);
	assert_int_equal(query_run(folder, &filter, &place, take_nothing, NULL, &before), 0);
	assert_true(before.found && before.skipped);
	assert_int_equal(segments_list(folder, &segments), 0);
	for (size_t i = 0; i < ARRAY_COUNT(damages); i++) {
		struct query_totals after = {0};

		damage(&segments, damages[i]);
		place = (struct query_place){0};
		assert_int_equal(query_run(folder, &filter, &place, take_nothing, NULL, &after), 0);
		assert_int_equal(after.found, before.found);
		assert_int_equal(after.skipped, 0);
		damage(&segments, NULL);
	}
	segments_free(&segments);
}

static void times_as_people_write_them(void **state)
{
	static const struct {
		const char *text, *since, *until; /* NULL: none */
	} cases[] = {
		{"2026-03-01", "2026-03-01T00:00:00.000Z", "2026-03-02T00:00:00.000Z"},
		{"2024-02-29", "2024-02-29T00:00:00.000Z", "2024-03-01T00:00:00.000Z"},
		{"2026-03-01T12:00:00Z", "2026-03-01T12:00:00.000Z", "2026-03-01T12:00:00.000Z"},
		{"2026-03-01t12:00:00.5z", "2026-03-01T12:00:00.500Z", "2026-03-01T12:00:00.500Z"},
		{"2026-03-01 12:00:00", "2026-03-01T12:00:00.000Z", "2026-03-01T12:00:00.000Z"},
		{"2026-03-01T00:30:00+01:00", "2026-02-28T23:30:00.000Z", "2026-02-28T23:30:00.000Z"},
		{"2026-03-01T12:00:00-00:30", "2026-03-01T12:30:00.000Z", "2026-03-01T12:30:00.000Z"},
		{"2026-02-29", NULL, NULL},
		{"2026-03-01T", NULL, NULL},
		{"2026-03-01T24:00:00Z", NULL, NULL},
		{"2026-03-01T12:00:00+1:00", NULL, NULL},
		{"2026-03-01T12:00:00Zx", NULL, NULL},
		{"9999-01-01", NULL, NULL},
		{"", NULL, NULL},
		{"yesterday", NULL, NULL},
		{"2026-03-01T12:00:00.", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct filter filter = {0};

		assert_int_equal(filter_set_since(&filter, cases[i].text), cases[i].since ? 0 : -EINVAL);
		assert_int_equal(filter_set_until(&filter, cases[i].text), cases[i].since ? 0 : -EINVAL);
		if (cases[i].since) {
			assert_string_equal(filter.since, cases[i].since);
			assert_string_equal(filter.until, cases[i].until);
		}
	}
}

/* By either of its ids, in a decision and in its end, wherever the key stands; and nothing else of the same text. */
static void test_one_flow(void **state)
{
	const struct filter filter = {.flow = "1:LQU9qZlK+B5F3KDmev6m5PMibrg="};
	static const struct {
		const char *line;
		bool found;
	} lines[] = {
		{"{\"type\":\"decision\",\"connection_info\":{\"community_uid\":\"1:LQU9qZlK+B5F3KDmev6m5PMibrg=\"}}",
		 true},
		{"{\"connection_info\":{\"community_uid\":null,\"backend_community_uid\":"
		 "\"1:LQU9qZlK+B5F3KDmev6m5PMibrg=\"},\"type\":\"flow\"}",
		 true},
		{"{\"type\":\"flow\",\"connection_info\":{\"community_uid\":\"1:d/FP5EW3wiY1vCndhwleRRKHowQ=\"}}",
		 false},
		{"{\"type\":\"flow\",\"community_uid\":\"1:LQU9qZlK+B5F3KDmev6m5PMibrg=\"}", false},
		{"{\"type\":\"operation\",\"why\":\"1:LQU9qZlK+B5F3KDmev6m5PMibrg=\"}", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(lines); i++)
		assert_int_equal(filter_matches(&filter, lines[i].line, strlen(lines[i].line)), lines[i].found);
}

/* Who cannot be told from others is neither found nor left out without a word. */
static void test_a_client_of_whom_nobody_can_tell(void **state)
{
	static const char mine[][VEIL_PSEUDONYM] = {"00112233445566778899aabbccddeeff"};
	static const char known[][VEIL_ID] = {"0123456789abcdef"};
	static const struct {
		const char *endpoint, *client;
		enum filter_answer with_key, without;
		const char *prefix; /* that the client was in; NULL: not on record */
	} cases[] = {
#define OWN "{\"ip\":null,\"pseudonym\":\"00112233445566778899aabbccddeeff\",\"key\":\"0123456789abcdef\",\"port\":1}"
#define OTHERS                                                                                                         \
	"{\"ip\":null,\"pseudonym\":\"ffffffffffffffffffffffffffffffff\",\"key\":\"0123456789abcdef\",\"port\":1}"
#define LATER "{\"ip\":null,\"pseudonym\":\"ffffffffffffffffffffffffffffffff\",\"key\":\"fedcba9876543210\",\"port\":1}"
#define NETWORK "{\"ip\":\"203.0.113.0\",\"bits\":24,\"port\":1}"
		{OWN, "203.0.113.9", FILTER_YES, FILTER_UNKNOWN, NULL},
		{OTHERS, "203.0.113.9", FILTER_NO, FILTER_UNKNOWN, NULL},
		{LATER, "203.0.113.9", FILTER_UNKNOWN, FILTER_UNKNOWN, NULL},
		{"{\"ip\":null,\"pseudonym\":null,\"key\":null,\"port\":1}", "203.0.113.9", FILTER_UNKNOWN,
		 FILTER_UNKNOWN, NULL},
		{"null", "203.0.113.9", FILTER_UNKNOWN, FILTER_UNKNOWN, NULL}, /* of many together */
		{"null", "203.0.113.9", FILTER_UNKNOWN, FILTER_UNKNOWN, "203.0.0.0/16"},
		{"null", "203.0.113.9", FILTER_NO, FILTER_NO, "203.1.0.0/16"},
		{"null", "203.0.113.9", FILTER_NO, FILTER_NO, "2001:db8::/32"},
		{LATER, "203.0.113.9", FILTER_NO, FILTER_NO, "203.1.0.0/16"},
		{LATER, "203.0.0.0/15", FILTER_YES, FILTER_YES, "203.1.0.0/16"},
		{LATER, "203.1.0.0/17", FILTER_UNKNOWN, FILTER_UNKNOWN, "203.1.0.0/16"},
		{NETWORK, "203.0.113.9", FILTER_UNKNOWN, FILTER_UNKNOWN, NULL},
		{NETWORK, "203.0.113.0/25", FILTER_UNKNOWN, FILTER_UNKNOWN, NULL},
		{NETWORK, "203.0.113.0/24", FILTER_YES, FILTER_YES, NULL},
		{NETWORK, "203.0.112.0/23", FILTER_YES, FILTER_YES, NULL},
		{NETWORK, "203.0.112.9", FILTER_NO, FILTER_NO, NULL},
		{NETWORK, "::/0", FILTER_NO, FILTER_NO, NULL},
		{"{\"ip\":\"2001:db8:1::\",\"bits\":48,\"port\":1}", "2001:db8:1::7", FILTER_UNKNOWN, FILTER_UNKNOWN,
		 NULL},
		{"{\"ip\":\"2001:db8:1::\",\"bits\":48,\"port\":1}", "2001:db8:2::7", FILTER_NO, FILTER_NO, NULL},
		{"{\"ip\":\"203.0.113.9\",\"port\":1}", "203.0.113.9", FILTER_YES, FILTER_YES, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct filter filter = {0};
		char line[256];
		int length = snprintf(line, sizeof(line),
				      "{\"type\":\"decision\",\"src_endpoint\":%s,\"client_prefix\":%s%s%s}",
				      cases[i].endpoint, cases[i].prefix ? "\"" : "",
				      cases[i].prefix ? cases[i].prefix : "null", cases[i].prefix ? "\"" : "");

		assert_int_equal(filter_set_client(&filter, cases[i].client), 0);
		assert_int_equal(filter_ask(&filter, line, (size_t)length), cases[i].without);
		filter.pseudonyms = mine;
		filter.pseudonym_keys = known;
		filter.pseudonym_count = 1;
		if (filter.client_bits == 128)
			assert_int_equal(filter_ask(&filter, line, (size_t)length), cases[i].with_key);
		filter.texts[FILTER_TYPE] = "flow";
		assert_int_equal(filter_ask(&filter, line, (size_t)length), FILTER_NO);
	}
}

static void test_what_is_asked_for_in_words(void **state)
{
	static const struct {
		const char *client, *tenant, *words;
	} cases[] = {{NULL, NULL, NULL},
		     {NULL, "acme", "tenant acme"},
		     {"203.0.113.7", NULL, "client 203.0.113.7"},
		     {"203.0.113.0/24", "acme", "tenant acme, client 203.0.113.0/24"},
		     {"2001:db8::7", NULL, "client 2001:db8::7"},
		     {"2001:db8::/32", NULL, "client 2001:db8::/32"},
		     {"::/0", NULL, "client ::/0"},
		     {"0.0.0.0/0", NULL, "client 0.0.0.0/0"}};
	struct arena arena = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct filter filter = {.texts[FILTER_TENANT] = cases[i].tenant, .since = "2026-03-03"};
		const char *described;

		if (cases[i].client)
			assert_int_equal(filter_set_client(&filter, cases[i].client), 0);
		described = filter_describe(&filter, &arena);
		if (cases[i].words)
			assert_string_equal(described, cases[i].words);
		else
			assert_null(described);
	}
	arena_free(&arena);
}

static void test_items_of_a_list(void **state)
{
	static const struct {
		const char *text, *items; /* each ended by a line */
	} cases[] = {{"[]", ""},
		     {" [ ] ", ""},
		     {"[1]", "1\n"},
		     {"[ {\"a\":[1,2]} , \"b,]\\\"\" ,null,[3]]", "{\"a\":[1,2]}\n\"b,]\\\"\"\nnull\n[3]\n"},
		     {"{\"a\":1}", ""},
		     {"null", ""},
		     {"[1,", "1\n"},
		     {"[\"", ""}};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct line_value item;
		char found[256] = "";
		struct line list;

		line_begin_list((struct line_value){cases[i].text, strlen(cases[i].text)}, &list);
		while (line_item(&list, &item))
			snprintf(found + strlen(found), sizeof(found) - strlen(found), "%.*s\n", (int)item.length,
				 item.at);
		assert_string_equal(found, cases[i].items);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_query_gives_what_a_naive_scan_gives, begin, end),
		cmocka_unit_test_setup_teardown(lines_of_any_form, begin, end),
		cmocka_unit_test_setup_teardown(one_goes_on_where_one_was, begin, end),
		cmocka_unit_test_setup_teardown(a_batch_that_was_taken_back_is_not_found, begin, end),
		cmocka_unit_test_setup_teardown(a_false_span_is_found, begin, end),
		cmocka_unit_test_setup_teardown(a_damaged_span_hides_nothing, begin, end),
		cmocka_unit_test(times_as_people_write_them),
		cmocka_unit_test(test_one_flow),
		cmocka_unit_test(test_a_client_of_whom_nobody_can_tell),
		cmocka_unit_test(test_what_is_asked_for_in_words),
		cmocka_unit_test(test_items_of_a_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
