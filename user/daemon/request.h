/* SPDX-License-Identifier: GPL-2.0-only */
/* One question from the control socket, and how it is answered. The words are those of protocol.h. */
#ifndef USHER_DAEMON_REQUEST_H
#define USHER_DAEMON_REQUEST_H

#include "base/json.h"
#include "daemon/core.h"
#include "daemon/protocol.h"

struct request {
	struct json_object *frame;
	struct protocol_body body;
	struct record_actor actor; /* who asks, by the socket's credentials */
	int socket;
};

/* The answer: its frame, in which "status" is set by answer_send, and its body. */
struct answer {
	struct json_object *frame;
	struct json body;
	bool has_body;
};

/* Each fills the answer and returns a status; a failure has been explained with answer_error. */
int request_apply(struct core *core, const struct request *request, struct answer *answer);
int request_confirm(struct core *core, const struct request *request, struct answer *answer);
int request_rollback(struct core *core, const struct request *request, struct answer *answer);
int request_history(struct core *core, const struct request *request, struct answer *answer);
int request_document(struct core *core, const struct request *request, struct answer *answer);
int request_policy(struct core *core, const struct request *request, struct answer *answer);
int request_drain(struct core *core, const struct request *request, struct answer *answer);
int request_undrain(struct core *core, const struct request *request, struct answer *answer);
int request_quarantine(struct core *core, const struct request *request, struct answer *answer);
int request_release(struct core *core, const struct request *request, struct answer *answer);
/* The same with "gate". */
int request_release_gate(struct core *core, const struct request *request, struct answer *answer);
int request_rollout(struct core *core, const struct request *request, struct answer *answer);
int request_rotate_key(struct core *core, const struct request *request, struct answer *answer);
int request_show(struct core *core, const struct request *request, struct answer *answer);
int request_explain(struct core *core, const struct request *request, struct answer *answer);
int request_status(struct core *core, const struct request *request, struct answer *answer);

/* Sets "error" to one sentence and returns the status. */
int answer_error(struct answer *answer, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
void answer_text(struct answer *answer, const char *key, const char *text); /* NULL: null */
void answer_number(struct answer *answer, const char *key, uint64_t number);
void answer_boolean(struct answer *answer, const char *key, bool value);
void answer_time(struct answer *answer, const char *key, int64_t realtime);

/* Finds out what is asked, answers it, and sends the answer. Returns 0, or -errno if the connection is to be ended. */
int request_serve(struct core *core, const struct request *request);

#endif
