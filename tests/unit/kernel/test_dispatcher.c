/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Beside another program under libxdp's dispatcher, before it and after it; taken over, and taken off again. A kernel that lets
 * nobody have a dispatcher (lockdown) skips what needs one, and must say so in words instead of attaching by stealth.
 */
#include "host.h"

#include <xdp/libxdp.h>

#include "base/array.h"
#include "kernel/dispatcher.h"
#include "kernel/pins.h"

static struct problem problem, note;
static bool refused; /* this kernel has no dispatchers */

static struct program *loaded(bool dispatcher, uint32_t priority)
{
	struct program_options options = host_options();
	struct program *program = NULL;

	options.dispatcher = dispatcher;
	options.priority = priority;
	if (program_load(&options, &problem, &program))
		fail_msg("%s", problem.text);
	return program;
}

static uint32_t attached_id(void)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	assert_int_equal(bpf_xdp_query((int)if_nametoindex("gw0"), 0, &query), 0);
	return query.prog_id;
}

/* Names of the programs in the order in which they run, with a space after each. */
static void order(char text[256])
{
	struct xdp_multiprog *multiprog = xdp_multiprog__get_from_ifindex((int)if_nametoindex("gw0"));
	struct xdp_program *program = NULL;

	text[0] = '\0';
	if (libxdp_get_error(multiprog))
		return;
	assert_false(xdp_multiprog__is_legacy(multiprog));
	while ((program = xdp_multiprog__next_prog(program, multiprog)))
		snprintf(text + strlen(text), 256 - strlen(text), "%s ", xdp_program__name(program));
	xdp_multiprog__close(multiprog);
}

/* Another program, as others attach theirs: XDP_PASS with a counter of packets in it, at priority 40. */
struct neighbour {
	struct bpf_object *object;
	struct xdp_program *program;
};

/* Returns what libxdp says to it. */
static int neighbour_try(struct neighbour *neighbour)
{
	DECLARE_LIBXDP_OPTS(xdp_program_opts, options, .prog_name = "neighbour");

	neighbour->object = bpf_object__open_file("build/tests/unit/kernel/neighbour.bpf.o", NULL);
	assert_non_null(neighbour->object);
	options.obj = neighbour->object;
	neighbour->program = xdp_program__create(&options);
	assert_int_equal(libxdp_get_error(neighbour->program), 0);
	assert_int_equal(xdp_program__set_run_prio(neighbour->program, 40), 0);
	return xdp_program__attach(neighbour->program, (int)if_nametoindex("gw0"), XDP_MODE_NATIVE, 0);
}

static void neighbour_come(struct neighbour *neighbour)
{
	assert_int_equal(neighbour_try(neighbour), 0);
}

static uint64_t neighbour_saw(const struct neighbour *neighbour)
{
	int map = bpf_object__find_map_fd_by_name(neighbour->object, "seen");
	uint64_t packets = 0;
	uint32_t key = 0;

	assert_int_equal(bpf_map_lookup_elem(map, &key, &packets), 0);
	return packets;
}

static void neighbour_go(struct neighbour *neighbour)
{
	assert_int_equal(xdp_program__detach(neighbour->program, (int)if_nametoindex("gw0"), XDP_MODE_NATIVE, 0), 0);
	xdp_program__close(neighbour->program);
	bpf_object__close(neighbour->object);
}

static int begin(void **state)
{
	(void)state;
	problem = note = (struct problem){0};
	return 0;
}

static int end(void **state)
{
	(void)state;
	return program_detach(HOST_PINS, &problem) || attached_id();
}

/* First, since it finds out what this kernel can do. */
static void test_a_dispatcher_when_asked_or_words(void **state)
{
	struct program *program = loaded(true, 50);
	int error = program_attach(program, ATTACH_AUTO, &note, &problem);
	char text[256];

	(void)state;
	if (error) {
		refused = true;
		print_message("# this kernel: %s\n", problem.text);
		assert_int_equal(attached_id(), 0); /* not by stealth either */
		assert_non_null(strstr(problem.text, "dispatcher"));
		assert_non_null(strstr(problem.text, "without --dispatcher"));
		program_free(program);
		program = loaded(false, 50); /* which is the way out */
		assert_int_equal(program_attach(program, ATTACH_AUTO, &note, &problem), 0);
		assert_false(program->attachments[0].shared);
	} else {
		assert_true(program->attachments[0].shared);
		assert_int_equal(program->attachments[0].mode, ATTACH_NATIVE);
		order(text);
		assert_string_equal(text, "usher ");
		assert_int_equal(access(HOST_PINS "/link", F_OK), -1);
	}
	program_free(program);
	assert_int_not_equal(attached_id(), 0);
	assert_int_equal(program_detach(HOST_PINS, &problem), 0);
	assert_int_equal(attached_id(), 0);
	assert_int_not_equal(access(HOST_PINS, F_OK), 0);
}

