// SPDX-License-Identifier: GPL-2.0-only
/* Decisions on record, put to another policy. */
#include "audit/replay.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "audit/record.h"
#include "base/address.h"
#include "policy/members.h"
#include "policy/policy.h"
#include "policy/prefix.h"

#define POLICY_OF(rules, of_service, services, rest)                                                                   \
	"{\"apiVersion\": \"usher/v1\", \"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"},"       \
	"\"2\": {\"stage\": \"canary\"}, \"3\": {\"stage\": \"canary\"}}},"                                            \
	"\"n\": {\"versions\": {\"1\": {\"stage\": \"production\"}}}},"                                                \
	"\"backends\": {\"de\": {\"address\": \"10.0.0.1:80\", \"serves\": \"m@1\", \"region\": \"DE\"},"              \
	"\"fr\": {\"address\": \"10.0.0.2:80\", \"serves\": \"m@2\", \"region\": \"FR\"},"                             \
	"\"small\": {\"address\": \"10.0.0.3:80\", \"serves\": \"n@1\", \"region\": \"DE\"}},"                         \
	"\"services\": {\"s\": {\"address\": \"192.0.2.1:443\", \"protocol\": \"tcp\", \"model\": \"m\"" of_service    \
	"}" services "},"                                                                                              \
	"\"tenants\": {\"x\": {\"sources\": [{\"prefix\": \"198.51.100.0/24\", \"region\": \"DE\"},"                   \
	"{\"prefix\": \"198.51.100.64/26\", \"region\": \"FR\"}]},"                                                    \
	"\"y\": {\"sources\": [{\"prefix\": \"203.0.113.0/24\", \"region\": \"DE\"}]}},"                               \
	"\"rules\": [" rules "]" rest ", \"nat\": {\"addresses\": [\"10.255.0.1\"]}}"
#define POLICY(rules) POLICY_OF(rules, "", "", "")
#define ALLOW "{\"id\": \"all\", \"when\": {\"tenant\": [\"x\", \"y\"]}, \"allow\": true}"
#define SPLIT(shares) "{\"id\": \"ab\", \"when\": {\"service\": [\"s\"]}, \"split\": {" shares "}},"
#define ROLLOUT(from, step)                                                                                            \
	POLICY_OF(ALLOW, "", "",                                                                                       \
		  ", \"rollouts\": {\"r\": {\"service\": \"s\", \"from\": \"" from                                     \
		  "\", \"to\": \"2\", \"steps\": [" step "], \"every\": \"1h\"}}")
/* To a service of another model. */
#define REROUTED(rules)                                                                                                \
	POLICY_OF(rules                                                                                                \
		  "{\"id\": \"aside\", \"when\": {\"service\": [\"s\"]}, \"reroute\": {\"service\": \"t\"}}," ALLOW,   \
		  "", ", \"t\": {\"address\": \"192.0.2.2:443\", \"protocol\": \"tcp\", \"model\": \"n\"}", "")

static const char everybody[] = POLICY(ALLOW);
static const char germans[] =
	POLICY("{\"id\": \"home\", \"when\": {\"client_region\": [\"DE\"]}, \"require\": {\"region\": [\"DE\"]}},"
	       "{\"id\": \"all\", \"when\": {\"tenant\": [\"x\"]}, \"allow\": true}");

static struct policy *policy;
static struct replay *replay;

static void open_replay(const char *text)
{
	struct diagnostics diagnostics = {.file = "test.json"};

	if (policy_parse("test.json", text, strlen(text), 0, &diagnostics, &policy)) {
		diagnostics_print(&diagnostics, stderr);
		fail();
	}
	diagnostics_free(&diagnostics);
	policy_assume_members(policy);
	assert_int_equal(replay_open(policy, 0, &replay), 0);
}

static void end_replay(void)
{
	replay_close(replay);
	policy_free(policy);
}

static struct replay_question question_of(uint8_t reason, const char *client, const char *backend)
{
	struct replay_question question = {.reason = reason, .tenant = "x", .region = "DE", .service = "s"};

