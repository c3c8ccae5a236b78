// SPDX-License-Identifier: GPL-2.0-only
#include "audit/witness.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

#define CLOSE_SECONDS 2

struct waiting {
	size_t length;
	char line[WITNESS_LINE];
};

struct witness {
	char *path;
	pthread_mutex_t lock;
	pthread_cond_t given;
	pthread_t thread;
	bool runs, ends;
	size_t first, count; /* of what waits: a ring */
	struct waiting waiting[WITNESS_WAITING];
	uint64_t rounds; /* how often something was given: what has failed is not tried again before */
	struct witness_totals totals;
};

int witness_new(const char *path, struct witness **ret_witness)
{
	struct witness *witness = calloc(1, sizeof(*witness));

	if (witness)
		witness->path = strdup(path);
	if (!witness || !witness->path) {
		free(witness);
		return -ENOMEM;
	}
	pthread_mutex_init(&witness->lock, NULL);
	pthread_cond_init(&witness->given, NULL);
	*ret_witness = witness;
	return 0;
}

void witness_give(struct witness *witness, const char *line, size_t length)
{
	struct waiting *to;

	if (length > WITNESS_LINE)
		return;
	pthread_mutex_lock(&witness->lock);
	if (witness->count == WITNESS_WAITING) {
		witness->first = (witness->first + 1) % WITNESS_WAITING;
		witness->count--;
		witness->totals.left_out++;
	}
	to = &witness->waiting[(witness->first + witness->count++) % WITNESS_WAITING];
	memcpy(to->line, line, length);
	to->length = length;
	witness->rounds++;
	pthread_cond_signal(&witness->given);
	pthread_mutex_unlock(&witness->lock);
}

/* ---- the thread ---------------------------------------------------------------------------------------------- */

/* Half a line at the end, of a write that failed or a crash, is no part of ours. */
static int end_torn(int file)
{
	off_t length = lseek(file, 0, SEEK_END);
	char last = '\n';

	if (length < 0)
		return errno == ESPIPE ? 0 : -errno;
	if (length && pread(file, &last, 1, length - 1) != 1)
		return errno ? -errno : -EIO;
	if (last == '\n')
		return 0;
	return write(file, "\n", 1) == 1 ? 0 : errno ? -errno : -EIO;
}

static int append_line(const char *path, const struct waiting *waiting)
{
	_cleanup_close_ int file = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
	ssize_t got;
	int error;

	if (file < 0)
		return -errno;
	errno = 0;
	error = end_torn(file);
	if (error)
		return error;
	got = write(file, waiting->line, waiting->length);
	if (got != (ssize_t)waiting->length)
		return got < 0 ? -errno : -ENOSPC;
	return fsync(file) && errno != EINVAL ? -errno : 0;
}

/* The first that waits; others may come, or push it out, while it is being written. */
static void write_first(struct witness *witness)
{
	struct waiting waiting = witness->waiting[witness->first];
	uint64_t left_out = witness->totals.left_out;
	int error;

	pthread_mutex_unlock(&witness->lock);
	error = append_line(witness->path, &waiting);
	pthread_mutex_lock(&witness->lock);
	witness->totals.error = error;
	if (error) {
		witness->totals.errors++;
		return;
	}
	witness->totals.written++;
	if (witness->totals.left_out != left_out) {
		witness->totals.left_out--; /* this one was not: it was on its way */
		return;
	}
	witness->first = (witness->first + 1) % WITNESS_WAITING;
	witness->count--;
}

static void *run(void *context)
{
	struct witness *witness = context;
	uint64_t tried = 0;

	pthread_mutex_lock(&witness->lock);
	for (;;) {
		while (!witness->ends && (!witness->count || (witness->totals.error && tried == witness->rounds)))
			pthread_cond_wait(&witness->given, &witness->lock);
		if (witness->ends && (!witness->count || witness->totals.error))
			break;
		tried = witness->rounds;
		write_first(witness);
	}
	pthread_mutex_unlock(&witness->lock);
	return NULL;
}

int witness_run(struct witness *witness)
{
	sigset_t all, before;
	bool wanted;
	int error;

	pthread_mutex_lock(&witness->lock);
	wanted = witness->count && !witness->runs;
	pthread_mutex_unlock(&witness->lock);
	if (!wanted)
		return 0;
	/* Signals are for the others. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&witness->thread, NULL, run, witness);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	witness->runs = !error;
	return -error;
}

static void free_witness(struct witness *witness)
{
	pthread_cond_destroy(&witness->given);
	pthread_mutex_destroy(&witness->lock);
	free(witness->path);
	free(witness);
}

void witness_close(struct witness *witness)
{
	struct timespec until;

	if (!witness)
		return;
	witness_run(witness);
	if (witness->runs) {
		pthread_mutex_lock(&witness->lock);
		witness->ends = true;
		pthread_cond_signal(&witness->given);
		pthread_mutex_unlock(&witness->lock);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += CLOSE_SECONDS;
		/* It hangs in a call to a mount that does not answer: the process ends without it. */
		if (pthread_timedjoin_np(witness->thread, NULL, &until)) {
			pthread_detach(witness->thread);
			return;
		}
	}
	free_witness(witness);
}

void witness_totals(struct witness *witness, struct witness_totals *ret_totals)
{
	pthread_mutex_lock(&witness->lock);
	*ret_totals = witness->totals;
	pthread_mutex_unlock(&witness->lock);
}
