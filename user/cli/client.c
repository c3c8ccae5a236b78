// SPDX-License-Identifier: GPL-2.0-only
#include "cli/client.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/field.h"
#include "cli/verbs.h"

/* The largest policy compiles in about a second; a daemon that takes a minute is not coming back. */
#define PATIENCE_MS 60000

static int unreachable(int error)
{
	const char *path = cli_socket ? cli_socket : PROTOCOL_SOCKET;

	switch (error) {
	case -ENOENT:
	case -ECONNREFUSED:
		return cli_fail(CLI_UNREACHABLE,
				"no daemon answers at %s: start usherd, or name another socket with -s", path);
	case -EACCES:
	case -EPERM:
		return cli_fail(CLI_SYSTEM, "no permission for %s: become root, or join the group " PROTOCOL_GROUP,
				path);
	case -EAGAIN:
		return cli_fail(CLI_UNREACHABLE, "the daemon at %s has not answered for %d s: look at its log", path,
				PATIENCE_MS / 1000);
	case -ENOTCONN:
	case -ECONNRESET:
	case -EPIPE:
		return cli_fail(CLI_UNREACHABLE,
				"the daemon at %s closed the connection: it may be stopping; look at its log", path);
	case -EBADMSG:
	case -EPROTOTYPE:
		return cli_fail(CLI_UNREACHABLE,
				"what listens at %s does not speak usher's protocol: name the socket "
				"of an usherd of this version with -s",
				path);
	default:
		return cli_fail(CLI_UNREACHABLE, "%s: %s", path, strerror(-error));
	}
}

struct json_object *client_request(const char *verb)
{
	struct json_object *request = json_object_new_object();

	if (!request)
		abort();
	json_object_object_add(request, "verb", json_object_new_string(verb));
	return request;
}

static int exchange(struct json_object *request, const void *body, size_t length, struct answer *ret_answer)
{
	_cleanup_close_ int socket = -1;
	struct answer answer = {0};
	int64_t status;
	int r;

	r = protocol_connect(cli_socket, PATIENCE_MS, &socket);
	if (r)
		return r;
	r = protocol_send(socket, request, body, length);
	if (r)
		return r;
	r = protocol_receive(socket, PROTOCOL_BODY_MAX, &answer.frame, &answer.body);
	if (r)
		return r;
	r = protocol_integer(answer.frame, "status", PROTOCOL_OK, PROTOCOL_UNCONFIRMED, &status);
	if (r) {
		answer_release(&answer);
		return -EBADMSG;
	}
	answer.status = (int)status;
	*ret_answer = answer;
	return 0;
}

int client_ask(struct json_object *request, const void *body, size_t length, struct answer *ret_answer)
{
	int r = exchange(request, body, length, ret_answer);

	json_object_put(request);
	if (r == -EMSGSIZE)
		return cli_fail(CLI_USAGE, "what is asked is larger than a frame of %d bytes", PROTOCOL_FRAME_MAX);
	return r ? unreachable(r) : CLI_OK;
}

int client_fail(const struct answer *answer)
{
	const char *text = "the daemon says no, and not why";

	protocol_string(answer->frame, "error", &text);
	return cli_fail((enum cli_status)answer->status, "%s", text);
}

int client_body(const struct answer *answer, struct json_object **ret_object)
{
	if (!answer->body.bytes || tree_parse(answer->body.bytes, answer->body.length, ret_object))
		return unreachable(-EBADMSG);
	return CLI_OK;
}

int client_read(struct json_object *request, struct json_object **ret_object)
{
	struct answer answer = {0};
	int status = client_ask(request, NULL, 0, &answer);

	if (status)
		return status;
	status = answer.status == PROTOCOL_OK ? client_body(&answer, ret_object) : client_fail(&answer);
	answer_release(&answer);
	return status;
}

void answer_release(struct answer *answer)
{
	json_object_put(answer->frame);
	protocol_body_release(&answer->body);
	*answer = (struct answer){0};
}
