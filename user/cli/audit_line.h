/* SPDX-License-Identifier: GPL-2.0-only */
/* Records of the audit log, as they are shown. */
#ifndef USHER_CLI_AUDIT_LINE_H
#define USHER_CLI_AUDIT_LINE_H

#include <stddef.h>

#include <json-c/json.h>

/* For people, one line. */
void audit_print_record(struct json_object *record);
/* The same of a line of the log, without what ends it; with -j as it stands. */
void audit_print_line(const char *line, size_t length);

#endif
