/* SPDX-License-Identifier: GPL-2.0-only */
/* The text of /metrics, judged by the rules of its format (Prometheus text exposition format 0.0.4). */
#include "edge/promtext.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "govern/facts.h"

static struct edge_page *page;
static struct json text;

static int begin(void **state)
{
	(void)state;
	page = calloc(1, sizeof(*page));
	return page ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	free(page);
	json_free(&text);
	return 0;
}

static const char *printed(void)
{
	json_clear(&text);
	promtext_print(&text, page);
	json_raw(&text, "", 1);
	return text.bytes;
}

static void expect_line(const char *line)
{
	const char *all = printed(), *found = strstr(all, line);

	if (!found || (found != all && found[-1] != '\n') || found[strlen(line)] != '\n')
		fail_msg("no line: %s", line);
}

static void fill(void)
{
	page->generation = 42;
	page->epoch = 7;
	page->policy_revision = 3;
	page->flows = 11;
	page->quarantines = 2;
	page->shipping_count = 2;
	page->shipping[0] =
		(struct edge_shipping){"syslog+tls://logs.example.com:6514", 1234, 567890, 3, 2, 4096, 12, 1};
	page->shipping[1] = (struct edge_shipping){"journald", .lag = 0};
	page->audit_written = 100;
	page->audit_cpus = 2;
	page->audit_numbers[1][USHER_RING_REQUIRED][EDGE_TAKEN] = 13;
	page->audit_numbers[1][USHER_RING_REQUIRED][EDGE_STORED] = 8;
	page->audit_numbers[1][USHER_RING_REQUIRED][EDGE_LOST] = 5;
	page->audit_segments_lost = 1;
	page->audit_waiting_bytes = 4096;
	page->audit_behind_ms = 12034;
	page->audit_unsynced_bytes = 8192;
	page->audit_disk_free = 1000;
	page->audit_disk_size = 2000;
	strcpy(page->services[0], "credit");
	strcpy(page->services[9], "chat");
	page->counters.received[0] = (struct usher_counter){1000, 64000};
	page->counters.received[USHER_SERVICE_NONE] = (struct usher_counter){77, 7700};
	page->counters.verdicts[USHER_REASON_ADMITTED].packets = 400;
	page->counters.verdicts[USHER_REASON_NO_ALLOW_RULE].packets = 600;
	page->counters.verdicts[9 * USHER_REASON_MAX + USHER_REASON_REVOKED].packets = 2;
	page->counters.verdicts[USHER_SERVICE_NONE * USHER_REASON_MAX].packets = 77;
	page->counters.sequences[USHER_RING_REQUIRED] = (struct usher_sequence){13, 4};
	strcpy(page->tenants[3], "acme");
	page->tenant_states[3] = (struct usher_tenant_state){
		.half_open = 2, .live = 5, .new_flows_refused = 7, .active_flows_refused = 8, .packets_refused = 9};
	strcpy(page->tenants[4], "labs");
	strcpy(page->backends[5].name, "fra1");
	strcpy(page->backends[5].model, "scorer");
	strcpy(page->backends[5].version, "3.1.0");
	strcpy(page->backends[5].region, "DE-HE");
	page->backends[5].health = HEALTH_UP;
	page->backends[5].starts = 1;
	page->counters.backends[5] = (struct usher_backend_counter){400, 4000, 40000, 5000, 50000};
	page->backends[5].nat = 1;
	page->counters.figures[5] = (struct usher_backend_figures){
		.refused = 1, .resets = 2, .connect_timeouts = 3, .first_byte_timeouts = 4};
	page->counters.figures[5].connect =
		(struct usher_latency){.units = 1000000, .bucket = {[0] = 7, [2] = 2, [USHER_LATENCY_BUCKETS - 1] = 1}};
	strcpy(page->backends[6].name, "iad1");
	page->backends[6].health = HEALTH_DOWN;
	page->backends[6].quarantined = 1;
	page->backends[6].path_mtu = 1400;
	strcpy(page->backends[4095].name, "last");
	page->backends[4095].health = EDGE_UNCHECKED;
}

