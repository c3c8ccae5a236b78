/* SPDX-License-Identifier: GPL-2.0-only */
/* Direct return, where servers are not heard: flows that are over, leaked or made up deny nobody, and those in use stay. */
#include "host.h"

#include "kernel/flows.h"
#include "kernel/mapping.h"

#define POLICY                                                                                                         \
	"{\"apiVersion\": \"usher/v1\","                                                                               \
	"\"tenants\": {\"acme\": {\"sources\": [{\"prefix\": \"203.0.113.0/24\", \"region\": \"DE\"}]},"               \
	"  \"labs\": {\"sources\": [{\"prefix\": \"192.0.2.0/24\", \"region\": \"US\"}]}},"                            \
	"\"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"}}}},"                                   \
	"\"backends\": {\"b1\": {\"address\": \"10.1.0.11:443\", \"serves\": \"m@1\", \"region\": \"DE\","             \
	"  \"forward\": \"l2\", \"health\": false}},"                                                                  \
	"\"services\": {\"s\": {\"address\": \"198.51.100.10:443\", \"protocol\": \"tcp\", \"model\": \"m\"}, "        \
	"  \"u\": {\"address\": \"198.51.100.10:443\", \"protocol\": \"udp\", \"model\": \"m\"}},"                     \
	"\"rules\": [{\"id\": \"ok\", \"allow\": true}]}"

#define ACME "203.0.113.10"
#define LABS "192.0.2.10"
#define FIN (HOST_ACK | 0x01)
#define MANY (HOST_FLOW_LINES * 3 / 2) /* flows that would fill the table */
#define NEWCOMERS 100
#define FIRST_PORT 2000
#define LATER_PORT 20000
#define SHORT_TICKS 30	 /* fewer than FLOW_TICKS_ACTIVE */
#define SILENT_TICKS 57	 /* FLOW_TICKS_ACTIVE and one */
#define SWEEP_US 2000000 /* a small table is swept several times in that */
#define CLOSED_TICKS 4	 /* FLOW_TICKS_TCP_CLOSED and one */

static struct host host;

static int begin(void **state)
{
	(void)state;
	host_open(&host);
	catalog_free(host_publish(&host, POLICY));
	return 0;
}

static int end(void **state)
{
	(void)state;
	host_close(&host);
	return 0;
}

static int send_flags(const char *client, unsigned int port, uint8_t flags)
{
	struct host_packet packet = host_syn(client, (uint16_t)port);

	packet.flags = flags;
	return host_send(&host, &packet);
}

static int send_datagram(const char *client, unsigned int port)
{
	struct frame frame = {.source_port = (uint16_t)port, .destination_port = 443, .protocol = IPPROTO_UDP};
	struct xdp_md context = {.ingress_ifindex = host.program->attachments[0].index};
	uint8_t bytes[FRAME_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = bytes, .ctx_in = &context, .ctx_size_in = sizeof(context),
		    .repeat = 1);

	memcpy(frame.destination_mac, host_own_mac, 6);
	assert_int_equal(address_parse(client, &frame.source), 0);
	assert_int_equal(address_parse("198.51.100.10", &frame.destination), 0);
	run.data_size_in = context.data_end = (__u32)frame_write(&frame, bytes);
	assert_int_equal(bpf_prog_test_run_opts(program_xdp(host.program), &run), 0);
	return (int)run.retval;
}

/* With its handshake over. Was it let in? */
static bool open_flow(const char *client, unsigned int port)
{
	return send_flags(client, port, FRAME_TCP_SYN) == XDP_TX && send_flags(client, port, HOST_ACK) == XDP_TX;
}

static void open_many(const char *client, unsigned int first_port, unsigned int count)
{
	for (unsigned int n = 0; n < count; n++)
		open_flow(client, first_port + n);
}

