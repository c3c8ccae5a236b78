// SPDX-License-Identifier: GPL-2.0-only
/* Frames between two ends of a real socket, good ones and those that nobody should send. */
#include "daemon/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/array.h"

static int ends[2];

static int begin(void **unused)
{
	(void)unused;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends);
}

static int end(void **unused)
{
	(void)unused;
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static int descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static int receive(struct json_object **ret_frame, struct protocol_body *ret_body)
{
	*ret_frame = NULL;
	*ret_body = (struct protocol_body){0};
	return protocol_receive(ends[1], 1000, ret_frame, ret_body);
}

static int receive_raw(const char *bytes, size_t length)
{
	struct protocol_body body;
	struct json_object *frame;
	int error;

	assert_int_equal(send(ends[0], bytes, length, 0), (ssize_t)length);
	error = receive(&frame, &body);
	if (error)
		assert_null(frame);
	json_object_put(frame);
	return error;
}

static void test_a_frame_and_its_body_arrive(void **unused)
{
	struct json_object *frame = json_object_new_object(), *got;
	struct protocol_body body;
	const char *text;
	int before;

	(void)unused;
	json_object_object_add(frame, "verb", json_object_new_string("apply"));
	before = descriptors();
	assert_int_equal(protocol_send(ends[0], frame, "policy", 6), 0);
	assert_int_equal(receive(&got, &body), 0);
	assert_int_equal(protocol_string(got, "verb", &text), 0);
	assert_string_equal(text, "apply");
	assert_int_equal(body.length, 6);
	assert_memory_equal(body.bytes, "policy", 6);
	protocol_body_release(&body);
	json_object_put(got);
	assert_int_equal(protocol_send(ends[0], frame, "", 0), 0);
	assert_int_equal(receive(&got, &body), 0);
	assert_non_null(body.bytes);
	assert_int_equal(body.length, 0);
	json_object_put(got);
	assert_int_equal(protocol_send(ends[0], frame, NULL, 0), 0);
	assert_int_equal(receive(&got, &body), 0);
	assert_null(body.bytes);
	json_object_put(got);
	json_object_put(frame);
	assert_int_equal(descriptors(), before);
	assert_int_equal(receive(&got, &body), -EAGAIN);
	close(ends[0]);
	assert_int_equal(receive(&got, &body), -ENOTCONN);
	ends[0] = -1;
}

static void test_what_is_no_object_is_refused(void **unused)
{
	static const char *const bad[] = {"[]",
					  "1",
					  "\"x\"",
					  "{",
					  "}",
					  "{}x",
					  "{\"a\"}",
					  "{\"a\":1,}",

					  "{\"a\":\"\xff\"}",
					  "nul",
					  "{}{}",
					  "\xef\xbb\xbf{}"};

	(void)unused;
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		if (receive_raw(bad[i], strlen(bad[i])) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(receive_raw("{}\0{}", 5), -EBADMSG);
	assert_int_equal(receive_raw("{\"a\":{\"b\":1}}", 13), 0);
}

static void test_depth_and_size_are_bounded(void **unused)
{
	char *large = malloc(PROTOCOL_FRAME_MAX + 2), deep[64] = "";
	struct json_object *frame = json_object_new_object();

	(void)unused;
	for (int i = 0; i < PROTOCOL_DEPTH_MAX + 1; i++)
		strcat(deep, "{\"a\":");
	strcat(deep, "1");
	for (int i = 0; i < PROTOCOL_DEPTH_MAX + 1; i++)
		strcat(deep, "}");
	assert_int_equal(receive_raw(deep, strlen(deep)), -EBADMSG);
	assert_non_null(large);
	memset(large, ' ', PROTOCOL_FRAME_MAX + 1);
	large[0] = '{';
	large[PROTOCOL_FRAME_MAX - 1] = '}';
	assert_int_equal(receive_raw(large, PROTOCOL_FRAME_MAX), 0);
	assert_int_equal(receive_raw(large, PROTOCOL_FRAME_MAX + 1), -EMSGSIZE);
	memset(large, 'x', PROTOCOL_FRAME_MAX);
	large[PROTOCOL_FRAME_MAX] = '\0';
	json_object_object_add(frame, "a", json_object_new_string(large));
	assert_int_equal(protocol_send(ends[0], frame, NULL, 0), -EMSGSIZE);
	json_object_put(frame);
	free(large);
}

static void send_with(const int *fds, size_t count)
{
	struct iovec part = {.iov_base = (void *)(uintptr_t) "{}", .iov_len = 2};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(32 * sizeof(int))];
	} control = {0};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = CMSG_SPACE(count * sizeof(int))};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
	assert_int_equal(sendmsg(ends[0], &message, 0), 2);
}

