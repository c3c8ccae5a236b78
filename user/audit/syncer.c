// SPDX-License-Identifier: GPL-2.0-only
#include "audit/syncer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct syncer {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_running, stop;
	enum { NOTHING, UNDER_WAY, ENDED } state;
	int file, result;
};

int syncer_new(struct syncer **ret_syncer)
{
	struct syncer *syncer = calloc(1, sizeof(*syncer));

	if (!syncer)
		return -ENOMEM;
	pthread_mutex_init(&syncer->lock, NULL);
	pthread_cond_init(&syncer->changed, NULL);
	*ret_syncer = syncer;
	return 0;
}

/* ---- beside others ------------------------------------------------------------------------------------------- */

/*
 * Brings a file to the disk, and lets go of the memory of what had been brought there before, which `last` says, and then says of this time.
 * Otherwise a log of 200 MB a second takes all memory that is free, and pays for each page. What came last stays for those who follow the log.
 */
static int bring(int file, struct stat *last)
{
	struct stat now = {0};

	fstat(file, &now);
	if (fdatasync(file))
		return -errno;
	if (last->st_size && last->st_ino == now.st_ino && last->st_dev == now.st_dev)
		posix_fadvise(file, 0, last->st_size, POSIX_FADV_DONTNEED);
	*last = now;
	return 0;
}

static void *run(void *context)
{
	struct syncer *syncer = context;
	struct stat last = {0};

	pthread_mutex_lock(&syncer->lock);
	for (;;) {
		int file, result;

		while (!syncer->stop && syncer->state != UNDER_WAY)
			pthread_cond_wait(&syncer->changed, &syncer->lock);
		if (syncer->state != UNDER_WAY)
			break;
		file = syncer->file;
		pthread_mutex_unlock(&syncer->lock);
		result = bring(file, &last);
		pthread_mutex_lock(&syncer->lock);
		syncer->result = result;
		syncer->state = ENDED;
		pthread_cond_broadcast(&syncer->changed);
	}
	pthread_mutex_unlock(&syncer->lock);
	return NULL;
}

/* Signals are for the others. */
static int begin_thread(struct syncer *syncer)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&syncer->thread, NULL, run, syncer);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	syncer->is_running = !error;
	return -error;
}

/* ---- for those who need not wait ----------------------------------------------------------------------------- */

int syncer_begin(struct syncer *syncer, int file)
{
	int error = syncer->is_running ? 0 : begin_thread(syncer);

	if (error)
		return error;
	pthread_mutex_lock(&syncer->lock);
	syncer->file = file;
	syncer->state = UNDER_WAY;
	pthread_cond_broadcast(&syncer->changed);
	pthread_mutex_unlock(&syncer->lock);
	return 0;
}

bool syncer_ended(struct syncer *syncer, int *ret_result)
{
	bool ended;

	pthread_mutex_lock(&syncer->lock);
	ended = syncer->state == ENDED;
	if (ended) {
		syncer->state = NOTHING;
		*ret_result = syncer->result;
	}
	pthread_mutex_unlock(&syncer->lock);
	return ended;
}

int syncer_wait(struct syncer *syncer)
{
	int result = 0;

	pthread_mutex_lock(&syncer->lock);
	while (syncer->state == UNDER_WAY)
		pthread_cond_wait(&syncer->changed, &syncer->lock);
	if (syncer->state == ENDED)
		result = syncer->result;
	syncer->state = NOTHING;
	pthread_mutex_unlock(&syncer->lock);
	return result;
}

void syncer_free(struct syncer *syncer)
{
	if (!syncer)
		return;
	if (syncer->is_running) {
		pthread_mutex_lock(&syncer->lock);
		syncer->stop = true;
		pthread_cond_broadcast(&syncer->changed);
		pthread_mutex_unlock(&syncer->lock);
		pthread_join(syncer->thread, NULL);
	}
	pthread_cond_destroy(&syncer->changed);
	pthread_mutex_destroy(&syncer->lock);
	free(syncer);
}