/* How many of so many newcomers get in? */
static unsigned int let_in(const char *client, unsigned int count)
{
	unsigned int passed = 0;

	for (unsigned int n = 0; n < count; n++)
		passed += open_flow(client, LATER_PORT + n);
	return passed;
}

/* ---- what the table holds ------------------------------------------------------------------------------------ */

struct choice {
	const char *client;
	unsigned int first_port, count;
};

static bool is_chosen(const struct usher_flow *flow, const struct choice *choice)
{
	struct usher_address client;
	unsigned int port = ntohs(flow->source_port_be);

	assert_int_equal(address_parse(choice->client, &client), 0);
	return USHER_TAG_STATUS(flow->tag) >= USHER_FLOW_HALF_OPEN && !memcmp(&client, &flow->source, sizeof(client)) &&
	       port >= choice->first_port && port < choice->first_port + choice->count;
}

/* As if the last packet of each of these flows had come so long ago. Returns how many there are. */
static unsigned int let_pass(const struct choice *choice, unsigned int ticks)
{
	struct mapping lines = {0};
	struct usher_flow *flows;
	unsigned int found = 0;

	assert_int_equal(mapping_open(program_map(host.program, "flows"), sizeof(*flows), true, &lines), 0);
	flows = lines.bytes;
	for (size_t i = 0; i < lines.entries; i++)
		if (is_chosen(&flows[i], choice)) {
			flows[i].value.forward.seen = (uint16_t)(flows[i].value.forward.seen - ticks);
			found++;
		}
	mapping_close(&lines);
	return found;
}

static unsigned int count_flows(const struct choice *choice)
{
	return let_pass(choice, 0);
}

/* ---- over, leaked --------------------------------------------------------------------------------------------- */

static void test_flows_that_their_clients_closed_deny_nobody(void **state)
{
	(void)state;
	for (unsigned int n = 0; n < MANY; n++) {
		assert_true(open_flow(ACME, FIRST_PORT + n));
		assert_int_equal(send_flags(ACME, FIRST_PORT + n, FIN), XDP_TX);
	}
	assert_int_equal(let_in(LABS, NEWCOMERS), NEWCOMERS);
	/* Its last acknowledgement goes where the ring says, whether the flow is known or not. */
	for (unsigned int n = 0; n < MANY; n++)
		assert_int_equal(send_flags(ACME, FIRST_PORT + n, HOST_ACK), XDP_TX);
}

static void test_flows_in_use_are_never_thrown_out(void **state)
{
	const struct choice old = {ACME, FIRST_PORT, MANY};
	unsigned int before, passed;

	(void)state;
	open_many(ACME, FIRST_PORT, MANY);
	let_pass(&old, SHORT_TICKS);
	before = count_flows(&old);
	assert_in_range(before, HOST_FLOW_LINES * 9 / 10, HOST_FLOW_LINES);
	passed = let_in(LABS, NEWCOMERS);
	assert_true(passed < NEWCOMERS);
	assert_int_equal(count_flows(&old), before);
}

static void test_flows_that_leaked_deny_nobody(void **state)
{
	const struct choice old = {ACME, FIRST_PORT, MANY}, new = {LABS, LATER_PORT, NEWCOMERS};
	unsigned int before;

	(void)state;
	open_many(ACME, FIRST_PORT, MANY);
	let_pass(&old, SILENT_TICKS);
	before = count_flows(&old);
	assert_int_equal(let_in(LABS, NEWCOMERS), NEWCOMERS);
	assert_int_equal(count_flows(&new), NEWCOMERS);
	assert_in_range(count_flows(&old), before - NEWCOMERS, before - 1);
	/* Whoever was silent for long and had to go is adopted when he speaks, and finds room in the same way. */
	for (unsigned int n = 0; n < NEWCOMERS; n++)
		assert_int_equal(send_flags(ACME, FIRST_PORT + n, HOST_ACK), XDP_TX);
}

