// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/request.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"

static const struct {
	const char *verb;
	int (*answer)(struct core *core, const struct request *request, struct answer *answer);
} verbs[] = {
	{"apply", request_apply},	{"confirm", request_confirm},
	{"rollback", request_rollback}, {"history", request_history},
	{"policy", request_policy},	{"drain", request_drain},
	{"undrain", request_undrain},	{"quarantine", request_quarantine},
	{"release", request_release},	{"rollout", request_rollout},
	{"show", request_show},		{"explain", request_explain},
	{"status", request_status},	{"rotate-key", request_rotate_key},
	{"document", request_document},
};

int answer_error(struct answer *answer, int status, const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	json_object_object_add(answer->frame, "error", json_object_new_string(text));
	return status;
}

void answer_text(struct answer *answer, const char *key, const char *text)
{
	json_object_object_add(answer->frame, key, text ? json_object_new_string(text) : NULL);
}

void answer_number(struct answer *answer, const char *key, uint64_t number)
{
	json_object_object_add(answer->frame, key, json_object_new_uint64(number));
}

void answer_boolean(struct answer *answer, const char *key, bool value)
{
	json_object_object_add(answer->frame, key, json_object_new_boolean(value));
}

void answer_time(struct answer *answer, const char *key, int64_t realtime)
{
	char text[CLOCK_TEXT];

	answer_text(answer, key, realtime ? clock_print(realtime, text) : NULL);
}

static int dispatch(struct core *core, const struct request *request, struct answer *answer)
{
	const char *verb;

	if (protocol_string(request->frame, "verb", &verb))
		return answer_error(answer, PROTOCOL_USAGE, "the request has no verb");
	for (size_t i = 0; i < ARRAY_COUNT(verbs); i++)
		if (!strcmp(verb, verbs[i].verb))
			return verbs[i].answer(core, request, answer);
	return answer_error(answer, PROTOCOL_USAGE, "no such verb");
}

int request_serve(struct core *core, const struct request *request)
{
	struct answer answer = {.frame = json_object_new_object()};
	int status, error;

	if (!answer.frame)
		abort();
	status = dispatch(core, request, &answer);
	json_object_object_add(answer.frame, "status", json_object_new_int(status));
	error = protocol_send(request->socket, answer.frame, answer.has_body ? answer.body.bytes : NULL,
			      answer.body.length);
	json_object_put(answer.frame);
	json_free(&answer.body);
	/* A frame that is not understood ends the connection. */
	return error ? error : status == PROTOCOL_USAGE ? -EBADMSG : 0;
}
