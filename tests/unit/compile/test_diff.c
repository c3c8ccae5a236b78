// SPDX-License-Identifier: GPL-2.0-only
/* What `diff` says against both policies asked about every client, one at a time. */
#include "compile/diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "usher/flow_hash.h"

#include "compile/decision.h"
#include "compiled.h"

static uint64_t next_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15ULL;
	return usher_mix64(*state);
}

static unsigned int below(uint64_t *random, unsigned int limit)
{
	return (unsigned int)(next_random(random) % limit);
}

/* Few names, so that two policies share most of them. */
static char *random_policy(uint64_t seed)
{
	static const char *const regions[] = {"DE", "DE-HE", "FR", "US"};
	uint64_t random = seed;
	struct writing to = {0};
	const char *comma = "";

	writef(&to,
	       "{\"apiVersion\": \"usher/v1\", \"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"},"
	       "\"2\": {\"stage\": \"canary\"}}}}, \"nat\": {\"addresses\": [\"10.255.0.1\", \"fd00::1\"]}, "
	       "\"tenants\": {\"t0\": {}");
	for (unsigned int t = 1; t < 5; t++)
		if (below(&random, 4))
			writef(&to,
			       ", \"t%u\": {\"sources\": [{\"prefix\": \"20.%u.0.0/16\", \"region\": \"%s\"}, "
			       "{\"prefix\": \"fd%02u::/16\", \"region\": \"%s\"}]}",
			       t, t, regions[below(&random, 4)], t + 10, regions[below(&random, 4)]);
	writef(&to, "}, \"backends\": {");
	for (unsigned int b = 0; b < 8; b++)
		if (below(&random, 4)) {
			writef(&to,
			       "%s\"b%u\": {\"address\": \"%s%u%s:80\", \"serves\": \"m@%u\", \"region\": \"%s\", "
			       "\"capacity\": %u}",
			       comma, b, b % 2 ? "10.0.0." : "[fd01::", b + 1, b % 2 ? "" : "]", 1 + below(&random, 2),
			       regions[below(&random, 4)], 1 + below(&random, 3));
			comma = ",";
		}
	writef(&to, "}, \"services\": {");
	comma = "";
	for (unsigned int s = 0; s < 4; s++)
		if (below(&random, 4)) {
			writef(&to, "%s\"s%u\": {\"address\": [\"198.51.100.%u:443\"", comma, s, s + 1);
			if (below(&random, 2))
				writef(&to, ", \"[2001:db8::%u]:443\"", s + 1);
			writef(&to, "], \"protocol\": \"tcp\", \"model\": \"m\"%s}",
			       below(&random, 4) ? "" : ", \"tenant\": \"t0\"");
			comma = ",";
		}
	writef(&to, "}, \"rules\": [{\"id\": \"all\", \"allow\": true}");
	for (unsigned int r = 0; r < 6; r++) {
		const char *region = regions[below(&random, 4)];

		switch (below(&random, 6)) {
		case 0:
			writef(&to, ", {\"id\": \"r%u\", \"when\": {\"client_region\": [\"%s\"]}, \"deny\": true}", r,
			       region);
			break;
		case 1:
			writef(&to,
			       ", {\"id\": \"r%u\", \"when\": {\"client_region\": [\"%s\"]}, \"require\": {\"region\": "
			       "[\"%s\"]}}",
			       r, region, regions[below(&random, 4)]);
			break;
		case 2:
			writef(&to,
			       ", {\"id\": \"r%u\", \"when\": {\"tenant\": [\"t0\"]}, \"deny\": {\"region\": "
			       "[\"%s\"]}}",
			       r, region);
			break;
		case 3:
			writef(&to, ", {\"id\": \"r%u\", \"deny\": {\"version\": [\"m@%u\"]}}", r,
			       1 + below(&random, 2));
			break;
		case 4:
			writef(&to, ", {\"id\": \"r%u\", \"when\": {\"tenant\": [\"unknown\"]}, \"allow\": true}", r);
			break;
		default:
			break;
		}
	}
	writef(&to, "]}");
	return to.text;
}

/* ---- one client at a time ------------------------------------------------------------------------------------ */

static size_t named(const void *items, size_t stride, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(*(const char *const *)((const char *)items + i * stride), name))
			return i;
	return POLICY_NONE;
}

static bool answers(const struct service *service, int family)
{
	for (size_t a = 0; a < service->address_count; a++)
		if ((service->addresses[a].address.halves[0] == 0) == (family == AF_INET))
			return true;
	return false;
}