static void joins_at(uint32_t priority, const char *expected)
{
	struct neighbour neighbour;
	struct program *program;
	char text[256];

	neighbour_come(&neighbour);
	program = loaded(false, priority);
	if (program_attach(program, ATTACH_AUTO, &note, &problem))
		fail_msg("%s", problem.text);
	assert_true(program->attachments[0].shared);
	order(text);
	assert_string_equal(text, expected);
	program_free(program);

	/* A second daemon takes over: one member, not two, and the maps of the first. */
	program = loaded(false, priority);
	assert_true(program->adopted);
	if (program_attach(program, ATTACH_AUTO, &note, &problem))
		fail_msg("%s", problem.text);
	order(text);
	assert_string_equal(text, expected);
	program_free(program);

	/* Off again: the neighbour stays. */
	assert_int_equal(program_detach(HOST_PINS, &problem), 0);
	assert_int_not_equal(access(HOST_PINS, F_OK), 0);
	order(text);
	assert_string_equal(text, "neighbour ");
	neighbour_go(&neighbour);
}

static void test_after_the_neighbour(void **state)
{
	(void)state;
	joins_at(60, "neighbour usher ");
}

static void test_before_the_neighbour(void **state)
{
	(void)state;
	joins_at(20, "usher neighbour ");
}

/*
 * A neighbour that comes or goes beside usher builds a dispatcher from its own libxdp's file. Where the kernel does not take that one
 * for usher, the neighbour is refused, and nothing changes.
 */
static void test_a_neighbour_with_a_dispatcher_of_its_own(void **state)
{
	struct neighbour neighbour;
	struct program *program = loaded(true, 50);
	char text[256];
	int error;

	(void)state;
	if (program_attach(program, ATTACH_AUTO, &note, &problem))
		fail_msg("%s", problem.text);
	error = neighbour_try(&neighbour);
	order(text);
	assert_string_equal(text, error ? "usher " : "neighbour usher ");
	if (error) {
		print_message("# libxdp's own dispatcher is none for usher here: %s\n", strerror(-error));
		xdp_program__close(neighbour.program);
		bpf_object__close(neighbour.object);
	} else {
		neighbour_go(&neighbour);
	}
	order(text);
	assert_string_equal(text, "usher ");
	program_free(program);
	assert_int_equal(program_detach(HOST_PINS, &problem), 0);

	neighbour_come(&neighbour);
	program = loaded(false, 50);
	if (program_attach(program, ATTACH_AUTO, &note, &problem))
		fail_msg("%s", problem.text);
	program_free(program);
	if (error) {
		assert_int_not_equal(
			xdp_program__detach(neighbour.program, (int)if_nametoindex("gw0"), XDP_MODE_NATIVE, 0), 0);
		order(text);
		assert_string_equal(text, "neighbour usher ");
		assert_int_equal(program_detach(HOST_PINS, &problem), 0);
	}
	neighbour_go(&neighbour);
}

/* A SYN to this address through whatever is on the interface. Returns the XDP action. */
static int through_dispatcher(const char *destination)
{
	struct xdp_multiprog *multiprog = xdp_multiprog__get_from_ifindex((int)if_nametoindex("gw0"));
	struct frame frame = {
		.source_port = 40000, .destination_port = 443, .protocol = IPPROTO_TCP, .tcp_flags = FRAME_TCP_SYN};
	uint8_t bytes[FRAME_MAX];
	struct xdp_md context = {.ingress_ifindex = if_nametoindex("gw0")};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = bytes, .ctx_in = &context, .ctx_size_in = sizeof(context),
		    .repeat = 1);

	assert_int_equal(libxdp_get_error(multiprog), 0);
	memcpy(frame.source_mac, host_client_mac, 6);
	memcpy(frame.destination_mac, host_own_mac, 6);
	assert_int_equal(address_parse("203.0.113.7", &frame.source), 0);
	assert_int_equal(address_parse(destination, &frame.destination), 0);
	run.data_size_in = context.data_end = (__u32)frame_write(&frame, bytes);
	assert_int_equal(bpf_prog_test_run_opts(xdp_program__fd(xdp_multiprog__main_prog(multiprog)), &run), 0);
	xdp_multiprog__close(multiprog);
	return (int)run.retval;
}

/* It is usher that steers: the neighbour before it sees every packet, one after it only what usher passes on. */
static void steers_at(uint32_t priority, bool before)
{
	struct host host = {.peer_program = host_pass_program()};
	struct neighbour neighbour;
	struct catalog *catalog;
	uint64_t seen;

	host.peer_link = bpf_link_create(host.peer_program, (int)if_nametoindex("peer0"), BPF_XDP, NULL);
	neighbour_come(&neighbour);
	host.program = loaded(false, priority);
	if (program_attach(host.program, ATTACH_AUTO, &note, &problem) ||
	    publisher_open(host.program, &problem, &host.publisher))
		fail_msg("%s", problem.text);
	assert_int_equal(identities_new(&host.identities), 0);
	catalog = host_publish(&host, HOST_POLICY);
	seen = neighbour_saw(&neighbour);
	assert_int_equal(through_dispatcher("198.51.100.10"), XDP_TX);	 /* to a service: usher's */
	assert_int_equal(through_dispatcher("198.51.100.99"), XDP_PASS); /* to nobody's: the host's */
	assert_int_equal(neighbour_saw(&neighbour) - seen, before ? 2 : 1);
	catalog_free(catalog);
	host_close(&host);
	neighbour_go(&neighbour);
}