static void test_what_is_closed_makes_room_before_what_is_silent(void **state)
{
	const struct choice silent = {LABS, FIRST_PORT, MANY / 3}, closed = {ACME, FIRST_PORT, MANY};
	unsigned int before;

	(void)state;
	open_many(LABS, FIRST_PORT, MANY / 3);
	open_many(ACME, FIRST_PORT, MANY);
	for (unsigned int n = 0; n < MANY; n++)
		send_flags(ACME, FIRST_PORT + n, FIN);
	before = let_pass(&silent, SILENT_TICKS);
	assert_in_range(before, MANY / 4, MANY / 3);
	let_pass(&closed, CLOSED_TICKS);
	assert_int_equal(let_in(LABS, NEWCOMERS), NEWCOMERS);
	assert_int_equal(count_flows(&silent), before);
}

static void test_ones_own_make_room_first_and_of_them_the_longest_silent(void **state)
{
	const struct choice theirs = {ACME, FIRST_PORT, MANY / 3}, own = {LABS, FIRST_PORT, MANY / 12},
			    oldest = {LABS, FIRST_PORT + MANY / 12, MANY};
	unsigned int before[3];

	(void)state;
	open_many(ACME, FIRST_PORT, MANY / 3);
	open_many(LABS, FIRST_PORT, MANY);
	before[0] = let_pass(&theirs, 2 * SILENT_TICKS);
	before[1] = let_pass(&own, SILENT_TICKS);
	before[2] = let_pass(&oldest, SILENT_TICKS + 1);
	assert_true(before[2] > 2 * NEWCOMERS);
	assert_int_equal(let_in(LABS, NEWCOMERS / 2), NEWCOMERS / 2);
	assert_int_equal(count_flows(&theirs), before[0]);
	assert_int_equal(count_flows(&own), before[1]);
	assert_int_equal(count_flows(&oldest), before[2] - NEWCOMERS / 2);
}

/* ---- made up --------------------------------------------------------------------------------------------------- */

static uint64_t with_status(const struct choice *choice, uint32_t status)
{
	struct mapping lines = {0};
	const struct usher_flow *flows;
	uint64_t found = 0;

	assert_int_equal(mapping_open(program_map(host.program, "flows"), sizeof(*flows), true, &lines), 0);
	flows = lines.bytes;
	for (size_t i = 0; i < lines.entries; i++)
		found += is_chosen(&flows[i], choice) && USHER_TAG_STATUS(flows[i].tag) == status;
	mapping_close(&lines);
	return found;
}

/* The clock may go on between the two of a few. */
static void test_two_acknowledgements_at_once_make_no_flow_live(void **state)
{
	const struct choice spoofed = {ACME, FIRST_PORT, MANY};

	(void)state;
	for (unsigned int n = 0; n < MANY; n++)
		for (int i = 0; i < 2; i++)
			assert_int_equal(send_flags(ACME, FIRST_PORT + n, HOST_ACK), XDP_TX);
	assert_true(with_status(&spoofed, USHER_FLOW_LIVE) < MANY / 100);
	assert_int_equal(let_in(LABS, NEWCOMERS), NEWCOMERS);
}

static void test_an_adopted_flow_that_goes_on_is_live(void **state)
{
	const struct choice adopted = {ACME, FIRST_PORT, 1};

	(void)state;
	send_flags(ACME, FIRST_PORT, HOST_ACK);
	let_pass(&adopted, SHORT_TICKS - 5); /* a pause */
	usleep(SWEEP_US);
	assert_int_equal(with_status(&adopted, USHER_FLOW_HALF_OPEN), 1);
	send_flags(ACME, FIRST_PORT, HOST_ACK);
	assert_int_equal(with_status(&adopted, USHER_FLOW_LIVE), 1);
	open_many(LABS, FIRST_PORT, MANY);
	for (unsigned int n = 0; n < MANY; n++)
		send_flags(LABS, FIRST_PORT + MANY + n, FRAME_TCP_SYN);
	assert_int_equal(with_status(&adopted, USHER_FLOW_LIVE), 1);
}

