// SPDX-License-Identifier: GPL-2.0-only
#include "reader.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define TICK (20 * CLOCK_MILLISECOND) /* the daemon's: user/daemon/loop.c */
#define TEND (100 * CLOCK_MILLISECOND)

double bench_clock(clockid_t id)
{
	struct timespec time;

	must(clock_gettime(id, &time) ? errno : 0, "clock");
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void sleep_until(int64_t when)
{
	const struct timespec time = {when / CLOCK_SECOND, when % CLOCK_SECOND};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

/* The one who asks may be late by a look: that is what it has to be good for. */
static void note_slowest(struct reader *reader, int64_t took)
{
	struct journal_totals totals;

	journal_totals(reader->journal, &totals);
	if (took > atomic_load(&reader->slowest))
		atomic_store(&reader->slowest, took);
	if (totals.unsynced > atomic_load(&reader->unsynced))
		atomic_store(&reader->unsynced, totals.unsynced);
}

/* What it begins, the threads that sync and compress, may run anywhere: those are begun in between. */
static void run_on_first(bool alone)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	for (size_t cpu = 0; cpu < (alone ? 1 : CPU_SETSIZE); cpu++)
		CPU_SET(cpu, &cpus);
	must(pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus), "reader's CPU");
}

static void *read_on(void *context)
{
	const struct sched_param before_others = {.sched_priority = 1};
	struct reader *reader = context;
	int64_t next = clock_monotonic(), second = next, tended = next;

	must(journal_tick(reader->journal), "tick");
	run_on_first(true);
	/* They are of ordinary priority, or less than that. */
	must(sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &before_others) ? errno : 0, "reader's priority");
	while (!atomic_load(&reader->stop)) {
		int64_t now = clock_monotonic();

		must(journal_drain(reader->journal, NULL, NULL), "drain");
		if (now - second >= CLOCK_SECOND) {
			second = now;
			must(journal_tick(reader->journal), "tick");
		}
		if (now - tended >= TEND) {
			tended = now;
			run_on_first(false);
			must(journal_tend(reader->journal), "tend");
			run_on_first(true);
		}
		if (!atomic_load(&reader->eager))
			note_slowest(reader, clock_monotonic() - now);
		if (atomic_load(&reader->eager)) {
			next = now;
			continue;
		}
		next = next + TICK > now ? next + TICK : now;
		sleep_until(next);
	}
	return NULL;
}

void reader_open(struct gateway *gateway, const char *folder, struct catalog *catalog, struct reader *ret_reader)
{
	char key[300], client_keys[300];
	const struct journal_options options = {.folder = folder, .key = key, .client_keys = client_keys};
	struct problem problem = {0};

	*ret_reader = (struct reader){.gateway = gateway};
	snprintf(key, sizeof(key), "%s/private", folder);
	snprintf(client_keys, sizeof(client_keys), "%s/client-keys", folder);
	must(events_open(&gateway->program, &ret_reader->rings), "rings");
	must(mkdir(folder, 0700) ? errno : 0, folder);
	must(journal_open(&gateway->program, gateway->publisher, &options, &problem, &ret_reader->journal),
	     problem.text);
	journal_catalog(ret_reader->journal, catalog);
	must(pthread_create(&ret_reader->thread, NULL, read_on, ret_reader), "reader");
}

void reader_close(struct reader *reader)
{
	atomic_store(&reader->stop, true);
	pthread_join(reader->thread, NULL);
	journal_close(reader->journal);
	events_close(reader->rings);
}

size_t reader_backlog(const struct reader *reader)
{
	return events_waiting_bytes(reader->rings) / sizeof(struct usher_event);
}

void reader_catch_up(const struct reader *reader)
{
	while (reader_backlog(reader))
		usleep(1000);
}

void reader_slowest(struct reader *reader, struct reader_slowest *ret_slowest)
{
	ret_slowest->read = atomic_exchange(&reader->slowest, 0);
	ret_slowest->unsynced = atomic_exchange(&reader->unsynced, 0);
}

double reader_cpu(const struct reader *reader)
{
	clockid_t clock;

	must(pthread_getcpuclockid(reader->thread, &clock), "reader's clock");
	return bench_clock(clock);
}
