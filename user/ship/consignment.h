/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A line of the audit log on its way to somebody: what is said of it beside it, and the forms that it takes. Pure, but for memory.
 *
 * The line itself goes as it stands, byte for byte: whoever has all of them, in order and without those that came twice, has the log, and
 * `usher audit verify` says so.
 */
#ifndef USHER_SHIP_CONSIGNMENT_H
#define USHER_SHIP_CONSIGNMENT_H

#include "base/json.h"
#include "ship/cursor.h"

#define CONSIGNMENT_TYPE 33 /* with the final NUL; MSGID of RFC 5424 has 32 */

/* Severities of RFC 5424. */
enum consignment_severity {
	CONSIGNMENT_ERROR = 3,	 /* a gap */
	CONSIGNMENT_WARNING = 4, /* a decision that let nobody through */
	CONSIGNMENT_NOTICE = 5,	 /* an operation */
	CONSIGNMENT_INFO = 6,	 /* all else */
};

struct consignment {
	const char *line; /* without what ends it */
	size_t length;
	char type[CONSIGNMENT_TYPE];
	char time_text[CLOCK_TEXT]; /* "": it has none */
	int64_t time;		    /* ns since 1970; 0: the same */
	enum consignment_severity severity;
	char log[CHAIN_LOG]; /* these three: where it stands; no two lines stand in one place */
	uint32_t segment;
	uint64_t offset;
};

void consignment_read(const char *line, size_t length, struct consignment *ret_consignment);

/* Who sends it, as RFC 5424 has it. */
struct consignment_sender {
	uint8_t facility;
	char host[256];
	int32_t pid;
};

/* One message of RFC 5424 with its length before it (RFC 5425, 4.3): what is added to `to`. */
void consignment_syslog(const struct consignment *consignment, const struct consignment_sender *sender,
			struct json *to);
/* One entry of journald's native protocol: what is added to `to`. */
void consignment_journald(const struct consignment *consignment, struct json *to);

#endif