	snprintf(question.backend, sizeof(question.backend), "%s", backend);
	if (client) {
		question.has_client = question.has_address = true;
		assert_int_equal(address_parse(client, &question.client), 0);
		assert_int_equal(address_parse("192.0.2.1", &question.address), 0);
		question.port = 443;
		question.protocol = IPPROTO_TCP;
	}
	return question;
}

static struct replay_answer expect(struct replay_question question, enum replay_outcome outcome, uint8_t reason,
				   const char *rule)
{
	struct replay_answer answer;

	replay_ask(replay, &question, &answer);
	if (answer.outcome != outcome)
		fail_msg("%s, not %s", replay_outcome_words[answer.outcome], replay_outcome_words[outcome]);
	assert_int_equal(answer.reason, reason);
	if (rule)
		assert_string_equal(policy->rules[answer.rule].id, rule);
	else
		assert_true(answer.rule == POLICY_NONE);
	return answer;
}

static void who_was_allowed_and_who_was_not(void **state)
{
	(void)state;
	open_replay(germans);
	expect(question_of(USHER_REASON_ADMITTED, "198.51.100.5", "de"), REPLAY_SAME, USHER_REASON_ADMITTED, "all");
	expect(question_of(USHER_REASON_ADMITTED, "198.51.100.5", "fr"), REPLAY_MOVED, USHER_REASON_REQUIRE_RULE,
	       "home");
	/* Of a longer prefix: in France. */
	expect(question_of(USHER_REASON_ADMITTED, "198.51.100.65", "fr"), REPLAY_SAME, USHER_REASON_ADMITTED, "all");
	expect(question_of(USHER_REASON_ADMITTED, "203.0.113.5", "de"), REPLAY_DENIED, USHER_REASON_NO_ALLOW_RULE,
	       NULL);
	expect(question_of(USHER_REASON_NO_ALLOW_RULE, "203.0.113.5", ""), REPLAY_SAME, USHER_REASON_NO_ALLOW_RULE,
	       NULL);
	expect(question_of(USHER_REASON_DENY_RULE, "198.51.100.5", ""), REPLAY_ALLOWED, USHER_REASON_ADMITTED, "all");
	/* A backend that is no more. */
	expect(question_of(USHER_REASON_ADMITTED, "198.51.100.5", "gone"), REPLAY_MOVED, USHER_REASON_NO_BACKEND, NULL);
	expect(question_of(USHER_REASON_NO_ALLOW_RULE, "2001:db8::1", ""), REPLAY_SAME, USHER_REASON_NO_ALLOW_RULE,
	       NULL);
	end_replay();
}

/* A flow of this backend, however it began, under a policy. */
static void expect_begun(const char *text, const char *backend, enum replay_outcome outcome, uint8_t reason,
			 const char *rule)
{
	open_replay(text);
	expect(question_of(USHER_REASON_ADMITTED, "198.51.100.5", backend), outcome, reason, rule);
	expect(question_of(USHER_REASON_ADOPTED, "198.51.100.5", backend), outcome, reason, rule);
	end_replay();
}

static void a_version_without_a_share_gets_no_new_flow(void **state)
{
	static const char *const without[] = {POLICY(SPLIT("\"2\": 100") ALLOW),
					      POLICY(SPLIT("\"1\": 0, \"2\": 1") ALLOW)};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		expect_begun(without[i], "de", REPLAY_MOVED, USHER_REASON_NO_SHARE, "ab");
		expect_begun(without[i], "fr", REPLAY_SAME, USHER_REASON_ADMITTED, "all");
	}
	/* Nobody else is there: that is a denial; and the other way round. */
	open_replay(POLICY(SPLIT("\"3\": 1") ALLOW));
	expect(question_of(USHER_REASON_ADMITTED, "198.51.100.5", "de"), REPLAY_DENIED, USHER_REASON_NO_SHARE, "ab");
	end_replay();
	open_replay(without[0]);
	expect(question_of(USHER_REASON_NO_SHARE, "198.51.100.5", ""), REPLAY_ALLOWED, USHER_REASON_ADMITTED, "all");
	/* By tenant and region on record. */
	expect(question_of(USHER_REASON_ADMITTED, NULL, "de"), REPLAY_MOVED, USHER_REASON_NO_SHARE, "ab");
	end_replay();
}

