// SPDX-License-Identifier: GPL-2.0-only
/* The gates of a policy, where what an earlier daemon knew of them cannot be read. */
#include "daemon/gates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/policy.h"
#include "daemon/gates_text.h"

#define GATE(on, what)                                                                                                 \
	"{\"on\": \"" on "\", \"source\": \"e\", \"metric\": \"x\", \"breach\": {\"below\": 1}, \"on_breach\": " what  \
	"}"
#define ALERTS GATE("version", "\"alert\"")
#define LESSENS GATE("version", "{\"share\": 25}")
#define QUARANTINES GATE("backend", "\"quarantine\"")
#define REROUTES GATE("service", "\"reroute\"")

static const char text[] =
	"{\"apiVersion\": \"usher/v1\", \"nat\": {\"addresses\": [\"10.255.0.1\"]},"
	"\"rules\": [{\"id\": \"away\", \"reroute\": {\"service\": \"t\"}, \"when\": {\"service\": [\"s\"]}}],"
	"\"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"}}}},"
	"\"backends\": {\"a\": {\"address\": \"10.0.0.1:80\", \"serves\": \"m@1\", \"region\": \"DE\"}},"
	"\"services\": {\"s\": {\"address\": \"192.0.2.1:443\", \"protocol\": \"tcp\", \"model\": \"m\"},"
	"\"t\": {\"address\": \"192.0.2.2:443\", \"protocol\": \"tcp\", \"model\": \"m\"}},"
	"\"telemetry\": {\"e\": {\"url\": \"http://10.9.0.5:80/metrics\"}},"
	"\"gates\": {\"alerts\": " ALERTS ", \"lessens\": " LESSENS ", \"quarantines\": " QUARANTINES
	", \"reroutes\": " REROUTES "}}";

static struct policy *policy;
static struct gates *gates;
static struct backend_facts backends[1];
static struct version_facts versions[1];
static struct service_facts services[2];
static struct facts facts;

static int begin(void **state)
{
	struct diagnostics diagnostics = {.file = "test.json"};

	(void)state;
	if (policy_parse("test.json", text, strlen(text), 0, &diagnostics, &policy)) {
		diagnostics_print(&diagnostics, stderr);
		return -1;
	}
	diagnostics_free(&diagnostics);
	facts = (struct facts){.backends = backends,
			       .backend_count = 1,
			       .versions = versions,
			       .version_count = 1,
			       .services = services,
			       .service_count = 2};
	return 0;
}

static int end(void **state)
{
	(void)state;
	gates_free(gates);
	policy_free(policy);
	return 0;
}

static void become(const struct gates *before)
{
	struct gates *after = NULL;

	assert_int_equal(gates_new(policy, before, &after), 0);
	gates_free(gates);
	gates = after;
	gates_fill(gates, policy, &facts);
}

static void test_all_that_they_can_deny_is_denied(void **state)
{
	const struct gates lost = {.lost_at = 1700000000};

	(void)state;
	become(NULL);
	assert_false(backends[0].gated || versions[0].gated || services[0].rerouted);
	assert_int_equal(versions[0].share, 0);
	become(&lost);
	assert_true(backends[0].gated);
	assert_int_equal(versions[0].share, 25);
	assert_true(services[0].rerouted);
	/* Nothing follows from one that only alerts. */
	assert_int_equal(gates->items[gates_find(gates, "alerts", "m@1")].state.state, GATE_OK);
	become(gates);
	assert_true(backends[0].gated);
	assert_int_equal(gates->lost_at, 0);
}

static void test_that_is_kept_as_any_denial_is(void **state)
{
	const struct gates lost = {.lost_at = 1700000000};
	struct gates *read = NULL;
	struct json kept = {0};

	(void)state;
	become(&lost);
	gates_text_print(&kept, gates);
	assert_int_equal(gates_text_parse(kept.bytes, kept.length, &read), 0);
	json_free(&kept);
	become(read);
	gates_free(read);
	assert_true(backends[0].gated);
	assert_true(gates->items[gates_find(gates, "quarantines", "a")].state.lost);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_that_they_can_deny_is_denied),
		cmocka_unit_test(test_that_is_kept_as_any_denial_is),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, begin, end);
}
