/* SPDX-License-Identifier: GPL-2.0-only */
/* What usherd was told on its command line. */
#ifndef USHER_DAEMON_OPTIONS_H
#define USHER_DAEMON_OPTIONS_H

#include <stdbool.h>

#include "audit/journal.h"
#include "kernel/program.h"
#include "edge/edge.h"
#include "ship/ship.h"

#define USHER_VERSION "0.1"
#define OPTIONS_STATE_DIR "/var/lib/usher"

struct options {
	const char *policy;    /* or NULL */
	const char *approvers; /* folder of the keys of those who approve policies, or NULL: nobody has to */
	uint32_t approvals;    /* how many of them have to */
	const char *socket, *state_dir, *audit_dir;
	struct store_limits audit_limits;
	enum outbox_sync audit_sync;
	const char *witness_file; /* or NULL */
	const char *pool_dir;	  /* where the files of pools are */
	struct program_options program;
	struct edge_options edge;
	struct ship_options ship;
	bool detach; /* remove what is pinned, and end */
};

/* Returns 0 with options to run by, or -1 with the exit status: help was asked for, or something is wrong and was said. */
int options_parse(int argc, char **argv, struct options *ret_options, int *ret_status);

#endif