static void test_values_are_where_they_belong(void **state)
{
	(void)state;
	fill();
	expect_line("usher_generation 42");
	expect_line("usher_epoch 7");
	expect_line("usher_flows 11");
	expect_line("usher_quarantines 2");
	expect_line("usher_ship_lines_total{destination=\"syslog+tls://logs.example.com:6514\"} 1234");
	expect_line("usher_ship_bytes_total{destination=\"syslog+tls://logs.example.com:6514\"} 567890");
	expect_line("usher_ship_errors_total{destination=\"syslog+tls://logs.example.com:6514\"} 3");
	expect_line("usher_ship_lost_segments_total{destination=\"syslog+tls://logs.example.com:6514\"} 2");
	expect_line("usher_ship_behind_bytes{destination=\"syslog+tls://logs.example.com:6514\"} 4096");
	expect_line("usher_ship_lag_seconds{destination=\"syslog+tls://logs.example.com:6514\"} 12");
	expect_line("usher_ship_connected{destination=\"syslog+tls://logs.example.com:6514\"} 1");
	expect_line("usher_ship_connected{destination=\"journald\"} 0");
	expect_line("usher_received_packets_total{service=\"credit\"} 1000");
	expect_line("usher_received_bytes_total{service=\"credit\"} 64000");
	expect_line("usher_received_packets_total{service=\"\"} 77");
	expect_line("usher_verdict_packets_total{service=\"credit\",verdict=\"forward\",reason=\"admitted\"} 400");
	expect_line("usher_verdict_packets_total{service=\"credit\",verdict=\"refuse\",reason=\"no-allow-rule\"} 600");
	expect_line("usher_verdict_packets_total{service=\"chat\",verdict=\"revoke\",reason=\"revoked\"} 2");
	expect_line("usher_verdict_packets_total{service=\"\",verdict=\"pass\",reason=\"not-for-service\"} 77");
	expect_line("usher_tenant_active_flows{tenant=\"acme\"} 7");
	expect_line("usher_tenant_half_open_flows{tenant=\"acme\"} 2");
	expect_line("usher_tenant_refused_packets_total{tenant=\"acme\",limit=\"new_flows_per_second\"} 7");
	expect_line("usher_tenant_refused_packets_total{tenant=\"acme\",limit=\"active_flows\"} 8");
	expect_line("usher_tenant_refused_packets_total{tenant=\"acme\",limit=\"bits_per_second\"} 9");
	expect_line("usher_tenant_active_flows{tenant=\"labs\"} 0");
	expect_line("usher_audit_taken_total{ring=\"required\",cpu=\"1\"} 13");
	expect_line("usher_audit_stored_total{ring=\"required\",cpu=\"1\"} 8");
	expect_line("usher_audit_lost_total{ring=\"required\",cpu=\"1\"} 5");
	expect_line("usher_audit_refused_total{ring=\"required\"} 4");
	expect_line("usher_audit_records_total 100");
	expect_line("usher_audit_segments_lost_total 1");
	expect_line("usher_audit_waiting_bytes 4096");
	expect_line("usher_audit_behind_seconds 12");
	expect_line("usher_audit_unsynced_bytes 8192");
	expect_line("usher_audit_disk_free_bytes 1000");
	expect_line("usher_audit_disk_size_bytes 2000");
	expect_line("usher_backend_flows_total{backend=\"fra1\"} 400");
	expect_line("usher_backend_received_bytes_total{backend=\"fra1\"} 50000");
	expect_line("usher_backend_info{backend=\"fra1\",model=\"scorer\",version=\"3.1.0\",region=\"DE-HE\"} 1");
	expect_line("usher_backend_up{backend=\"fra1\"} 1");
	expect_line("usher_backend_up{backend=\"iad1\"} 0");
	assert_null(strstr(printed(), "usher_backend_up{backend=\"last\"}")); /* nobody checks it */
	expect_line("usher_backend_starts{backend=\"last\"} 0");
	expect_line("usher_backend_quarantined{backend=\"iad1\"} 1");
	expect_line("usher_backend_quarantined{backend=\"fra1\"} 0");
	expect_line("usher_backend_path_mtu_bytes{backend=\"iad1\"} 1400");
	assert_null(strstr(printed(), "usher_backend_path_mtu_bytes{backend=\"fra1\"}")); /* no tunnel */
	expect_line("usher_backend_refused_total{backend=\"fra1\"} 1");
	expect_line("usher_backend_resets_total{backend=\"fra1\"} 2");
	expect_line("usher_backend_connect_timeouts_total{backend=\"fra1\"} 3");
	expect_line("usher_backend_first_byte_timeouts_total{backend=\"fra1\"} 4");
	assert_null(strstr(printed(), "usher_backend_refused_total{backend=\"iad1\"}")); /* direct return */
}

