/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Invariants:
 *  1. Nothing that comes beside a frame stays open: every descriptor is either the body or closed.
 *  2. A body cannot change or shrink once it has been mapped: without its seals it is refused.
 */
#include "daemon/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/cleanup.h"

#define BODY_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
/* More than a frame may carry, so that all of what a bad one carries is seen, and closed. */
#define DESCRIPTORS_MAX 16

static int body_make(const void *bytes, size_t length, int *ret_fd)
{
	_cleanup_close_ int fd = memfd_create("usher-body", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t done = 0;

	if (fd < 0)
		return -errno;
	while (done < length) {
		ssize_t n = write(fd, (const char *)bytes + done, length - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	if (fcntl(fd, F_ADD_SEALS, BODY_SEALS) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int body_map(int fd, size_t max, struct protocol_body *ret_body)
{
	struct stat stat;
	int seals = fcntl(fd, F_GET_SEALS);
	void *bytes;

	if (seals < 0 || (seals & BODY_SEALS) != BODY_SEALS)
		return -EPERM;
	if (fstat(fd, &stat) < 0)
		return -errno;
	if (stat.st_size < 0 || (size_t)stat.st_size > max)
		return -EMSGSIZE;
	if (stat.st_size == 0) {
		ret_body->bytes = "";
		ret_body->length = 0;
		return 0;
	}
	bytes = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return -errno;
	ret_body->bytes = bytes;
	ret_body->length = (size_t)stat.st_size;
	return 0;
}

void protocol_body_release(struct protocol_body *body)
{
	if (body->length)
		munmap((void *)(uintptr_t)body->bytes, body->length);
	*body = (struct protocol_body){0};
}

int protocol_send(int socket, struct json_object *frame, const void *body, size_t length)
{
	_cleanup_close_ int fd = -1;
	size_t size;
	const char *text = json_object_to_json_string_length(frame, JSON_C_TO_STRING_PLAIN, &size);
	struct iovec part = {.iov_base = (void *)(uintptr_t)text, .iov_len = size};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	int r;

	if (!text)
		return -ENOMEM;
	if (size > PROTOCOL_FRAME_MAX)
		return -EMSGSIZE;
	if (body) {
		r = body_make(body, length, &fd);
		if (r)
			return r;
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.bytes);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
	}
	if (sendmsg(socket, &message, MSG_NOSIGNAL) < 0)
		return -errno;
	return 0;
}

/* Invariant 1. Returns the only descriptor, -ENOENT if there is none, -EBADMSG if there are several. */
static int take_descriptor(struct msghdr *message)
{
	int found = -1;
	size_t count = 0;

	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(int) <= header->cmsg_len; at += sizeof(int)) {
			int fd;

			memcpy(&fd, (char *)header + at, sizeof(fd));
			if (found >= 0)
				close(found);
			found = fd;
			count++;
		}
	}
	if (count > 1) {
		close(found);
		return -EBADMSG;
	}
	return count ? found : -ENOENT;
}

static int frame_parse(const char *bytes, size_t length, struct json_object **ret_frame)
{
	struct json_tokener *tokener;
	struct json_object *object;
	int r = -EBADMSG;

	if (!length || memchr(bytes, '\0', length))
		return -EBADMSG;
	tokener = json_tokener_new_ex(PROTOCOL_DEPTH_MAX);
	if (!tokener)
		return -ENOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, bytes, (int)length);
	/* A frame is an object, so it ends with its own brace: no "continue" is a good one. */
	if (json_tokener_get_error(tokener) == json_tokener_success && json_object_is_type(object, json_type_object) &&
	    json_tokener_get_parse_end(tokener) == length) {
		*ret_frame = object;
		r = 0;
	} else {
		json_object_put(object);
	}
	json_tokener_free(tokener);
	return r;
}

int protocol_receive(int socket, size_t body_max, struct json_object **ret_frame, struct protocol_body *ret_body)
{
	_cleanup_free_ char *bytes = malloc(PROTOCOL_FRAME_MAX);
	_cleanup_close_ int fd = -1;
	struct iovec part = {.iov_base = bytes, .iov_len = PROTOCOL_FRAME_MAX};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
	} control;
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.bytes)};
	struct protocol_body body = {0};
	ssize_t length;
	int r;

	if (!bytes)
		return -ENOMEM;
	length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	if (length < 0)
		return -errno;
	r = take_descriptor(&message);
	if (r >= 0)
		fd = r;
	else if (r != -ENOENT)
		return r;
	if (length == 0)
		return -ENOTCONN;
	if (message.msg_flags & MSG_CTRUNC)
		return -EBADMSG;
	if (message.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	if (fd >= 0) {
		r = body_map(fd, body_max, &body);
		if (r)
			return r;
	}
	r = frame_parse(bytes, (size_t)length, ret_frame);
	if (r) {
		protocol_body_release(&body);
		return r;
	}
	*ret_body = body;
	return 0;
}

int protocol_connect(const char *path, int timeout_ms, int *ret_socket)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval wait = {.tv_sec = timeout_ms / 1000, .tv_usec = (timeout_ms % 1000) * 1000};

	if (fd < 0)
		return -errno;
	if (!path)
		path = PROTOCOL_SOCKET;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	*ret_socket = TAKE_FD(fd);
	return 0;
}

int protocol_string(struct json_object *frame, const char *key, const char **ret_text)
{
	struct json_object *value;

	if (!json_object_object_get_ex(frame, key, &value))
		return -ENOENT;
	/* A name with a NUL inside would be read as a shorter one. */
	if (!json_object_is_type(value, json_type_string) ||
	    strlen(json_object_get_string(value)) != (size_t)json_object_get_string_len(value))
		return -EINVAL;
	*ret_text = json_object_get_string(value);
	return 0;
}

int protocol_integer(struct json_object *frame, const char *key, int64_t min, int64_t max, int64_t *ret_value)
{
	struct json_object *value;
	int64_t number;

	if (!json_object_object_get_ex(frame, key, &value))
		return -ENOENT;
	if (!json_object_is_type(value, json_type_int))
		return -EINVAL;
	number = json_object_get_int64(value);
	if (number < min || number > max)
		return -EINVAL;
	*ret_value = number;
	return 0;
}

int protocol_boolean(struct json_object *frame, const char *key, int *ret_value)
{
	struct json_object *value;

	if (!json_object_object_get_ex(frame, key, &value))
		return -ENOENT;
	if (!json_object_is_type(value, json_type_boolean))
		return -EINVAL;
	*ret_value = json_object_get_boolean(value);
	return 0;
}
