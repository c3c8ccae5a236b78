// SPDX-License-Identifier: GPL-2.0-only
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/verbs.h"

#define BUFFER (1 << 20)

static int open_beside(struct output *output)
{
	struct stat status;
	int file;

	if (!stat(output->path, &status) && !S_ISREG(status.st_mode))
		return -EEXIST;
	if (asprintf(&output->beside, "%s.XXXXXX", output->path) < 0)
		abort();
	file = mkostemp(output->beside, O_CLOEXEC);
	if (file < 0) {
		int error = -errno;

		free(output->beside);
		output->beside = NULL;
		return error;
	}
	output->file = fdopen(file, "w");
	if (!output->file)
		abort();
	return 0;
}

int output_open(const char *path, struct output *ret_output)
{
	struct output output = {.file = stdout};
	int error = 0;

	if (path && strcmp(path, "-") != 0) {
		output.path = path;
		error = open_beside(&output);
	}
	if (error)
		return cli_fail(CLI_SYSTEM, "%s: %s", path,
				error == -EEXIST ? "it is there, and no regular file" : strerror(-error));
	setvbuf(output.file, NULL, _IOFBF, BUFFER);
	*ret_output = output;
	return CLI_OK;
}

int output_finish(struct output *output)
{
	int error = 0;

	errno = 0;
	if (fflush(output->file) || ferror(output->file))
		error = errno ? errno : EIO;
	if (!output->path)
		return error == EPIPE ? CLI_SYSTEM : error ? cli_fail(CLI_SYSTEM, "%s", strerror(error)) : CLI_OK;
	if (!error && (fsync(fileno(output->file)) || rename(output->beside, output->path)))
		error = errno;
	if (error)
		return cli_fail(CLI_SYSTEM, "%s: %s", output->path, strerror(error));
	free(output->beside);
	output->beside = NULL;
	return CLI_OK;
}

void output_discard(struct output *output)
{
	if (output->beside)
		unlink(output->beside);
	free(output->beside);
	output->beside = NULL;
	if (output->path && output->file)
		fclose(output->file);
	output->file = NULL;
}
