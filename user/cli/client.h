/* SPDX-License-Identifier: GPL-2.0-only */
/* One question to the daemon, and its answer. The words are those of daemon/protocol.h. */
#ifndef USHER_CLI_CLIENT_H
#define USHER_CLI_CLIENT_H

#include "daemon/protocol.h"

struct answer {
	int status; /* enum protocol_status */
	struct json_object *frame;
	struct protocol_body body;
};

/* {"verb": verb}, to which the caller adds. Aborts when there is no memory. */
struct json_object *client_request(const char *verb);
/*
 * Sends the request, which it frees, with a body if that is not NULL, and waits for the answer. Returns CLI_OK if there
 * is one, whatever its status; otherwise the exit status, having said what is wrong and what to do.
 */
int client_ask(struct json_object *request, const void *body, size_t length, struct answer *ret_answer);
/* Prints the error in an answer that is not what was hoped for; returns its status as exit status. */
int client_fail(const struct answer *answer);
/* The answer's body as JSON, to be released with json_object_put. Returns CLI_OK, or the exit status after a message.
 */
int client_body(const struct answer *answer, struct json_object **ret_object);
/* Asks for what needs no body, and expects PROTOCOL_OK with a body of JSON; all else is a failure, said. */
int client_read(struct json_object *request, struct json_object **ret_object);
void answer_release(struct answer *answer);

#endif
