/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/dispatcher_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "dispatcher.skel.h"

#define WHERE "LIBXDP_OBJECT_PATH"
#define NAME "xdp-dispatcher.o"

static int write_file(int folder)
{
	size_t size;
	const void *bytes = dispatcher_bpf__elf_bytes(&size);
	_cleanup_close_ int file = openat(folder, NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ssize_t written;

	if (file < 0)
		return -errno;
	written = write(file, bytes, size);
	if (written < 0)
		return -errno;
	return (size_t)written == size ? 0 : -ENOSPC;
}

int dispatcher_file_lend(struct dispatcher_file *ret_file)
{
	struct dispatcher_file file = {.folder = "/tmp/usher-dispatcher-XXXXXX"};
	_cleanup_close_ int folder = -1;
	int error = 0;

	*ret_file = (struct dispatcher_file){0};
	if (getenv(WHERE))
		return 0;
	if (!mkdtemp(file.folder)) /* for its owner alone: nobody else gets to name what is loaded */
		return -errno;
	folder = open(file.folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	error = folder < 0 ? -errno : write_file(folder);
	if (!error && setenv(WHERE, file.folder, 1))
		error = -errno;
	*ret_file = file;
	if (error)
		dispatcher_file_take_back(ret_file);
	return error;
}

void dispatcher_file_take_back(struct dispatcher_file *file)
{
	char path[sizeof(file->folder) + sizeof("/" NAME)];

	if (!*file->folder)
		return;
	unsetenv(WHERE);
	snprintf(path, sizeof(path), "%s/" NAME, file->folder);
	unlink(path);
	rmdir(file->folder);
	*file->folder = '\0';
}