static void what_an_open_flow_met_later_is_not_its_beginning(void **state)
{
	static const uint8_t later[] = {USHER_REASON_CONFIRMED, USHER_REASON_REAFFIRMED, USHER_REASON_ESTABLISHED,
					USHER_REASON_REVOKED, USHER_REASON_STRAY_END};

	(void)state;
	open_replay(POLICY(SPLIT("\"2\": 100") ALLOW));
	for (size_t i = 0; i < sizeof(later); i++)
		expect(question_of(later[i], "198.51.100.5", "de"), REPLAY_OF_THE_MOMENT, 0, NULL);
	end_replay();
}

static void another_share_moves_nobody_that_is_known(void **state)
{
	(void)state;
	expect_begun(POLICY(SPLIT("\"1\": 90, \"2\": 10") ALLOW), "de", REPLAY_SAME, USHER_REASON_ADMITTED, "all");
	expect_begun(POLICY(SPLIT("\"1\": 10, \"2\": 90") ALLOW), "de", REPLAY_SAME, USHER_REASON_ADMITTED, "all");
	expect_begun(POLICY(SPLIT("\"1\": 10, \"2\": 90") ALLOW), "fr", REPLAY_SAME, USHER_REASON_ADMITTED, "all");
}

static void how_far_a_rollout_is_and_which_tiers_are_open_are_of_the_moment(void **state)
{
	(void)state;
	expect_begun(ROLLOUT("1", "100"), "de", REPLAY_SAME, USHER_REASON_ADMITTED, "all");
	expect_begun(ROLLOUT("1", "100"), "fr", REPLAY_SAME, USHER_REASON_ADMITTED, "all");
	/* Of neither of its versions. */
	open_replay(ROLLOUT("3", "1"));
	assert_int_equal(expect(question_of(USHER_REASON_ADMITTED, "198.51.100.5", "de"), REPLAY_MOVED,
				USHER_REASON_NO_SHARE, NULL)
				 .rollout,
			 0);
	end_replay();
	expect_begun(POLICY_OF(ALLOW, ", \"overflow\": [{\"region\": [\"FR\"]}]", "", ""), "fr", REPLAY_SAME,
		     USHER_REASON_ADMITTED, "all");
}

static void who_was_rerouted_may_be_again(void **state)
{
	(void)state;
	open_replay(REROUTED(""));
	expect(question_of(USHER_REASON_REROUTED, "198.51.100.5", "small"), REPLAY_SAME, USHER_REASON_ADMITTED, "all");
	expect(question_of(USHER_REASON_REROUTED, "198.51.100.5", "fr"), REPLAY_SAME, USHER_REASON_ADMITTED, "all");
	expect(question_of(USHER_REASON_REROUTED, "198.51.100.5", "gone"), REPLAY_MOVED, USHER_REASON_NO_BACKEND, NULL);
	end_replay();
	/* But not without a reroute. */
	open_replay(everybody);
	expect(question_of(USHER_REASON_REROUTED, "198.51.100.5", "small"), REPLAY_MOVED, USHER_REASON_NO_BACKEND,
	       NULL);
	end_replay();
	/* Rerouted by the split: it is what takes the backend away. */
	open_replay(REROUTED(SPLIT("\"3\": 1")));
	expect(question_of(USHER_REASON_ADMITTED, "198.51.100.5", "small"), REPLAY_SAME, USHER_REASON_REROUTED,
	       "aside");
	expect(question_of(USHER_REASON_ADMITTED, "198.51.100.5", "de"), REPLAY_MOVED, USHER_REASON_NO_SHARE, "ab");
	end_replay();
}

