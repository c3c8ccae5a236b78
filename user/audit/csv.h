/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records as comma-separated values (RFC 4180): a line of names, and then a line a record, each ended by CR LF.
 *
 * 1. Columns have one order. New ones come behind the others; none is moved or gets another name.
 * 2. A text that a spreadsheet would take for a formula, since it begins with =, +, - or @, gets an apostrophe before it. No name of usher's
 *    begins so, and no number is negative: it is about what people wrote (why, and records as a whole).
 * 3. Control characters, which such a file has no place for, come out as question marks.
 * 4. What is neither a decision nor a gap has all of its record in the column "record", as JSON: nothing of it is lost.
 */
#ifndef USHER_AUDIT_CSV_H
#define USHER_AUDIT_CSV_H

#include "base/json.h"

void csv_header(struct json *to);
/* line: a record that is JSON, without what ends it. */
void csv_row(struct json *to, const char *line, size_t length);

#endif