/* Names of those that may start, or the reason why nobody is asked. */
static void outcome(const struct compiled *compiled, const char *service_name, const char *tenant_name,
		    const struct region *region, int family, char text[512])
{
	const struct policy *policy = compiled->policy;
	size_t s = named(policy->services, sizeof(struct service), policy->service_count, service_name);
	size_t t = named(policy->tenants, sizeof(struct tenant), policy->tenant_count, tenant_name);
	static const struct region nowhere;
	struct decision *decision;

	strcpy(text, "none");
	if (s == POLICY_NONE || !answers(&policy->services[s], family))
		return;
	if (t == POLICY_NONE) {
		t = POLICY_UNKNOWN_TENANT;
		region = &nowhere;
	}
	if (policy->services[s].tenant != POLICY_NONE)
		t = policy->services[s].tenant;
	decision = decision_make(compiled->effective, s, t, region, family);
	snprintf(text, 512, "%u", decision->reason);
	for (size_t i = 0; decision->reason == USHER_REASON_ADMITTED && i < decision->own->count; i++)
		if (!decision->own->candidates[i].constraint_reason && !decision->own->candidates[i].start_reason) {
			strcat(text, " ");
			strcat(text, policy->backends[decision->own->backends[i]].name);
		}
	decision_free(decision);
}

static const struct diff_access *told(const struct diff *diff, const char *service, const char *tenant,
				      const char *region, int family)
{
	for (size_t i = 0; i < diff->access_count; i++) {
		const struct diff_access *access = &diff->accesses[i];

		if (!strcmp(access->service, service) && !strcmp(access->tenant, tenant) &&
		    !strcmp(access->region, region) && access->family == family)
			return access;
	}
	return NULL;
}

static size_t compare_tenant(const struct diff *diff, const struct compiled *before, const struct compiled *after,
			     const char *service, const char *tenant, const struct region *region, int family)
{
	const struct diff_access *access;
	char old[512], new[512], name[8];

	region_print(region, name);
	outcome(before, service, tenant, region, family, old);
	outcome(after, service, tenant, region, family, new);
	access = told(diff, service, tenant, name, family);
	if ((access && !access->shares) != (strcmp(old, new) != 0))
		fail_msg("%s for %s in %s: \"%s\" became \"%s\", and that is %s", service, tenant, name, old, new,
			 access ? "told" : "not told");
	for (size_t i = 0; access && i < access->gained_count; i++)
		assert_true(strstr(new, access->gained[i]) && !strstr(old, access->gained[i]));
	for (size_t i = 0; access && i < access->lost_count; i++)
		assert_true(strstr(old, access->lost[i]) && !strstr(new, access->lost[i]));
	return access && !access->shares;
}

/* Every service of either, every class of either. */
static size_t compare_all(const struct diff *diff, const struct compiled *before, const struct compiled *after)
{
	const struct compiled *both[] = {before, after};
	static const struct region nowhere;
	size_t differences = 0;

	for (size_t s = 0; s < 4; s++) {
		char service[8];

		snprintf(service, sizeof(service), "s%zu", s);
		for (int family = AF_INET; family == AF_INET || family == AF_INET6; family += AF_INET6 - AF_INET)
			differences += compare_tenant(diff, before, after, service, "unknown", &nowhere, family);
		for (size_t p = 0; p < 2; p++)
			for (size_t t = 0; t < both[p]->policy->tenant_count; t++)
				for (size_t i = 0; i < both[p]->policy->tenants[t].source_count; i++) {
					const struct source *source = &both[p]->policy->tenants[t].sources[i];

					differences += compare_tenant(diff, before, after, service,
								      both[p]->policy->tenants[t].name, &source->region,
								      source->address.halves[0] ? AF_INET6 : AF_INET);
				}
	}
	return differences;
}

static void compiled_from(uint64_t seed, struct compiled *compiled)
{
	char *text = random_policy(seed);

	if (compile_after(NULL, text, NULL, compiled)) {
		diagnostics_print(&compiled->diagnostics, stderr);
		fail_msg("seed %u: %s", (unsigned int)seed, text);
	}
	free(text);
}

static void test_every_difference_is_told_and_no_other(void **state)
{
	size_t differences = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct compiled before, after;
		struct diff *diff;

		compiled_from(seed, &before);
		compiled_from(seed % 7 ? seed + 1000 : seed, &after);
		assert_int_equal(diff_make(before.effective, after.effective, &diff), 0);
		differences += compare_all(diff, &before, &after);
		if (seed % 7 == 0) {
			assert_int_equal(diff->access_count, 0);
			assert_int_equal(diff->object_count, 0);
		}
		diff_free(diff);
		compiled_free(&before);
		compiled_free(&after);
	}
	assert_true(differences > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_difference_is_told_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
