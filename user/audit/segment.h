/* SPDX-License-Identifier: GPL-2.0-only */
/* The segments of an audit folder, for those who read it: by name, in the order in which they were written. */
#ifndef USHER_AUDIT_SEGMENT_H
#define USHER_AUDIT_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

struct segment_name {
	char *name;
	uint32_t number;
};

struct segments {
	struct segment_name *items;
	size_t count;
};

/* Returns 0 or -errno. */
int segments_list(const char *folder, struct segments *ret_segments);
void segments_free(struct segments *segments);

/* The text of one. */
struct segment_text {
	const char *bytes;
	size_t length;
};
/* Returns 0 or -errno. */
int segment_read(const char *folder, const char *name, struct segment_text *ret_text);
void segment_release(struct segment_text *text);
/* The first line of one, without what ends it. Returns 0; -ENODATA: there is none of less than `room` bytes; or -errno. */
int segment_first_line(const char *folder, const char *name, size_t room, char *ret_line, size_t *ret_length);

#endif
