/* SPDX-License-Identifier: GPL-2.0-only */
/* Loading, pinning, taking over, refusing. */
#include "host.h"

#include <dirent.h>
#include <sys/wait.h>

#include "kernel/pins.h"

static struct problem problem, note;

static int begin(void **state)
{
	(void)state;
	problem = note = (struct problem){0};
	return 0;
}

static int end(void **state)
{
	(void)state;
	return program_detach(HOST_PINS, &problem);
}

static struct program *loaded(void)
{
	struct program_options options = host_options();
	struct program *program = NULL;

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

static void test_loads_attaches_and_detaches(void **state)
{
	struct program *program;

	(void)state;
	program = loaded();
	assert_false(program->adopted);
	assert_int_equal(attached_id(), 0); /* nothing is in force before it is said to be */
	assert_int_equal(program_attach(program, ATTACH_AUTO, &note, &problem), 0);
	assert_int_equal(program->attachments[0].mode, ATTACH_NATIVE);
	assert_int_not_equal(attached_id(), 0);
	assert_int_equal(access(HOST_PINS "/link", F_OK), 0);
	assert_int_equal(access(HOST_PINS "/program", F_OK), 0);
	assert_int_equal(access(HOST_PINS "/flows", F_OK), 0);
	assert_int_equal(access(HOST_PINS "/event_rings", F_OK), 0);
	program_free(program);
	assert_int_not_equal(attached_id(), 0); /* it outlives its daemon */
	assert_int_equal(program_detach(HOST_PINS, &problem), 0);
	assert_int_equal(attached_id(), 0);
	assert_int_not_equal(access(HOST_PINS, F_OK), 0);
	assert_int_equal(program_detach(HOST_PINS, &problem), 0); /* also when there is nothing left */
}

static void test_a_second_daemon_takes_over(void **state)
{
	struct program *program;
	uint64_t boot_id;
	uint32_t first;
	__u32 key = 3;
	struct usher_flow flow = {.tag = 0x1231 /* BUSY: not for the sweep */}, read = {0};

	(void)state;
	program = loaded();
	assert_int_equal(program_attach(program, ATTACH_AUTO, &note, &problem), 0);
	first = attached_id();
	boot_id = program->boot.boot_id;
	assert_int_equal(bpf_map_update_elem(program_map(program, "flows"), &key, &flow, BPF_ANY), 0);

	/* While the first one lives nobody else gets in. */
	struct program_options options = host_options();
	struct program *other = NULL;

	assert_int_equal(program_load(&options, &problem, &other), -EBUSY);
	assert_non_null(strstr(problem.text, HOST_PINS));
	program_free(program);

	options.flow_lines = 4096; /* the maps of the pins stay as they are */
	options.flow_ends = true;  /* and so does this */
	assert_int_equal(program_load(&options, &problem, &program), 0);
	assert_true(program->adopted);
	assert_int_equal(program->boot.boot_id, boot_id);
	assert_int_equal(program->boot.flow_lines, HOST_FLOW_LINES);
	assert_int_equal(program->boot.flow_ends, 0);
	assert_int_equal(attached_id(), first); /* still the old program */
	assert_int_equal(bpf_map_lookup_elem(program_map(program, "flows"), &key, &read), 0);
	assert_int_equal(read.tag, 0x1231);
	assert_int_equal(program_attach(program, ATTACH_AUTO, &note, &problem), 0);
	assert_int_not_equal(attached_id(), first);
	assert_int_not_equal(attached_id(), 0);
	program_free(program);
}

static void test_pins_of_another_abi_are_left_alone(void **state)
{
	struct program_options options = host_options();
	struct program *program;
	struct usher_boot boot;
	uint32_t first;
	__u32 key = 0;
	int map;

	(void)state;
	program = loaded();
	assert_int_equal(program_attach(program, ATTACH_AUTO, &note, &problem), 0);
	first = attached_id();
	boot = program->boot;
	program_free(program);
	map = pins_get(HOST_PINS, "boot");
	boot.abi_version = 99;
	assert_int_equal(bpf_map_update_elem(map, &key, &boot, BPF_ANY), 0);
	assert_int_equal(program_load(&options, &problem, &program), -EPROTO);
	assert_non_null(strstr(problem.text, "99"));
	assert_non_null(strstr(problem.text, "`usher detach"));
	assert_int_equal(attached_id(), first);
	boot.abi_version = USHER_ABI_VERSION;
	assert_int_equal(bpf_map_update_elem(map, &key, &boot, BPF_ANY), 0);
	close(map);
	program = loaded();
	assert_true(program->adopted);
	program_free(program);
}

/* Whoever died between pinning maps and pinning the link has put nothing in force. */
/* Addresses, and members of a dispatcher, can be taken off in their own network namespace only. */
static void test_detached_in_its_own_namespace_only(void **state)
{
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct program *program;
	uint32_t id;

	(void)state;
	program = loaded();
	assert_int_equal(program_attach(program, ATTACH_AUTO, &note, &problem), 0);
	program_free(program);
	id = attached_id();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(program_detach(HOST_PINS, &problem), -EXDEV);
	assert_non_null(strstr(problem.text, "net:["));
	assert_int_equal(setns(own, CLONE_NEWNET), 0);
	close(own);
	assert_int_equal(attached_id(), id);
	assert_int_equal(program_detach(HOST_PINS, &problem), 0);
	assert_int_equal(attached_id(), 0);
}

/* Of an interface that is gone nothing has to be taken off: a container's next one finds what its last one has left. */
static void test_of_an_interface_that_is_gone_detached_anywhere(void **state)
{
	struct program_options options = host_options();
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct program *program;

	(void)state;
	host_run("ip link add gone0 type veth peer name gone1");
	options.interfaces = host_interfaces("gone0");
	if (program_load(&options, &problem, &program))
		fail_msg("%s", problem.text);
	assert_int_equal(program_attach(program, ATTACH_AUTO, &note, &problem), 0);
	program_free(program);
	host_run("ip link del gone0");
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	if (program_detach(HOST_PINS, &problem))
		fail_msg("%s", problem.text);
	assert_int_equal(setns(own, CLONE_NEWNET), 0);
	close(own);
}

static void test_half_a_start_is_begun_anew(void **state)
{
	struct program *program;
	uint64_t boot_id;

	(void)state;
	program = loaded();
	boot_id = program->boot.boot_id;
	program_free(program); /* never attached */
	assert_int_equal(access(HOST_PINS "/flows", F_OK), 0);
	program = loaded();
	assert_false(program->adopted);
	assert_int_not_equal(program->boot.boot_id, boot_id);
	program_free(program);
}

static void test_someone_elses_program_is_respected(void **state)
{
	int other, link;
	struct program *program;
	uint32_t id;

	(void)state;
	other = host_pass_program();
	link = bpf_link_create(other, (int)if_nametoindex("gw0"), BPF_XDP, NULL);
	assert_true(link >= 0);
	id = attached_id();
	program = loaded();
	assert_int_equal(program_attach(program, ATTACH_AUTO, &note, &problem), -EBUSY);
	assert_non_null(strstr(problem.text, "gw0"));
	assert_int_equal(attached_id(), id);
	program_free(program);
	close(link);
	close(other);
}

static void test_generic_mode_when_told(void **state)
{
	struct program *program;

	(void)state;
	program = loaded();
	assert_int_equal(program_attach(program, ATTACH_GENERIC, &note, &problem), 0);
	assert_int_equal(program->attachments[0].mode, ATTACH_GENERIC);
	program_free(program);
	program = loaded(); /* and it is known after a take-over */
	assert_int_equal(program_attach(program, ATTACH_AUTO, &note, &problem), 0);
	assert_int_equal(program->attachments[0].mode, ATTACH_GENERIC);
	program_free(program);
}

static void test_a_pin_folder_elsewhere_is_refused(void **state)
{
	struct program_options options = host_options();
	struct program *program = NULL;
	char folder[] = "/tmp/usher-pins-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(folder));
	options.pin_dir = folder;
	assert_int_not_equal(program_load(&options, &problem, &program), 0);
	assert_null(program);
	assert_non_null(strstr(problem.text, folder));
	assert_int_equal(rmdir(folder), 0); /* nothing was left in it */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_loads_attaches_and_detaches, begin, end),
		cmocka_unit_test_setup_teardown(test_a_second_daemon_takes_over, begin, end),
		cmocka_unit_test_setup_teardown(test_pins_of_another_abi_are_left_alone, begin, end),
		cmocka_unit_test_setup_teardown(test_detached_in_its_own_namespace_only, begin, end),
		cmocka_unit_test_setup_teardown(test_of_an_interface_that_is_gone_detached_anywhere, begin, end),
		cmocka_unit_test_setup_teardown(test_half_a_start_is_begun_anew, begin, end),
		cmocka_unit_test_setup_teardown(test_someone_elses_program_is_respected, begin, end),
		cmocka_unit_test_setup_teardown(test_generic_mode_when_told, begin, end),
		cmocka_unit_test_setup_teardown(test_a_pin_folder_elsewhere_is_refused, begin, end),
	};

	if (host_begin())
		return host_skip(sizeof(tests) / sizeof(tests[0]));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
