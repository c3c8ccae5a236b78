// SPDX-License-Identifier: GPL-2.0-only
#include "audit/compressor.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zstd.h>

#include "audit/segment.h"
#include "base/cleanup.h"
#include "base/file.h"

#define PATH_ROOM 4096
#define CHUNK (256u << 10)
#define LEVEL 3
#define NICE 10

struct compressor {
	pthread_t thread;
	char *folder, *name;
	atomic_bool stop, ended;
	int result;
};

/* What is open while one is being compressed. */
struct work {
	const atomic_bool *stop;
	int plain, packed;
	ZSTD_CCtx *compress;
	ZSTD_DCtx *decompress;
	char *in, *out, *plain_again; /* CHUNK each */
};

static void end_work(struct work *work)
{
	if (work->plain >= 0)
		close(work->plain);
	if (work->packed >= 0)
		close(work->packed);
	ZSTD_freeCCtx(work->compress);
	ZSTD_freeDCtx(work->decompress);
	free(work->in);
	free(work->out);
	free(work->plain_again);
}

static int read_some(int file, char *to, size_t room, size_t *ret_length)
{
	ssize_t got;

	do
		got = read(file, to, room);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	*ret_length = (size_t)got;
	return 0;
}

/* Fewer only at the end of the file. */
static int read_full(int file, char *to, size_t room, size_t *ret_length)
{
	size_t length = 0, got = 1;
	int error = 0;

	while (!error && got && length < room) {
		error = read_some(file, to + length, room - length, &got);
		length += error ? 0 : got;
	}
	*ret_length = length;
	return error;
}

/* ---- there --------------------------------------------------------------------------------------------------- */

/* One piece of text, or the end of it (length 0). */
static int pack_piece(struct work *work, size_t length)
{
	ZSTD_inBuffer in = {work->in, length, 0};
	size_t left;

	do {
		ZSTD_outBuffer out = {work->out, CHUNK, 0};
		int error;

		left = ZSTD_compressStream2(work->compress, &out, &in, length ? ZSTD_e_continue : ZSTD_e_end);
		if (ZSTD_isError(left))
			return -EIO;
		error = file_write(work->packed, work->out, out.pos);
		if (error)
			return error;
	} while (length ? in.pos < in.size : left > 0);
	return 0;
}

static int pack(struct work *work, unsigned long long size)
{
	size_t length = 1;
	int error = 0;

	if (ZSTD_isError(ZSTD_CCtx_setParameter(work->compress, ZSTD_c_compressionLevel, LEVEL)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(work->compress, ZSTD_c_checksumFlag, 1)) ||
	    ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(work->compress, size)))
		return -EINVAL;
	while (!error && length) {
		error = *work->stop ? -ECANCELED : read_some(work->plain, work->in, CHUNK, &length);
		if (!error)
			error = pack_piece(work, length);
	}
	return error ? error : fsync(work->packed) ? -errno : 0;
}

/* ---- and back ------------------------------------------------------------------------------------------------ */

/* The text in `length` bytes of the file is what comes next in the plain one. */
static int compare_piece(struct work *work, size_t length, size_t *ret_left)
{
	ZSTD_inBuffer in = {work->in, length, 0};
	bool full = true;

	while (in.pos < in.size || full) {
		ZSTD_outBuffer out = {work->out, CHUNK, 0};
		size_t got;
		int error;

		*ret_left = ZSTD_decompressStream(work->decompress, &out, &in);
		if (ZSTD_isError(*ret_left))
			return -EBADMSG;
		error = read_full(work->plain, work->plain_again, out.pos, &got);
		if (error)
			return error;
		if (got != out.pos || memcmp(work->plain_again, work->out, got) != 0)
			return -EBADMSG;
		full = out.pos == out.size;
	}
	return 0;
}

