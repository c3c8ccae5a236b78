/* SPDX-License-Identifier: GPL-2.0-only */
/* What a person reads in one cell of a table about a record. Each is the cell's text, or one that lasts; "-": there is none. */
#ifndef USHER_AUDIT_CELL_H
#define USHER_AUDIT_CELL_H

#include "audit/fields.h"

#define CELL 2048

struct cell {
	char text[CELL];
};

/* A string without its quotation marks and escapes, or another value as it stands. */
const char *cell_plain(struct line_value value, struct cell *cell);
const char *cell_text(const struct fields *fields, enum fields_key key, struct cell *cell);
const char *cell_time(const struct fields *fields, struct cell *cell);
/* "credit-scorer@3.1.0" */
const char *cell_version(const struct fields *fields, struct cell *cell);
/* "42 (d16e57d16e57)" */
const char *cell_policy(const struct fields *fields, struct cell *cell);
/* "root (uid 0)"; "usher": nobody did it. */
const char *cell_actor(const struct fields *fields, struct cell *cell);
/* "anna, ben"; "nobody": the record says that there was none. */
const char *cell_approvers(const struct fields *fields, struct cell *cell);
/* A backend, a version, or a service. */
const char *cell_subject(const struct fields *fields, struct cell *cell);

#endif
