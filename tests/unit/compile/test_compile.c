// SPDX-License-Identifier: GPL-2.0-only
/* From a policy to the bytes of a generation: what stays the same, what raises the epoch, what is shared, what does not fit. */
#include "compile/compile.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "compiled.h"

#define HEAD                                                                                                           \
	"{\"apiVersion\": \"usher/v1\", \"tenants\": {\"a\": {\"sources\": [{\"prefix\": \"192.0.2.0/24\", "           \
	"\"region\": \"DE\"}]},"                                                                                       \
	"\"b\": {\"sources\": [{\"prefix\": \"203.0.113.0/24\", \"region\": \"DE\"}]}},"                               \
	"\"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"}, \"2\": {\"stage\": \"canary\"}}}},"   \
	"\"nat\": {\"addresses\": [\"10.255.0.1\"]},"
#define SERVICES "\"services\": {\"s\": {\"address\": \"198.51.100.1:443\", \"protocol\": \"tcp\", \"model\": \"m\"}},"
#define ALLOW "{\"id\": \"allow\", \"when\": {\"tenant\": [\"a\", \"b\"]}, \"allow\": true}"

static char *document(const char *backends, const char *rules)
{
	struct writing to = {0};

	writef(&to, HEAD "\"backends\": {%s}," SERVICES "\"rules\": [%s]}", backends, rules);
	return to.text;
}

static const char three[] = "\"x\": {\"address\": \"10.0.0.1:80\", \"serves\": \"m@1\", \"region\": \"DE\"},"
			    "\"y\": {\"address\": \"10.0.0.2:80\", \"serves\": \"m@1\", \"region\": \"FR\"},"
			    "\"z\": {\"address\": \"10.0.0.3:80\", \"serves\": \"m@2\", \"region\": \"US\"}";

static void compiled_from(const struct tables *before, const char *backends, const char *rules,
			  const struct facts *facts, struct compiled *compiled)
{
	char *text = document(backends, rules);
	int error = compile_after(before, text, facts, compiled);

	if (error) {
		diagnostics_print(&compiled->diagnostics, stderr);
		fail_msg("it does not compile");
	}
	free(text);
}

static void test_the_same_policy_gives_the_same_bytes(void **state)
{
	struct compiled one, two;
	char first[SHA256_HEX], second[SHA256_HEX];

	(void)state;
	compiled_from(NULL, three, ALLOW, NULL, &one);
	compiled_from(NULL, three, ALLOW, NULL, &two);
	tables_digest(one.tables, first);
	tables_digest(two.tables, second);
	assert_string_equal(first, second);
	compiled_free(&two);
	compiled_from(NULL, three, ALLOW ", {\"id\": \"no\", \"deny\": {\"region\": [\"US\"]}}", NULL, &two);
	tables_digest(two.tables, second);
	assert_string_not_equal(first, second);
	compiled_free(&one);
	compiled_free(&two);
}

/* ---- the epoch ----------------------------------------------------------------------------------------------- */

static void expect_epoch(const struct compiled *before, const char *backends, const char *rules,
			 const struct facts *facts, bool raised)
{
	struct compiled after;

	compiled_from(before->tables, backends, rules, facts, &after);
	if ((after.tables->header.epoch != before->tables->header.epoch) != raised)
		fail_msg("epoch %u became %u: %s", before->tables->header.epoch, after.tables->header.epoch, rules);
	compiled_free(&after);
}

static void test_only_what_open_flows_are_judged_by_raises_the_epoch(void **state)
{
	static const char heavier[] =
		"\"x\": {\"address\": \"10.0.0.1:80\", \"serves\": \"m@1\", \"region\": \"DE\", \"capacity\": 5},"
		"\"y\": {\"address\": \"10.0.0.2:80\", \"serves\": \"m@1\", \"region\": \"FR\"},"
		"\"z\": {\"address\": \"10.0.0.3:80\", \"serves\": \"m@2\", \"region\": \"US\"}";
	struct backend_facts backends[3] = {[0] = {.health = HEALTH_DOWN, .next_hop.resolved = true},
					    [1] = {.health = HEALTH_UP, .draining = true, .next_hop.resolved = true},
					    [2] = {.health = HEALTH_UP}};
	const struct facts facts = {.backends = backends, .backend_count = 3};
	struct compiled before;

	(void)state;
	compiled_from(NULL, three, ALLOW, NULL, &before);
	assert_int_equal(before.tables->header.epoch, 1);
	expect_epoch(&before, three, ALLOW, NULL, false);
	expect_epoch(&before, three, ALLOW, &facts, false);
	expect_epoch(&before, heavier, ALLOW, NULL, false);
	expect_epoch(&before, three,
		     "{\"id\": \"ab\", \"when\": {\"service\": [\"s\"]}, \"split\": {\"1\": 9, \"2\": 1}}," ALLOW, NULL,
		     false);
	expect_epoch(&before, three, "{\"id\": \"no\", \"deny\": {\"backend\": [\"z\"]}}," ALLOW, NULL, true);
	expect_epoch(&before, three, "{\"id\": \"no\", \"when\": {\"tenant\": [\"b\"]}, \"deny\": true}," ALLOW, NULL,
		     true);
	expect_epoch(&before, three, "{\"id\": \"r\", \"require\": {\"stage\": [\"canary\"]}}," ALLOW, NULL, true);
	compiled_free(&before);
}