static int compare(struct work *work)
{
	size_t length = 1, left = 1;
	int error = 0;

	if (lseek(work->plain, 0, SEEK_SET) || lseek(work->packed, 0, SEEK_SET))
		return -errno;
	while (!error) {
		error = *work->stop ? -ECANCELED : read_some(work->packed, work->in, CHUNK, &length);
		if (error || !length)
			break;
		error = compare_piece(work, length, &left);
	}
	if (!error)
		error = read_some(work->plain, work->in, 1, &length);
	return error ? error : left || length ? -EBADMSG : 0;
}

/* ---- in its place -------------------------------------------------------------------------------------------- */

static int write_packed(const char *plain, const char *beside, const atomic_bool *stop)
{
	_cleanup_(end_work) struct work work = {.stop = stop,
						.plain = open(plain, O_RDONLY | O_CLOEXEC),
						.packed = -1,
						.compress = ZSTD_createCCtx(),
						.decompress = ZSTD_createDCtx(),
						.in = malloc(CHUNK),
						.out = malloc(CHUNK),
						.plain_again = malloc(CHUNK)};
	struct stat status;
	int error;

	if (work.plain < 0 || fstat(work.plain, &status))
		return -errno;
	if (!work.compress || !work.decompress || !work.in || !work.out || !work.plain_again)
		return -ENOMEM;
	if ((unsigned long long)status.st_size > SEGMENT_TEXT_MAX)
		return -EFBIG;
	work.packed = open(beside, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (work.packed < 0)
		return -errno;
	error = pack(&work, (unsigned long long)status.st_size);
	return error ? error : compare(&work);
}

int compressor_run(const char *folder, const char *name, const atomic_bool *stop)
{
	char plain[PATH_ROOM], packed[PATH_ROOM], beside[PATH_ROOM];
	int error;

	if (snprintf(plain, sizeof(plain), "%s/%s", folder, name) >= (int)sizeof(plain) ||
	    snprintf(packed, sizeof(packed), "%s/%s" SEGMENT_COMPRESSED, folder, name) >= (int)sizeof(packed) ||
	    snprintf(beside, sizeof(beside), "%s/%s" SEGMENT_COMPRESSED ".new", folder, name) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	error = write_packed(plain, beside, stop);
	if (!error && rename(beside, packed))
		error = -errno;
	if (error) {
		unlink(beside);
		return error;
	}
	error = file_sync_folder(folder);
	return error ? error : unlink(plain) ? -errno : 0;
}

/* ---- beside others ------------------------------------------------------------------------------------------- */

static void *run(void *context)
{
	struct compressor *compressor = context;

	/* Of this thread alone, on Linux. If it is refused all goes on. */
	setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	compressor->result = compressor_run(compressor->folder, compressor->name, &compressor->stop);
	compressor->ended = true;
	return NULL;
}

static void free_compressor(struct compressor *compressor)
{
	free(compressor->folder);
	free(compressor->name);
	free(compressor);
}

int compressor_begin(const char *folder, const char *name, struct compressor **ret_compressor)
{
	struct compressor *compressor = calloc(1, sizeof(*compressor));
	sigset_t all, before;
	int error;

	if (!compressor)
		return -ENOMEM;
	compressor->folder = strdup(folder);
	compressor->name = strdup(name);
	if (!compressor->folder || !compressor->name) {
		free_compressor(compressor);
		return -ENOMEM;
	}
	/* Signals are for the others. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&compressor->thread, NULL, run, compressor);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error) {
		free_compressor(compressor);
		return -error;
	}
	*ret_compressor = compressor;
	return 0;
}

bool compressor_ended(struct compressor **compressor, int *ret_result)
{
	if (!(*compressor)->ended)
		return false;
	pthread_join((*compressor)->thread, NULL);
	*ret_result = (*compressor)->result;
	free_compressor(*compressor);
	*compressor = NULL;
	return true;
}

void compressor_stop(struct compressor *compressor)
{
	if (!compressor)
		return;
	compressor->stop = true;
	pthread_join(compressor->thread, NULL);
	free_compressor(compressor);
}
