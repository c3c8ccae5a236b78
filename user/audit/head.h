/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The last checkpoint where it is found at once, beside the segments, for whoever keeps it elsewhere; and with the witness.
 *
 * It waits until the log is on the disk up to it: they would hold it against a log that goes on without what a power cut took.
 */
#ifndef USHER_AUDIT_HEAD_H
#define USHER_AUDIT_HEAD_H

#include "audit/chain.h"
#include "audit/witness.h"

#define HEAD_FILE "head.json"

/* Zeroed: there is none. */
struct head {
	const char *folder;
	struct witness *witness; /* or NULL */
	struct json text;	 /* until it has been handed over */
	uint64_t at;		 /* byte of the log that it ends before (store_written) */
	int error;		 /* of the last try to hand it over */
	bool is_given;		 /* the witness has it */
};

void head_free(struct head *head);
/* A checkpoint's line, with what ends it. One that waits gives way to it. */
void head_set(struct head *head, const char *line, size_t length, uint64_t at);
/* One that waits is not handed over. */
void head_drop(struct head *head);
/* Does one wait for bytes beyond those? */
bool head_waits(const struct head *head, uint64_t synced);
/* Hands it over, if there is one. What fails is tried again with the next call. */
void head_hand_over(struct head *head);
/* What is there: 0; -ENOENT: nothing was ever brought to the disk, or somebody has taken it away; -EINVAL: it is damaged; or -errno. */
int head_read(const char *folder, struct chain_checkpoint *ret_checkpoint);

#endif
