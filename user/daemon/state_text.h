/* SPDX-License-Identifier: GPL-2.0-only */
/* The state as JSON text. */
#ifndef USHER_DAEMON_STATE_TEXT_H
#define USHER_DAEMON_STATE_TEXT_H

#include "base/json.h"
#include "daemon/state.h"

void state_text_print(struct json *to, const struct state *state);
/* Fills in what is not the folder. Returns 0, or -EINVAL if it is not one of ours; `state` is then to be thrown away. */
int state_text_parse(const char *text, size_t length, struct state *state);

#endif