static void test_steers_after_the_neighbour(void **state)
{
	(void)state;
	steers_at(60, true);
}

static void test_steers_before_the_neighbour(void **state)
{
	(void)state;
	steers_at(20, false);
}

/* Whoever died after joining and before pinning the member has left one that nobody takes for his own. */
static void test_a_half_joined_member_is_taken_off(void **state)
{
	struct program *program;
	char text[256];

	(void)state;
	program = loaded(true, 50);
	assert_int_equal(program_attach(program, ATTACH_AUTO, &note, &problem), 0);
	program_free(program);
	assert_int_equal(unlink(HOST_PINS "/member"), 0);
	program = loaded(false, 50);
	assert_false(program->adopted);
	order(text);
	assert_string_equal(text, "");
	program_free(program);
}

static void test_a_link_does_not_become_a_dispatcher(void **state)
{
	struct program *program = loaded(false, 50);
	uint32_t id;

	(void)state;
	assert_int_equal(program_attach(program, ATTACH_AUTO, &note, &problem), 0);
	id = attached_id();
	program_free(program);
	program = loaded(true, 50);
	assert_int_equal(program_attach(program, ATTACH_AUTO, &note, &problem), -EBUSY);
	assert_non_null(strstr(problem.text, "usher detach"));
	assert_int_equal(attached_id(), id);
	program_free(program);
}

/* What is none of libxdp's cannot be joined, and the two kinds of it go off in two ways. */
static void test_a_plain_program_gets_its_message(void **state)
{
	int other = host_pass_program(), interface = (int)if_nametoindex("gw0");
	struct program *program = loaded(false, 50);
	uint32_t id;

	(void)state;
	assert_int_equal(bpf_xdp_attach(interface, other, XDP_FLAGS_DRV_MODE, NULL), 0);
	id = attached_id();
	assert_int_equal(program_attach(program, ATTACH_AUTO, &note, &problem), -EBUSY);
	assert_non_null(strstr(problem.text, "ip link set dev gw0 xdp off"));
	assert_non_null(strstr(problem.text, "xdp-loader load gw0"));
	assert_int_equal(attached_id(), id);
	program_free(program);
	assert_int_equal(bpf_xdp_detach(interface, XDP_FLAGS_DRV_MODE, NULL), 0);
	close(other);
}

static void test_a_foreign_link_gets_its_message(void **state)
{
	int other = host_pass_program(), link = bpf_link_create(other, (int)if_nametoindex("gw0"), BPF_XDP, NULL);
	struct bpf_link_info info = {0};
	__u32 length = sizeof(info);
	struct program *program = loaded(false, 50);
	char advice[64];

	(void)state;
	assert_true(link >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(link, &info, &length), 0);
	snprintf(advice, sizeof(advice), "`bpftool link detach id %u`", info.id);
	assert_int_equal(program_attach(program, ATTACH_AUTO, &note, &problem), -EBUSY);
	assert_non_null(strstr(problem.text, advice));
	program_free(program);
	close(link);
	close(other);
}

int main(void)
{
	const struct CMUnitTest everywhere[] = {
		cmocka_unit_test_setup_teardown(test_a_dispatcher_when_asked_or_words, begin, end),
		cmocka_unit_test_setup_teardown(test_a_link_does_not_become_a_dispatcher, begin, end),
		cmocka_unit_test_setup_teardown(test_a_plain_program_gets_its_message, begin, end),
		cmocka_unit_test_setup_teardown(test_a_foreign_link_gets_its_message, begin, end),
	};
	const struct CMUnitTest sharing[] = {
		cmocka_unit_test_setup_teardown(test_after_the_neighbour, begin, end),
		cmocka_unit_test_setup_teardown(test_before_the_neighbour, begin, end),
		cmocka_unit_test_setup_teardown(test_steers_after_the_neighbour, begin, end),
		cmocka_unit_test_setup_teardown(test_steers_before_the_neighbour, begin, end),
		cmocka_unit_test_setup_teardown(test_a_neighbour_with_a_dispatcher_of_its_own, begin, end),
		cmocka_unit_test_setup_teardown(test_a_half_joined_member_is_taken_off, begin, end),
	};
	int failed;

	if (host_begin())
		return host_skip(ARRAY_COUNT(everywhere) + ARRAY_COUNT(sharing));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(everywhere, NULL, NULL);
	if (!refused)
		return cmocka_run_group_tests(sharing, NULL, NULL) + failed;
	printf("1..%zu\n", ARRAY_COUNT(sharing));
	for (size_t i = 1; i <= ARRAY_COUNT(sharing); i++)
		printf("ok %zu # SKIP this kernel lets nobody have a dispatcher: make test-kernels runs it on those "
		       "that do\n",
		       i);
	return failed;
}
