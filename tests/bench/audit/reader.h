/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemon's way from the rings to the disk, on the first CPU: its journal, at its pace. It goes before what else is to be done there: other
 * people's work is not what is measured. */
#ifndef USHER_BENCH_READER_H
#define USHER_BENCH_READER_H

#include <pthread.h>
#include <stdatomic.h>

#include "audit/journal.h"
#include "kernel/events.h"

#include "../packet/gateway.h"

struct reader {
	struct gateway *gateway;
	struct journal *journal;
	struct events *rings; /* to look at, and no more */
	pthread_t thread;
	atomic_bool stop;
	atomic_bool eager; /* it reads on and on, whatever there is */
	atomic_llong slowest;
	atomic_ullong unsynced;
};

/* folder: of the log, which is made; catalog: of the generation in force, whose it is from now on. */
void reader_open(struct gateway *gateway, const char *folder, struct catalog *catalog, struct reader *ret_reader);
void reader_close(struct reader *reader);
/* Records that wait in the rings. */
size_t reader_backlog(const struct reader *reader);
/* Returns once nothing waits. */
void reader_catch_up(const struct reader *reader);
/* Seconds of CPU time that its thread has had. */
double reader_cpu(const struct reader *reader);

/* ns that a look at the rings has taken at most, and bytes of the log that were not on the disk, since this was asked last. */
struct reader_slowest {
	int64_t read;
	uint64_t unsynced;
};
void reader_slowest(struct reader *reader, struct reader_slowest *ret_slowest);

double bench_clock(clockid_t id);

#endif
