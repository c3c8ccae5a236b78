// SPDX-License-Identifier: GPL-2.0-only
/* Every limit of a policy: as many as there may be are taken, and one more is one error, which says where, how many, and the limit. */
#include "policy/policy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "usher/limits.h"

#include "base/array.h"

#define NOW 1795478400 /* 2026-11-24 */

/* ---- documents ------------------------------------------------------------------------------------------------- */

#define EACH(to, count, ...)                                                                                           \
	for (unsigned int i = 0; i < (count); i++) {                                                                   \
		fputs(i ? ", " : "", to);                                                                              \
		fprintf(to, __VA_ARGS__);                                                                              \
	}

static void write_services(FILE *to, unsigned int count)
{
	fprintf(to, "\"services\": {");
	EACH(to, count, "\"s%u\": {\"address\": \"192.0.2.1:%u\", \"protocol\": \"tcp\", \"model\": \"m\"}", i, i + 1)
	fprintf(to, "}");
}

static void write_service_addresses(FILE *to, unsigned int count)
{
	fprintf(to, "\"services\": {\"s\": {\"protocol\": \"tcp\", \"model\": \"m\", \"address\": [");
	EACH(to, count, "\"192.0.2.%u:443\"", i + 1)
	fprintf(to, "]}}");
}

static void write_tenants(FILE *to, unsigned int count)
{
	fprintf(to, "\"tenants\": {");
	EACH(to, count, "\"t%u\": {}", i)
	fprintf(to, "}");
}

static void write_prefixes_of_one(FILE *to, unsigned int count)
{
	fprintf(to, "\"tenants\": {\"t\": {\"sources\": [");
	EACH(to, count, "{\"prefix\": \"%u.%u.%u.0/24\", \"region\": \"DE\"}", 20 + i / 65536, i / 256 % 256, i % 256)
	fprintf(to, "]}}");
}

static void write_prefixes_of_many(FILE *to, unsigned int count)
{
	fprintf(to, "\"tenants\": {");
	for (unsigned int t = 0; t < 2; t++) {
		fprintf(to, "%s\"t%u\": {\"sources\": [", t ? ", " : "", t);
		EACH(to, t ? count - count / 2 : count / 2, "{\"prefix\": \"2001:db8:%x:%x::/64\", \"region\": \"DE\"}",
		     t, i)
		fprintf(to, "]}");
	}
	fprintf(to, "}");
}

static void write_backends(FILE *to, unsigned int count)
{
	fprintf(to, "\"backends\": {");
	EACH(to, count, "\"b%u\": {\"address\": \"10.1.%u.%u:80\", \"serves\": \"m@1\", \"region\": \"DE\"}", i,
	     i / 256, i % 256)
	fprintf(to, "}");
}

static void write_rules(FILE *to, unsigned int count)
{
	fprintf(to, "\"rules\": [");
	EACH(to, count, "{\"id\": \"r%u\", \"allow\": true}", i)
	fprintf(to, "]");
}

static void write_models(FILE *to, unsigned int count)
{
	fprintf(to, "\"models\": {");
	EACH(to, count, "\"m%u\": {\"versions\": {\"1\": {\"stage\": \"canary\"}}}", i)
	fprintf(to, "}");
}

static void write_versions_of_one(FILE *to, unsigned int count)
{
	fprintf(to, "\"models\": {\"m\": {\"versions\": {");
	EACH(to, count, "\"%u\": {\"stage\": \"canary\"}", i)
	fprintf(to, "}}}");
}

static void write_versions_of_many(FILE *to, unsigned int count)
{
	fprintf(to, "\"models\": {");
	for (unsigned int m = 0; m < 2; m++) {
		fprintf(to, "%s\"m%u\": {\"versions\": {", m ? ", " : "", m);
		EACH(to, m ? count - count / 2 : count / 2, "\"%u\": {\"stage\": \"canary\"}", i)
		fprintf(to, "}}");
	}
	fprintf(to, "}");
}

static void write_labels(FILE *to, unsigned int count)
{
	fprintf(to, "\"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"canary\", \"labels\": {");
	EACH(to, count, "\"l%u\": {\"evidence\": \"e\"}", i)
	fprintf(to, "}}}}}");
}

