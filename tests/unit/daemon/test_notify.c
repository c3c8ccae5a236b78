// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/notify.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static void expect_heard(const char *name, const char *environment)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char heard[64] = "";

	memcpy(at.sun_path, name, strlen(name + 1) + 1); /* the first byte may be a zero */
	assert_int_equal(bind(manager, (const struct sockaddr *)&at,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name + 1) + 1)),
			 0);
	setenv("NOTIFY_SOCKET", environment, 1);
	assert_int_equal(notify_manager("READY=1"), 0);
	assert_int_equal(recv(manager, heard, sizeof(heard), MSG_DONTWAIT), 7);
	assert_string_equal(heard, "READY=1");
	close(manager);
}

static void test_a_manager_hears_it(void **unused)
{
	char path[64], name[64], environment[64];

	(void)unused;
	snprintf(path, sizeof(path), "/tmp/usher-notify-%d", getpid());
	expect_heard(path, path);
	unlink(path);
	snprintf(name, sizeof(name), "%cusher-notify-%d", 0, getpid());
	snprintf(environment, sizeof(environment), "@usher-notify-%d", getpid());
	expect_heard(name, environment);
}

static void test_without_one_nothing_is_said(void **unused)
{
	(void)unused;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(notify_manager("READY=1"), 0);
	setenv("NOTIFY_SOCKET", "", 1);
	assert_int_equal(notify_manager("READY=1"), 0);
}

static void test_what_is_no_socket_is_an_error(void **unused)
{
	(void)unused;
	setenv("NOTIFY_SOCKET", "relative", 1);
	assert_int_equal(notify_manager("READY=1"), -EINVAL);
	setenv("NOTIFY_SOCKET", "/tmp/usher-no-such-socket", 1);
	assert_int_equal(notify_manager("READY=1"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_manager_hears_it),
		cmocka_unit_test(test_without_one_nothing_is_said),
		cmocka_unit_test(test_what_is_no_socket_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