static void what_is_of_the_moment_is_no_policys(void **state)
{
	static const uint8_t reasons[] = {
		USHER_REASON_DRAINING,	    USHER_REASON_UNHEALTHY,	 USHER_REASON_QUARANTINED,
		USHER_REASON_GATE_BREACHED, USHER_REASON_UNVERIFIED,	 USHER_REASON_SHED,
		USHER_REASON_REVOKED,	    USHER_REASON_NEW_FLOW_LIMIT, USHER_REASON_CONFIRMED};

	(void)state;
	open_replay(everybody);
	for (size_t i = 0; i < sizeof(reasons); i++)
		expect(question_of(reasons[i], "198.51.100.5", ""), REPLAY_OF_THE_MOMENT, 0, NULL);
	end_replay();
}

static void without_an_address_the_record_says_who_it_was(void **state)
{
	struct replay_question question = question_of(USHER_REASON_ADMITTED, NULL, "fr");

	(void)state;
	open_replay(germans);
	assert_true(expect(question, REPLAY_MOVED, USHER_REASON_REQUIRE_RULE, "home").by_recorded);
	strcpy(question.region, "FR");
	assert_true(expect(question, REPLAY_SAME, USHER_REASON_ADMITTED, "all").by_recorded);
	strcpy(question.region, "SE"); /* no prefix of x's is there */
	expect(question, REPLAY_UNANSWERABLE, 0, NULL);
	strcpy(question.tenant, "nobody");
	expect(question, REPLAY_UNANSWERABLE, 0, NULL);
	strcpy(question.tenant, "unknown");
	expect(question, REPLAY_DENIED, USHER_REASON_NO_ALLOW_RULE, NULL);
	/* A service that is no more. */
	strcpy(question.service, "t");
	expect(question, REPLAY_DENIED, USHER_REASON_NOT_FOR_SERVICE, NULL);
	end_replay();
}

static struct replay_question question_in(uint8_t reason, const char *range, bool by_prefix, const char *backend)
{
	struct replay_question question = question_of(reason, NULL, backend);

	question.has_range = true;
	question.by_prefix = by_prefix;
	assert_int_equal(prefix_parse(range, strlen(range), &question.client, &question.range_bits), 0);
	return question;
}

/* germans: x has 198.51.100.0/24 in Germany but for 198.51.100.64/26 in France; there is nobody else that it lets in. */
static void a_prefix_on_record_is_enough_if_it_is_one_outcome(void **state)
{
	struct replay_question question;

	(void)state;
	open_replay(germans);
	/* Whole in one of its prefixes. */
	assert_false(expect(question_in(USHER_REASON_ADMITTED, "198.51.100.128/25", true, "fr"), REPLAY_MOVED,
			    USHER_REASON_REQUIRE_RULE, "home")
			     .by_recorded);
	expect(question_in(USHER_REASON_ADMITTED, "198.51.100.64/27", true, "fr"), REPLAY_SAME, USHER_REASON_ADMITTED,
	       "all");
	/* Nobody's any more, though the record says x. */
	expect(question_in(USHER_REASON_ADMITTED, "192.0.2.0/24", true, "fr"), REPLAY_DENIED,
	       USHER_REASON_NO_ALLOW_RULE, NULL);
	expect(question_in(USHER_REASON_ADMITTED, "203.0.113.0/24", true, "de"), REPLAY_DENIED,
	       USHER_REASON_NO_ALLOW_RULE, NULL);
	/* A longer one inside makes it two: with de as the backend they come to the same, with fr they do not. */
	expect(question_in(USHER_REASON_ADMITTED, "198.51.100.0/24", true, "de"), REPLAY_SAME, USHER_REASON_ADMITTED,
	       "all");
	assert_false(expect(question_in(USHER_REASON_ADMITTED, "198.51.100.0/24", true, "fr"), REPLAY_SPLIT, 0, NULL)
			     .by_recorded);
	/* It holds all of theirs, and what is nobody's. */
	expect(question_in(USHER_REASON_ADMITTED, "198.51.0.0/16", true, "de"), REPLAY_SPLIT, 0, NULL);
	expect(question_in(USHER_REASON_DENY_RULE, "198.51.0.0/16", true, ""), REPLAY_SPLIT, 0, NULL);
	/* A network alone may have been one side of a prefix that is there in both policies. */
	assert_true(expect(question_in(USHER_REASON_ADMITTED, "198.51.100.0/24", false, "fr"), REPLAY_MOVED,
			   USHER_REASON_REQUIRE_RULE, "home")
			    .by_recorded);
	/* But not if nothing of it is what the record says any more. */
	question = question_in(USHER_REASON_ADMITTED, "198.51.100.0/24", false, "fr");
	strcpy(question.tenant, "y");
	expect(question, REPLAY_SPLIT, 0, NULL);
	strcpy(question.tenant, "nobody");
	expect(question, REPLAY_UNANSWERABLE, 0, NULL);
	end_replay();
}