static void write_required_labels(FILE *to, unsigned int count)
{
	fprintf(to, "\"rules\": [{\"id\": \"r\", \"require\": {\"labels\": [");
	EACH(to, count, "\"l%u\"", i)
	fprintf(to, "]}}]");
}

static void write_shares(FILE *to, unsigned int count)
{
	write_versions_of_one(to, count);
	fprintf(to, ", \"services\": {\"s\": {\"address\": \"192.0.2.1:80\", \"protocol\": \"tcp\", \"model\": \"m\"}},"
		    "\"rules\": [{\"id\": \"r\", \"when\": {\"service\": [\"s\"]}, \"split\": {");
	EACH(to, count, "\"%u\": 1", i)
	fprintf(to, "}}]");
}

static void write_region_sets(FILE *to, unsigned int count)
{
	fprintf(to, "\"regions\": {");
	EACH(to, count, "\"SET%u\": {\"countries\": [\"DE\"]}", i)
	fprintf(to, "}");
}

static void write_regions(FILE *to, unsigned int count)
{
	fprintf(to, "\"regions\": {\"SET\": {\"countries\": [");
	EACH(to, count, "\"%s-%03u\"", i % 2 ? "DE" : "FR", i / 2)
	fprintf(to, "]}}");
}

static void write_included_regions(FILE *to, unsigned int count)
{
	fprintf(to, "\"regions\": {\"HALF\": {\"countries\": [");
	EACH(to, count / 2, "\"DE-%03u\"", i)
	fprintf(to, "]}, \"WHOLE\": {\"include\": [\"HALF\"], \"countries\": [");
	EACH(to, count - count / 2, "\"FR-%03u\"", i)
	fprintf(to, "]}}");
}

static void write_ruled_regions(FILE *to, unsigned int count)
{
	fprintf(to, "\"rules\": [{\"id\": \"r\", \"require\": {\"region\": [");
	EACH(to, count, "\"%s-%03u\"", i % 2 ? "DE" : "FR", i / 2)
	fprintf(to, "]}}]");
}

static void write_nat_addresses(FILE *to, unsigned int count)
{
	fprintf(to, "\"nat\": {\"addresses\": [");
	EACH(to, count, "\"10.255.0.%u\"", i + 1)
	fprintf(to, "]}");
}

static void write_approvals(FILE *to, unsigned int count)
{
	fprintf(to, "\"metadata\": {\"approved_by\": [");
	EACH(to, count, "\"p%u\"", i)
	fprintf(to, "]}");
}

static void write_string(FILE *to, unsigned int count)
{
	fprintf(to, "\"metadata\": {\"approved_by\": [\"%0*d\"]}", (int)count, 0);
}

static void write_capacity(FILE *to, unsigned int count)
{
	fprintf(to,
		"\"backends\": {\"b\": {\"address\": \"10.0.0.1:80\", \"serves\": \"m@1\", \"region\": \"DE\", "
		"\"capacity\": %u}}",
		count);
}

static void write_weight(FILE *to, unsigned int count)
{
	fprintf(to,
		"\"services\": {\"s\": {\"address\": \"192.0.2.1:80\", \"protocol\": \"tcp\", \"model\": \"m\"}},"
		"\"rules\": [{\"id\": \"r\", \"when\": {\"service\": [\"s\"]}, \"split\": {\"1\": %u}}]",
		count);
}

/* A name stands in the path itself. */
static void write_name(FILE *to, unsigned int count)
{
	fprintf(to, "\"tenants\": {\"%0*d\": {}}", (int)count, 0);
}

static void write_set_name(FILE *to, unsigned int count)
{
	fprintf(to, "\"regions\": {\"S%0*d\": {\"countries\": [\"DE\"]}}", (int)count - 1, 0);
}

/* ---- limits ---------------------------------------------------------------------------------------------------- */

