/* SPDX-License-Identifier: GPL-2.0-only */
/* Gates as JSON text, for the next daemon: numbers as the bytes that they are in memory, in hexadecimal, so that none is rounded. */
#ifndef USHER_DAEMON_GATES_TEXT_H
#define USHER_DAEMON_GATES_TEXT_H

#include "base/json.h"
#include "daemon/gates.h"

void gates_text_print(struct json *to, const struct gates *gates);
/* Of these only names, states and evidence: what gates_new() looks for. Returns 0, -ENOMEM, or -EINVAL if they are none of ours. */
int gates_text_parse(const char *text, size_t length, struct gates **ret_gates);

#endif