/* Buckets are cumulative, the last of them holds all, and all is what _count says. */
static void test_histograms(void **state)
{
	(void)state;
	fill();
	expect_line("# TYPE usher_backend_connect_seconds histogram");
	expect_line("usher_backend_connect_seconds_bucket{backend=\"fra1\",le=\"1.6384e-05\"} 7");
	expect_line("usher_backend_connect_seconds_bucket{backend=\"fra1\",le=\"3.2768e-05\"} 7");
	expect_line("usher_backend_connect_seconds_bucket{backend=\"fra1\",le=\"6.5536e-05\"} 9");
	expect_line("usher_backend_connect_seconds_bucket{backend=\"fra1\",le=\"137.4389535\"} 9");
	expect_line("usher_backend_connect_seconds_bucket{backend=\"fra1\",le=\"+Inf\"} 10");
	expect_line("usher_backend_connect_seconds_sum{backend=\"fra1\"} 1.024");
	expect_line("usher_backend_connect_seconds_count{backend=\"fra1\"} 10");
	expect_line("usher_backend_first_byte_seconds_bucket{backend=\"fra1\",le=\"+Inf\"} 0");
	assert_null(strstr(printed(), "_seconds_count{backend=\"iad1\"}"));
}

static bool is_name(const char *at, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!islower((unsigned char)at[i]) && at[i] != '_')
			return false;
	return length > 0;
}

/* Of the samples of a histogram. */
static bool is_suffix(const char *at, size_t length)
{
	static const char *const suffixes[] = {"_bucket", "_sum", "_count"};

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (length == strlen(suffixes[i]) && !memcmp(at, suffixes[i], length))
			return true;
	return false;
}

/* Every family is announced once, with help and type, and its samples follow at once. */
static void test_the_format_is_kept(void **state)
{
	char family[128] = "", seen[96][128], *line, *rest;
	size_t families = 0, samples = 0;
	bool histogram = false;

	(void)state;
	fill();
	printed();
	for (line = strtok_r(text.bytes, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (!strncmp(line, "# HELP ", 7)) {
			assert_int_equal(sscanf(line, "# HELP %127s ", family), 1);
			assert_true(is_name(family, strlen(family)));
			assert_int_equal(strncmp(family, "usher_", 6), 0);
			for (size_t i = 0; i < families; i++)
				assert_string_not_equal(seen[i], family);
			strcpy(seen[families++], family);
			continue;
		}
		if (!strncmp(line, "# TYPE ", 7)) {
			char name[128], type[32];
			size_t length;

			assert_int_equal(sscanf(line, "# TYPE %127s %31s", name, type), 2);
			assert_string_equal(name, family);
			length = strlen(name);
			/* What only grows is called _total, and nothing else is. */
			assert_int_equal(!strcmp(type, "counter"), length > 6 && !strcmp(name + length - 6, "_total"));
			assert_true(!strcmp(type, "counter") || !strcmp(type, "gauge") || !strcmp(type, "histogram"));
			histogram = !strcmp(type, "histogram");
			continue;
		}
		size_t length = strcspn(line, "{ ");
		const char *value = strrchr(line, ' ');

		assert_memory_equal(line, family, strlen(family));
		if (histogram)
			assert_true(is_suffix(line + strlen(family), length - strlen(family)));
		else
			assert_int_equal(length, strlen(family));
		assert_non_null(value);
		assert_int_equal(strspn(value + 1, histogram ? "0123456789.e+-" : "0123456789"), strlen(value + 1));
		samples++;
	}
	assert_true(families > 20);
	assert_true(samples > families);
}

static void test_an_empty_page(void **state)
{
	(void)state;
	expect_line("usher_generation 0");
	assert_null(strstr(printed(), "backend=\""));
}

/* Names of 63 letters everywhere fit. */
static void test_long_names(void **state)
{
	char name[EDGE_NAME];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	strcpy(page->backends[0].name, name);
	strcpy(page->backends[0].model, name);
	strcpy(page->backends[0].version, name);
	memcpy(page->backends[0].region, "DE-HE\0\0", 8);
	assert_non_null(strstr(printed(), "nnn\",region=\"DE-HE\"} 1\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_values_are_where_they_belong, begin, end),
		cmocka_unit_test_setup_teardown(test_histograms, begin, end),
		cmocka_unit_test_setup_teardown(test_the_format_is_kept, begin, end),
		cmocka_unit_test_setup_teardown(test_an_empty_page, begin, end),
		cmocka_unit_test_setup_teardown(test_long_names, begin, end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