/* Since which epoch every source has had the class that it has: a flow judged since then keeps the one that it knows. */
static void test_only_sources_and_tenants_date_the_classes(void **state)
{
	static const char elsewhere[] =
		"{\"apiVersion\": \"usher/v1\", \"tenants\": {\"a\": {\"sources\": [{\"prefix\": \"192.0.2.0/25\", "
		"\"region\": \"DE\"}]}, \"b\": {\"sources\": [{\"prefix\": \"203.0.113.0/24\", \"region\": \"DE\"}]}},"
		"\"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"}, \"2\": {\"stage\": "
		"\"canary\"}}}},\"nat\": {\"addresses\": [\"10.255.0.1\"]},\"backends\": {%s}," SERVICES
		"\"rules\": [" ALLOW "]}";
	struct compiled first, denied, moved;
	struct writing text = {0};

	(void)state;
	compiled_from(NULL, three, ALLOW, NULL, &first);
	assert_int_equal(first.tables->header.classes_epoch, 1);
	compiled_from(first.tables, three, "{\"id\": \"no\", \"deny\": {\"backend\": [\"z\"]}}," ALLOW, NULL, &denied);
	assert_int_equal(denied.tables->header.epoch, 2);
	assert_int_equal(denied.tables->header.classes_epoch, 1);
	writef(&text, elsewhere, three);
	assert_int_equal(compile_after(denied.tables, text.text, NULL, &moved), 0);
	assert_int_equal(moved.tables->header.epoch, 3);
	assert_int_equal(moved.tables->header.classes_epoch, 3);
	free(text.text);
	compiled_free(&moved);
	compiled_free(&denied);
	compiled_free(&first);
}

/* ---- what is shared ------------------------------------------------------------------------------------------ */

static void test_routes_that_are_equal_share_one_ring(void **state)
{
	struct compiled alike, apart;
	size_t ring_of_three;

	(void)state;
	compiled_from(NULL, three, ALLOW, NULL, &alike);
	ring_of_three = alike.tables->arms[0].ring_size / 32;
	assert_int_equal(alike.tables->ring_lines, ring_of_three);
	/* A refusal, and one route for both tenants: nothing, no allow, allowed. */
	assert_int_equal(alike.tables->arm_count, 1);
	compiled_free(&alike);
	compiled_from(NULL, three,
		      "{\"id\": \"r\", \"when\": {\"tenant\": [\"a\"]}, \"deny\": {\"backend\": [\"z\"]}}," ALLOW, NULL,
		      &apart);
	assert_int_equal(apart.tables->arm_count, 2);
	assert_int_equal(apart.tables->ring_lines, 2 * ring_of_three);
	compiled_free(&apart);
}

static void test_no_ring_has_a_backend_that_is_not_allowed(void **state)
{
	struct compiled compiled;

	(void)state;
	compiled_from(NULL, three, "{\"id\": \"r\", \"require\": {\"region\": [\"DE\", \"FR\"]}}," ALLOW, NULL,
		      &compiled);
	for (size_t line = 0; line < compiled.tables->ring_lines; line++)
		for (int i = 0; i < 32; i++) {
			const struct catalog_backend *backend =
				&compiled.tables->catalog->backends[compiled.tables->rings[line].value[i]];

			assert_non_null(backend->name);
			assert_string_not_equal(backend->name, "z");
		}
	compiled_free(&compiled);
}

/* ---- the largest --------------------------------------------------------------------------------------------- */

