/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The segments of an audit folder, for those who read it: by name, in the order in which they were written.
 *
 * A closed one lies there as NAME or, compressed (zstd), as NAME.zst: that makes no difference to who reads it by its name. For a moment, or after
 * a crash, it lies there as both: it is one segment, and the plain one is what is read, as the other was made from it.
 */
#ifndef USHER_AUDIT_SEGMENT_H
#define USHER_AUDIT_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEGMENT_COMPRESSED ".zst"     /* behind the name */
#define SEGMENT_TEXT_MAX (4ull << 30) /* no longer one is made, and none is believed */

struct segment_name {
	char *name; /* without .zst */
	uint32_t number;
	bool plain, compressed; /* what there is of it */
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
	const char *bytes; /* once it has been read never NULL: "" if there are none */
	size_t length;
	size_t mapped;
	bool damaged; /* its compressed file is: this is what could be read, from the beginning */
};
/*
 * Returns 0, also of one that is damaged; or -errno, -EBUSY if its writer cut it back each time that it was read. While it is written to, all up to
 * its last seal is what stays there; what comes behind that may be half a batch, which goes again.
 */
int segment_read(const char *folder, const char *name, struct segment_text *ret_text);
/* The same of one that was read up to there: the bytes before `from` need not be what they were. */
int segment_read_from(const char *folder, const char *name, size_t from, struct segment_text *ret_text);
void segment_release(struct segment_text *text);
/* The first line of one, without what ends it. Returns 0; -ENODATA: there is none of less than `room` bytes; or -errno. */
int segment_first_line(const char *folder, const char *name, size_t room, char *ret_line, size_t *ret_length);

#endif
