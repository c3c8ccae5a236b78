/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Traffic goes on while one daemon after the other takes over: as many frames come out as were sent, whatever program met them.
 * Frames are sent by the batch, fewer than a veth's ring holds, so that nothing but a missing program can lose one.
 */
#include "host.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/array.h"
#include "kernel/counters.h"
#include "kernel/frame.h"

#define UPGRADES                                                                                                       \
	50 /* UPGRADES in the environment says otherwise: each loads the program, which an emulated machine takes long for */
#define BATCH 64
#define PATIENCE_TRIES 5000 /* of a millisecond: then a frame that is still missing is lost */

static struct problem problem, note;

struct traffic {
	struct bpf_object *counter; /* on peer0, where frames come out again */
	int link, seen, socket;
	uint8_t frames[BATCH][FRAME_MAX];
	size_t length;
	atomic_bool stop;
	atomic_ulong sent;
	uint64_t lost;
	pthread_t thread;
};

static uint64_t came_out(const struct traffic *traffic)
{
	uint64_t packets = 0;
	uint32_t key = 0;

	return bpf_map_lookup_elem(traffic->seen, &key, &packets) ? 0 : packets;
}

/* Asserts nothing: cmocka's can be told to the main thread only. */
static void *run_traffic(void *argument)
{
	const struct timespec millisecond = {.tv_nsec = 1000000};
	struct traffic *traffic = argument;

	while (!traffic->stop) {
		for (size_t i = 0; i < BATCH; i++)
			if (send(traffic->socket, traffic->frames[i], traffic->length, 0) == (ssize_t)traffic->length)
				traffic->sent++;
		for (int i = 0; i < PATIENCE_TRIES && came_out(traffic) + traffic->lost < traffic->sent; i++)
			nanosleep(&millisecond, NULL);
		traffic->lost = traffic->sent - came_out(traffic);
		if (traffic->lost)
			break;
	}
	return NULL;
}

static void traffic_begin(struct traffic *traffic)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex("peer0")};

	traffic->counter = bpf_object__open_file("build/tests/unit/kernel/neighbour.bpf.o", NULL);
	assert_non_null(traffic->counter);
	assert_int_equal(bpf_object__load(traffic->counter), 0);
	traffic->seen = bpf_object__find_map_fd_by_name(traffic->counter, "seen");
	traffic->link =
		bpf_link_create(bpf_program__fd(bpf_object__find_program_by_name(traffic->counter, "neighbour")),
				address.sll_ifindex, BPF_XDP, NULL);
	assert_true(traffic->link >= 0);
	traffic->socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(traffic->socket, (struct sockaddr *)&address, sizeof(address)), 0);
	for (size_t i = 0; i < BATCH; i++) {
		struct frame frame = {.source_port = (uint16_t)(20000 + i),
				      .destination_port = 443,
				      .protocol = IPPROTO_TCP,
				      .tcp_flags = FRAME_TCP_SYN,
				      .sequence = 1};

		memcpy(frame.source_mac, host_client_mac, 6);
		memcpy(frame.destination_mac, host_own_mac, 6);
		assert_int_equal(address_parse("203.0.113.7", &frame.source), 0);
		assert_int_equal(address_parse("198.51.100.10", &frame.destination), 0);
		traffic->length = frame_write(&frame, traffic->frames[i]);
	}
	assert_int_equal(pthread_create(&traffic->thread, NULL, run_traffic, traffic), 0);
}

static void traffic_end(struct traffic *traffic)
{
	traffic->stop = true;
	pthread_join(traffic->thread, NULL);
	close(traffic->socket);
	close(traffic->link);
	bpf_object__close(traffic->counter);
}

static struct program *loaded(bool dispatcher)
{
	struct program_options options = host_options();
	struct program *program = NULL;

	options.dispatcher = dispatcher;
	options.priority = 50;
	if (program_load(&options, &problem, &program) || program_attach(program, ATTACH_AUTO, &note, &problem))
		print_message("# %s\n", problem.text);
	return program;
}

static bool dispatchers; /* this kernel has them */
static int wanted = UPGRADES;

static void upgrades(bool dispatcher)
{
	struct host host = {.program = loaded(dispatcher)};
	struct traffic *traffic = calloc(1, sizeof(*traffic));
	struct catalog *catalog;
	char fault[128];
	unsigned long before;
	int taken_over = 0, quiet = 0;

	assert_non_null(host.program);
	assert_int_equal(publisher_open(host.program, &problem, &host.publisher), 0);
	assert_int_equal(identities_new(&host.identities), 0);
	catalog = host_publish(&host, HOST_POLICY);
	publisher_close(host.publisher);
	traffic_begin(traffic);
	for (int i = 0; i < wanted; i++) {
		before = traffic->sent;
		program_free(host.program);
		host.program = loaded(dispatcher);
		taken_over +=
			host.program && host.program->adopted && host.program->attachments[0].shared == dispatcher;
		quiet += traffic->sent == before;
	}
	traffic_end(traffic);
	print_message("# %lu frames in, %lu lost, %d take-overs\n", (unsigned long)traffic->sent,
		      (unsigned long)traffic->lost, taken_over);
	assert_int_equal(taken_over, wanted);
	assert_int_equal(traffic->lost, 0);
	assert_true(traffic->sent >= BATCH);
	assert_true(quiet < wanted); /* it was not all over before the first */
	if (!conservation_holds(host.program, fault))
		fail_msg("%s", fault);
	catalog_free(catalog);
	identities_free(host.identities);
	free(traffic);
	program_free(host.program);
	assert_int_equal(program_detach(HOST_PINS, &problem), 0);
}

static void test_no_frame_is_lost_through_the_link(void **state)
{
	(void)state;
	upgrades(false);
}

static void test_no_frame_is_lost_under_a_dispatcher(void **state)
{
	(void)state;
	upgrades(true);
}

/* Can there be a dispatcher? Tried once, and taken off again. */
static bool try_dispatcher(void)
{
	struct program_options options = host_options();
	struct program *program = NULL;
	bool can;

	options.dispatcher = true;
	can = !program_load(&options, &problem, &program) && !program_attach(program, ATTACH_AUTO, &note, &problem) &&
	      program->attachments[0].shared;
	program_free(program);
	program_detach(HOST_PINS, &problem);
	return can;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_frame_is_lost_through_the_link),
		cmocka_unit_test(test_no_frame_is_lost_under_a_dispatcher),
	};
	const char *setting = getenv("UPGRADES");
	int failed;

	if (setting && atoi(setting) > 0)
		wanted = atoi(setting);
	if (host_begin())
		return host_skip(ARRAY_COUNT(tests));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	dispatchers = try_dispatcher();
	if (dispatchers)
		return cmocka_run_group_tests(tests, NULL, NULL);
	failed = cmocka_run_group_tests_name("link", ((const struct CMUnitTest[1]){tests[0]}), NULL, NULL);
	printf("1..1\nok 1 # SKIP this kernel lets nobody have a dispatcher: make test-kernels runs it on those that "
	       "do\n");
	return failed;
}