static void expect_range(const char *endpoint, const char *prefix, const char *range, bool by_prefix)
{
	struct replay_question question;
	char line[512], text[PREFIX_TEXT];
	uint64_t count;

	snprintf(line, sizeof(line),
		 "{\"time\":\"2026-01-01T00:00:00.000Z\",\"type\":\"decision\",\"reason\":\"admitted\",\"client_"
		 "prefix\":%s,"
		 "\"src_endpoint\":%s,\"dst_endpoint\":null}",
		 prefix, endpoint);
	assert_int_equal(replay_parse(line, strlen(line), &question, &count), 0);
	assert_int_equal(question.has_range, range != NULL);
	assert_int_equal(question.by_prefix, by_prefix);
	if (range)
		assert_string_equal(prefix_print(&question.client, question.range_bits, text), range);
	for (size_t length = 0; length < strlen(line); length++)
		replay_parse(line, length, &question, &count);
}

static void the_narrower_of_prefix_and_network_counts(void **state)
{
	static const char hidden[] = "{\"ip\":null,\"pseudonym\":\"00\",\"key\":\"00\",\"port\":7}",
			  network[] = "{\"ip\":\"203.0.113.0\",\"bits\":24,\"port\":7}";

	(void)state;
	expect_range(hidden, "null", NULL, false);
	expect_range(hidden, "\"203.0.113.0/24\"", "203.0.113.0/24", true);
	expect_range(hidden, "\"2001:db8::/32\"", "2001:db8::/32", true);
	expect_range(hidden, "\"nonsense\"", NULL, false);
	expect_range(network, "null", "203.0.113.0/24", false);
	expect_range(network, "\"203.0.112.0/22\"", "203.0.113.0/24", true);
	expect_range(network, "\"203.0.113.0/24\"", "203.0.113.0/24", true);
	expect_range("{\"ip\":\"2001:db8:a::\",\"bits\":48,\"port\":7}", "\"2001:db8::/32\"", "2001:db8:a::/48", true);
	expect_range("{\"ip\":\"203.0.113.0\",\"bits\":99,\"port\":7}", "null", NULL, false);
	/* All of the address is there: nothing else counts. */
	expect_range("{\"ip\":\"203.0.113.9\",\"port\":7}", "\"203.0.113.0/24\"", NULL, false);
}

static void members_of_a_pool_are_known_by_their_pool(void **state)
{
	static const char pool[] =
		"{\"apiVersion\": \"usher/v1\", \"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": "
		"\"production\"}}}},"
		"\"backends\": {}, \"pools\": {\"p\": {\"file\": \"p.json\", \"serves\": \"m@1\", \"region\": \"DE\","
		"\"port\": 80, \"most\": 4, \"within\": [\"10.0.0.0/24\"]}},"
		"\"services\": {\"s\": {\"address\": \"192.0.2.1:443\", \"protocol\": \"tcp\", \"model\": \"m\"}},"
		"\"tenants\": {\"x\": {\"sources\": [{\"prefix\": \"198.51.100.0/24\", \"region\": \"DE\"}]}},"
		"\"rules\": [{\"id\": \"all\", \"when\": {\"tenant\": [\"x\"]}, \"allow\": true}],"
		"\"nat\": {\"addresses\": [\"10.255.0.1\"]}}";

	(void)state;
	open_replay(pool);
	expect(question_of(USHER_REASON_ADMITTED, "198.51.100.5", "p.10-0-0-7-80"), REPLAY_SAME, USHER_REASON_ADMITTED,
	       "all");
	expect(question_of(USHER_REASON_ADMITTED, "198.51.100.5", "q.10-0-0-7-80"), REPLAY_MOVED,
	       USHER_REASON_NO_BACKEND, NULL);
	end_replay();
}

