/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which segment has lived its time, and the record of its end.
 *
 * 1. Time counts from the last record of a segment, which the first line of the one after it names (chain.h). Only the oldest there is
 *    goes, and only if the chain goes on from it in the one after it: what nobody vouches for is left for `verify`.
 * 2. An operation "segment-deleted" is in the log, signed, before the segment goes: number, name, first_seal and last_seal, hash (of the last),
 *    bytes, last_record, retain (seconds). The last one of them is in a segment that is there; so a log that begins late says why. A crash in
 *    between leaves a segment that is on record as deleted, which is then deleted again.
 */
#ifndef USHER_AUDIT_RETENTION_H
#define USHER_AUDIT_RETENTION_H

#include "audit/chain.h"
#include "audit/segment.h"

#define RETENTION_ACTIVITY "segment-deleted"

struct retention {
	uint32_t number;
	char name[256];
	uint64_t first_seal, last_seal;
	uint8_t hash[SHA256_BYTES];
	uint64_t bytes; /* on the disk */
	char last_record[CLOCK_TEXT];
};

/* Is the oldest of these over? now, retain: seconds. Returns 1 with it; 0; or -errno, -EBADMSG if the chain does not go on from it. */
int retention_due(const char *folder, const struct segments *segments, int64_t now, uint32_t retain,
		  struct retention *ret_retention);
/* The record of it. */
void retention_print(const struct retention *retention, uint32_t retain, struct json *to,
		     const struct record_stamp *stamp);
/* It goes: 0 or -errno. */
int retention_delete(const char *folder, const struct retention *retention);

/* What a record of a deletion says, of who may lie: 0 or -EINVAL. */
int retention_parse(const char *line, size_t length, uint32_t *ret_number, uint64_t *ret_last_seal,
		    uint8_t ret_hash[SHA256_BYTES]);

#endif