static char *largest_policy(size_t backends_per_model)
{
	struct writing to = {0};

	writef(&to, "{\"apiVersion\": \"usher/v1\", \"tenants\": {");
	for (unsigned int t = 0; t < USHER_TENANTS_MAX; t++) {
		writef(&to, "%s\"t%u\": {\"sources\": [", t ? "," : "", t);
		for (unsigned int p = 0; p < USHER_PREFIXES_MAX / USHER_TENANTS_MAX; p++)
			writef(&to, "%s{\"prefix\": \"%u.%u.%u.0/26\", \"region\": \"%s\"}", p ? "," : "", 20 + t / 256,
			       t % 256, p, p % 2 ? "DE" : "US");
		writef(&to, "]}");
	}
	writef(&to, "}, \"models\": {");
	for (unsigned int m = 0; m < USHER_BACKENDS_MAX / backends_per_model; m++)
		writef(&to, "%s\"m%u\": {\"versions\": {\"1\": {\"stage\": \"production\"}}}", m ? "," : "", m);
	writef(&to, "}, \"backends\": {");
	for (unsigned int b = 0; b < USHER_BACKENDS_MAX; b++)
		writef(&to, "%s\"b%u\": {\"address\": \"10.%u.%u.1:80\", \"serves\": \"m%u@1\", \"region\": \"%s\"}",
		       b ? "," : "", b, b / 256, b % 256, b / (unsigned int)backends_per_model, b % 2 ? "DE" : "US");
	writef(&to, "}, \"services\": {");
	for (unsigned int s = 0; s < USHER_SERVICES_MAX; s++)
		writef(&to, "%s\"s%u\": {\"address\": \"198.51.100.1:%u\", \"protocol\": \"tcp\", \"model\": \"m%u\"}",
		       s ? "," : "", s, 1000 + s, (unsigned int)(s % (USHER_BACKENDS_MAX / backends_per_model)));
	writef(&to, "}, \"rules\": [{\"id\": \"de\", \"when\": {\"client_region\": [\"DE\"]}, \"require\": "
		    "{\"region\": [\"DE\"]}}");
	for (unsigned int r = 1; r < USHER_RULES_MAX; r++)
		writef(&to,
		       ",{\"id\": \"r%u\", \"when\": {\"tenant\": [\"t%u\"], \"service\": [\"s%u\"]}, \"allow\": true}",
		       r, r % USHER_TENANTS_MAX, r / 16);
	writef(&to, "], \"nat\": {\"addresses\": [\"10.255.255.1\"]}}");
	return to.text;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* At every limit at once: 65,536 prefixes, 1,024 tenants, 4,096 backends and rules, 256 services. */
static void test_the_largest_policy_compiles(void **state)
{
	static const size_t per_model[] = {16, 64, 4096};

	(void)state;
	for (size_t i = 0; i < sizeof(per_model) / sizeof(*per_model); i++) {
		char *text = largest_policy(per_model[i]);
		struct compiled compiled;
		double begun = seconds();
		int error = compile_after(NULL, text, NULL, &compiled);

		print_message("# every limit at once, %zu backends a model: %.1f MB of policy, %.1f s\n", per_model[i],
			      (double)strlen(text) / 1e6, seconds() - begun);
		if (error) {
			diagnostics_print(&compiled.diagnostics, stderr);
			fail_msg("it does not compile: %s", strerror(-error));
		}
		print_message("#   %zu classes, %zu routes, %zu sets, %zu ring slots, %zu warnings\n",
			      compiled.tables->class_count, compiled.tables->route_count, compiled.tables->set_count,
			      compiled.tables->ring_lines * 32, compiled.diagnostics.count);
		compiled_free(&compiled);
		free(text);
	}
}

/* 1,024 tenants with a client in each of 65 countries. */
static void test_too_many_classes_are_refused_by_name(void **state)
{
	static const char *const countries[] = {
		"AD", "AE", "AF", "AG", "AI", "AL", "AM", "AO", "AR", "AT", "AU", "AZ", "BA", "BB", "BD", "BE",
		"BF", "BG", "BH", "BI", "BJ", "BN", "BO", "BR", "BS", "BT", "BW", "BY", "BZ", "CA", "CD", "CF",
		"CG", "CH", "CI", "CL", "CM", "CN", "CO", "CR", "CU", "CV", "CY", "CZ", "DE", "DJ", "DK", "DM",
		"DO", "DZ", "EC", "EE", "EG", "ER", "ES", "ET", "FI", "FJ", "FM", "FR", "GA", "GB", "GD", "GE"};
	struct writing to = {0};
	struct compiled compiled;

	(void)state;
	writef(&to, "{\"apiVersion\": \"usher/v1\", \"models\": {}, \"backends\": {}, \"services\": {}, \"rules\": [], "
		    "\"tenants\": {");
	for (unsigned int t = 0; t < USHER_TENANTS_MAX; t++) {
		writef(&to, "%s\"t%u\": {\"sources\": [", t ? "," : "", t);
		for (unsigned int c = 0; c < 64; c++)
			writef(&to, "%s{\"prefix\": \"%u.%u.%u.0/30\", \"region\": \"%s\"}", c ? "," : "", 20 + t / 256,
			       t % 256, c, countries[c]);
		writef(&to, "]}");
	}
	writef(&to, "}}");
	assert_int_equal(compile_after(NULL, to.text, NULL, &compiled), -E2BIG);
	assert_int_equal(compiled.diagnostics.errors, 1);
	assert_non_null(
		strstr(compiled.diagnostics.items[compiled.diagnostics.count - 1].text, "65538 classes of clients"));
	assert_null(compiled.tables);
	compiled_free(&compiled);
	free(to.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_policy_gives_the_same_bytes),
		cmocka_unit_test(test_only_what_open_flows_are_judged_by_raises_the_epoch),
		cmocka_unit_test(test_only_sources_and_tenants_date_the_classes),
		cmocka_unit_test(test_routes_that_are_equal_share_one_ring),
		cmocka_unit_test(test_no_ring_has_a_backend_that_is_not_allowed),
		cmocka_unit_test(test_the_largest_policy_compiles),
		cmocka_unit_test(test_too_many_classes_are_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