static const struct {
	const char *what;
	void (*write)(FILE *to, unsigned int count);
	unsigned int most;
	const char *path; /* what the error's begins with */
	const char *form; /* what the error says in place of how many there are */
} limits[] = {
	{"services", write_services, USHER_SERVICES_MAX, ".services", NULL},
	{"addresses", write_service_addresses, USHER_SERVICE_ADDRESSES_MAX, ".services.s.address", NULL},
	{"tenants", write_tenants, USHER_TENANTS_MAX, ".tenants", NULL},
	{"prefixes", write_prefixes_of_one, USHER_PREFIXES_MAX, ".tenants.t.sources", NULL},
	{"prefixes of all", write_prefixes_of_many, USHER_PREFIXES_MAX, ".tenants", NULL},
	{"backends", write_backends, USHER_BACKENDS_MAX, ".backends", NULL},
	{"rules", write_rules, USHER_RULES_MAX, ".rules", NULL},
	{"models", write_models, USHER_MODELS_MAX, ".models", NULL},
	{"versions", write_versions_of_one, USHER_VERSIONS_MAX, ".models.m.versions", NULL},
	{"versions of all", write_versions_of_many, USHER_VERSIONS_MAX, ".models", NULL},
	{"labels", write_labels, USHER_LABELS_MAX, ".models.m.versions[\"1\"].labels", NULL},
	{"required labels", write_required_labels, USHER_LABELS_MAX, ".rules[0].require.labels", NULL},
	{"shares", write_shares, USHER_ARMS_MAX, ".rules[0].split", NULL},
	{"region sets", write_region_sets, USHER_REGION_SETS_MAX, ".regions", NULL},
	{"regions", write_regions, USHER_REGIONS_MAX, ".regions.SET.countries", NULL},
	{"included regions", write_included_regions, USHER_REGIONS_MAX, ".regions.WHOLE", NULL},
	{"regions of a rule", write_ruled_regions, USHER_REGIONS_MAX, ".rules[0].require.region", NULL},
	{"NAT addresses", write_nat_addresses, USHER_NAT_ADDRESSES_MAX, ".nat.addresses", NULL},
	{"approvals", write_approvals, 64, ".metadata.approved_by", NULL},
	{"bytes of a string", write_string, USHER_STRING_MAX, ".metadata.approved_by[0]", NULL},
	{"capacity", write_capacity, USHER_WEIGHT_MAX, ".backends.b.capacity", NULL},
	{"weight", write_weight, USHER_WEIGHT_MAX, ".rules[0].split[\"1\"]", NULL},
	{"bytes of a name", write_name, USHER_NAME_MAX, ".tenants", "[a-z0-9][a-z0-9._-]{0,62}"},
	{"bytes of a set's name", write_set_name, USHER_NAME_MAX, ".regions", "[A-Z][A-Za-z0-9+_-]{2,62}"},
};

/* A document of the section and whatever else it takes. */
static char *document_of(size_t limit, unsigned int count)
{
	static const char *const sections[] = {
		"\"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"canary\"}}}}",
		"\"services\": {}",
		"\"backends\": {}",
		"\"rules\": []",
		"\"nat\": {\"addresses\": [\"10.255.0.1\"]}",
	};
	char *text = NULL, *section = NULL;
	size_t length;
	FILE *to = open_memstream(&section, &length);

	assert_non_null(to);
	limits[limit].write(to, count);
	fclose(to);
	to = open_memstream(&text, &length);
	assert_non_null(to);
	fprintf(to, "{\"apiVersion\": \"usher/v1\", %s", section);
	for (size_t s = 0; s < ARRAY_COUNT(sections); s++) {
		char key[32];

		snprintf(key, sizeof(key), "%.*s", (int)strcspn(sections[s], ":") + 1, sections[s]);
		if (!strstr(section, key))
			fprintf(to, ", %s", sections[s]);
	}
	fprintf(to, "}");
	fclose(to);
	free(section);
	return text;
}

static int parse(const char *text, size_t length, struct diagnostics *diagnostics)
{
	struct policy *policy = NULL;
	int error;

	*diagnostics = (struct diagnostics){.file = "test.json"};
	error = policy_parse("test.json", text, length, NOW, diagnostics, &policy);
	policy_free(policy);
	return error;
}