static void another_port_or_protocol_is_another_service(void **state)
{
	struct replay_question question = question_of(USHER_REASON_ADMITTED, "198.51.100.5", "de");

	(void)state;
	open_replay(everybody);
	question.port = 80;
	expect(question, REPLAY_DENIED, USHER_REASON_NOT_FOR_SERVICE, NULL);
	question.port = 443;
	question.protocol = IPPROTO_UDP;
	expect(question, REPLAY_DENIED, USHER_REASON_NOT_FOR_SERVICE, NULL);
	end_replay();
}

static void lines_are_read_as_they_are_written(void **state)
{
	const struct record_stamp stamp = {.realtime = 1767225600000000000, .boot_id = 1};
	const struct catalog_backend backend = {.name = "fr", .model = "m", .version = "2", .region = "FR", .port = 80};
	struct usher_event event = {.reason = USHER_REASON_ADMITTED,
				    .protocol = IPPROTO_UDP,
				    .client_port_be = htons(4711),
				    .service_port_be = htons(443)};
	struct replay_question question;
	struct json text = {0};
	uint64_t count;

	(void)state;
	address_parse("198.51.100.5", &event.client);
	address_parse("2001:db8::1", &event.service_address);
	record_decision(&text, &stamp, &event, NULL, &backend, NULL, NULL);
	assert_int_equal(replay_parse(text.bytes, text.length - 1, &question, &count), 0);
	assert_int_equal(question.reason, USHER_REASON_ADMITTED);
	assert_int_equal(count, 1);
	assert_string_equal(question.backend, "fr");
	assert_string_equal(question.tenant, "");
	assert_true(question.has_client && address_equal(&question.client, &event.client));
	assert_true(question.has_address && address_equal(&question.address, &event.service_address));
	assert_int_equal(question.port, 443);
	assert_int_equal(question.protocol, IPPROTO_UDP);
	/* Cut anywhere it is no worse than unreadable. */
	for (size_t length = 0; length < text.length; length++)
		replay_parse(text.bytes, length, &question, &count);
	json_clear(&text);
	event.aggregated = 1;
	event.count = 4000;
	record_decision(&text, &stamp, &event, NULL, NULL, NULL, NULL);
	assert_int_equal(replay_parse(text.bytes, text.length - 1, &question, &count), 0);
	assert_int_equal(count, 4000);
	assert_false(question.has_client || question.has_address);
	json_clear(&text);
	record_operation(&text, &stamp, "start", NULL);
	record_operation_end(&text);
	assert_int_equal(replay_parse(text.bytes, text.length - 1, &question, &count), -ENOENT);
	json_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_was_allowed_and_who_was_not),
		cmocka_unit_test(a_version_without_a_share_gets_no_new_flow),
		cmocka_unit_test(what_an_open_flow_met_later_is_not_its_beginning),
		cmocka_unit_test(another_share_moves_nobody_that_is_known),
		cmocka_unit_test(how_far_a_rollout_is_and_which_tiers_are_open_are_of_the_moment),
		cmocka_unit_test(who_was_rerouted_may_be_again),
		cmocka_unit_test(what_is_of_the_moment_is_no_policys),
		cmocka_unit_test(without_an_address_the_record_says_who_it_was),
		cmocka_unit_test(a_prefix_on_record_is_enough_if_it_is_one_outcome),
		cmocka_unit_test(the_narrower_of_prefix_and_network_counts),
		cmocka_unit_test(members_of_a_pool_are_known_by_their_pool),
		cmocka_unit_test(another_port_or_protocol_is_another_service),
		cmocka_unit_test(lines_are_read_as_they_are_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