/* Whatever comes beside a frame, nothing of it stays open. */
static void test_a_body_must_be_sealed_and_alone(void **unused)
{
	int plain = memfd_create("plain", MFD_CLOEXEC | MFD_ALLOW_SEALING), many[20], pipes[2];
	int half = memfd_create("half", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct json_object *frame;
	struct protocol_body body;
	int before;

	(void)unused;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(fcntl(half, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	for (size_t i = 0; i < ARRAY_COUNT(many); i++)
		many[i] = plain;
	before = descriptors();
	send_with(&plain, 1);
	assert_int_equal(receive(&frame, &body), -EPERM);
	send_with(&half, 1);
	assert_int_equal(receive(&frame, &body), -EPERM);
	send_with(pipes, 1);
	assert_int_equal(receive(&frame, &body), -EPERM);
	send_with(pipes, 2);
	assert_int_equal(receive(&frame, &body), -EBADMSG);
	send_with(many, ARRAY_COUNT(many));
	assert_int_equal(receive(&frame, &body), -EBADMSG);
	assert_int_equal(descriptors(), before);
	close(plain);
	close(half);
	close(pipes[0]);
	close(pipes[1]);
}

static void test_a_body_too_large_is_refused(void **unused)
{
	struct json_object *frame = json_object_new_object(), *got;
	char bytes[1001] = {0};
	struct protocol_body body;

	(void)unused;
	assert_int_equal(protocol_send(ends[0], frame, bytes, sizeof(bytes)), 0);
	assert_int_equal(receive(&got, &body), -EMSGSIZE);
	assert_int_equal(protocol_send(ends[0], frame, bytes, 1000), 0);
	assert_int_equal(receive(&got, &body), 0);
	protocol_body_release(&body);
	json_object_put(got);
	json_object_put(frame);
}

static void test_fields_have_types_and_bounds(void **unused)
{
	struct json_object *frame =
		json_tokener_parse("{\"s\": \"a\\u0000b\", \"t\": \"x\", \"n\": 5, \"f\": 5.0, \"b\": true}");
	const char *text;
	int64_t number;
	int truth;

	(void)unused;
	assert_int_equal(protocol_string(frame, "s", &text), -EINVAL);
	assert_int_equal(protocol_string(frame, "n", &text), -EINVAL);
	assert_int_equal(protocol_string(frame, "none", &text), -ENOENT);
	assert_int_equal(protocol_string(frame, "t", &text), 0);
	assert_int_equal(protocol_integer(frame, "n", 5, 5, &number), 0);
	assert_int_equal(protocol_integer(frame, "n", 6, 9, &number), -EINVAL);
	assert_int_equal(protocol_integer(frame, "n", 0, 4, &number), -EINVAL);
	assert_int_equal(protocol_integer(frame, "f", 0, 9, &number), -EINVAL);
	assert_int_equal(protocol_integer(frame, "none", 0, 9, &number), -ENOENT);
	assert_int_equal(protocol_boolean(frame, "b", &truth), 0);
	assert_int_equal(protocol_boolean(frame, "n", &truth), -EINVAL);
	assert_int_equal(protocol_boolean(frame, "none", &truth), -ENOENT);
	json_object_put(frame);
}

static void test_nobody_there_is_said(void **unused)
{
	char path[200];
	int fd = -1;

	(void)unused;
	assert_int_equal(protocol_connect("/tmp/usher-no-such-socket", 100, &fd), -ENOENT);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(protocol_connect(path, 100, &fd), -ENAMETOOLONG);
	assert_int_equal(fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_frame_and_its_body_arrive, begin, end),
		cmocka_unit_test_setup_teardown(test_what_is_no_object_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(test_depth_and_size_are_bounded, begin, end),
		cmocka_unit_test_setup_teardown(test_a_body_must_be_sealed_and_alone, begin, end),
		cmocka_unit_test_setup_teardown(test_a_body_too_large_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(test_fields_have_types_and_bounds, begin, end),
		cmocka_unit_test_setup_teardown(test_nobody_there_is_said, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