static void test_as_many_as_there_may_be(void **state)
{
	(void)state;
	for (size_t l = 0; l < ARRAY_COUNT(limits); l++) {
		char *text = document_of(l, limits[l].most);
		struct diagnostics diagnostics;

		if (parse(text, strlen(text), &diagnostics)) {
			diagnostics_cut(&diagnostics, 3);
			diagnostics_print(&diagnostics, stderr);
			fail_msg("%u %s are refused", limits[l].most, limits[l].what);
		}
		diagnostics_free(&diagnostics);
		free(text);
	}
}

static const struct diagnostic *only_error(const struct diagnostics *diagnostics)
{
	const struct diagnostic *found = NULL;

	for (size_t i = 0; i < diagnostics->count; i++)
		if (diagnostics->items[i].severity == SEVERITY_ERROR)
			found = &diagnostics->items[i];
	return diagnostics->errors == 1 ? found : NULL;
}

static void test_one_more_is_one_error(void **state)
{
	(void)state;
	for (size_t l = 0; l < ARRAY_COUNT(limits); l++) {
		char *text = document_of(l, limits[l].most + 1), number[16], most[16];
		struct diagnostics diagnostics;
		const struct diagnostic *error;

		snprintf(number, sizeof(number), "%u", limits[l].most + 1);
		snprintf(most, sizeof(most), "%u", limits[l].most);
		assert_int_equal(parse(text, strlen(text), &diagnostics), -EINVAL);
		error = only_error(&diagnostics);
		if (!error || strncmp(error->path, limits[l].path, strlen(limits[l].path)) != 0 || error->line != 1 ||
		    !strstr(error->text, limits[l].form ? limits[l].form : number) ||
		    (!limits[l].form && !strstr(error->text, most))) {
			diagnostics_cut(&diagnostics, 3);
			diagnostics_print(&diagnostics, stderr);
			fail_msg("%s %s: not the error that was to be", number, limits[l].what);
		}
		diagnostics_free(&diagnostics);
		free(text);
	}
}

static void expect_said(const char *text, size_t length, const char *said)
{
	struct diagnostics diagnostics;

	assert_int_equal(parse(text, length, &diagnostics), -EINVAL);
	assert_int_equal(diagnostics.errors, 1);
	if (!strstr(diagnostics.items[0].text, said))
		fail_msg("\"%s\" does not say \"%s\"", diagnostics.items[0].text, said);
	diagnostics_free(&diagnostics);
}

static void test_what_a_document_may_be(void **state)
{
	const size_t most = USHER_POLICY_BYTES_MAX;
	char *text = document_of(0, 1), *large = malloc(most + 2), depth[2 * USHER_POLICY_DEPTH_MAX + 8];
	size_t length = strlen(text);
	struct diagnostics diagnostics;

	(void)state;
	assert_non_null(large);
	memset(large, ' ', most + 2);
	memcpy(large, text, length);
	assert_int_equal(parse(large, most, &diagnostics), 0);
	diagnostics_free(&diagnostics);
	expect_said(large, most + 1, "33554433 bytes; at most 33554432");

	/* [0,0,0,...]: two bytes a value */
	for (size_t i = 0; i <= USHER_POLICY_VALUES_MAX; i++)
		memcpy(large + 2 * i, i ? ",0" : "[0", 2);
	large[2 * (size_t)USHER_POLICY_VALUES_MAX] = ']';
	expect_said(large, 2 * (size_t)USHER_POLICY_VALUES_MAX + 1, "at most 2097152 values");
	large[2 * (size_t)USHER_POLICY_VALUES_MAX - 2] = ']';
	expect_said(large, 2 * (size_t)USHER_POLICY_VALUES_MAX - 1, "expected an object");

	memset(depth, '[', sizeof(depth));
	memset(depth + USHER_POLICY_DEPTH_MAX, ']', USHER_POLICY_DEPTH_MAX);
	expect_said(depth, (size_t)2 * USHER_POLICY_DEPTH_MAX, "expected an object");
	memset(depth, '[', sizeof(depth));
	expect_said(depth, USHER_POLICY_DEPTH_MAX + 1, "nested more than 16 deep");
	free(large);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_many_as_there_may_be),
		cmocka_unit_test(test_one_more_is_one_error),
		cmocka_unit_test(test_what_a_document_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