static void test_the_end_of_no_flow_takes_no_line(void **state)
{
	const struct choice strays = {ACME, FIRST_PORT, NEWCOMERS};

	(void)state;
	for (unsigned int n = 0; n < NEWCOMERS; n++) {
		assert_int_equal(send_flags(ACME, FIRST_PORT + n, FIN), XDP_TX);
		assert_int_equal(send_flags(ACME, FIRST_PORT + n, 0x04), XDP_TX);
	}
	assert_int_equal(count_flows(&strays), 0);
}

/* ---- datagrams ------------------------------------------------------------------------------------------------- */

/* One that is used, and others of which a single datagram came. */
static void test_a_flood_throws_out_no_flow_of_datagrams_in_use(void **state)
{
	const struct choice used = {ACME, FIRST_PORT, NEWCOMERS}, once = {ACME, FIRST_PORT + NEWCOMERS, NEWCOMERS};

	(void)state;
	for (unsigned int n = 0; n < 2 * NEWCOMERS; n++)
		assert_int_equal(send_datagram(ACME, FIRST_PORT + n), XDP_TX);
	let_pass(&used, 1);
	for (unsigned int n = 0; n < NEWCOMERS; n++)
		assert_int_equal(send_datagram(ACME, FIRST_PORT + n), XDP_TX);
	assert_int_equal(with_status(&used, USHER_FLOW_LIVE), NEWCOMERS);
	assert_int_equal(with_status(&once, USHER_FLOW_HALF_OPEN), NEWCOMERS);
	for (unsigned int n = 0; n < 8 * MANY; n++)
		send_flags(LABS, FIRST_PORT + n, FRAME_TCP_SYN);
	assert_int_equal(count_flows(&used), NEWCOMERS);
}

/* Two minutes (RFC 4787), where one that is not in use has half of one. */
static void test_datagrams_in_use_may_pause(void **state)
{
	const struct choice used = {ACME, FIRST_PORT, 1}, once = {ACME, FIRST_PORT + 1, 1};

	(void)state;
	send_datagram(ACME, FIRST_PORT);
	let_pass(&used, 1);
	send_datagram(ACME, FIRST_PORT);
	send_datagram(ACME, FIRST_PORT + 1);
	let_pass(&used, 110);
	let_pass(&once, SHORT_TICKS + 1);
	usleep(SWEEP_US);
	assert_int_equal(with_status(&used, USHER_FLOW_QUIET), 1);
	assert_int_equal(count_flows(&once), 0);
	send_datagram(ACME, FIRST_PORT);
	assert_int_equal(with_status(&used, USHER_FLOW_LIVE), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_flows_that_their_clients_closed_deny_nobody, begin, end),
		cmocka_unit_test_setup_teardown(test_flows_in_use_are_never_thrown_out, begin, end),
		cmocka_unit_test_setup_teardown(test_flows_that_leaked_deny_nobody, begin, end),
		cmocka_unit_test_setup_teardown(test_what_is_closed_makes_room_before_what_is_silent, begin, end),
		cmocka_unit_test_setup_teardown(test_ones_own_make_room_first_and_of_them_the_longest_silent, begin,
						end),
		cmocka_unit_test_setup_teardown(test_two_acknowledgements_at_once_make_no_flow_live, begin, end),
		cmocka_unit_test_setup_teardown(test_an_adopted_flow_that_goes_on_is_live, begin, end),
		cmocka_unit_test_setup_teardown(test_the_end_of_no_flow_takes_no_line, begin, end),
		cmocka_unit_test_setup_teardown(test_a_flood_throws_out_no_flow_of_datagrams_in_use, begin, end),
		cmocka_unit_test_setup_teardown(test_datagrams_in_use_may_pause, begin, end),
	};

	if (host_begin())
		return host_skip(sizeof(tests) / sizeof(tests[0]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
