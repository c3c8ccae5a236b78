// SPDX-License-Identifier: GPL-2.0-only
#include "audit/head.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"

#define PATH_ROOM 4096

void head_free(struct head *head)
{
	json_free(&head->text);
}

void head_set(struct head *head, const char *line, size_t length, uint64_t at)
{
	json_clear(&head->text);
	json_raw(&head->text, line, length);
	head->at = at;
	head->is_given = false;
}

void head_drop(struct head *head)
{
	json_clear(&head->text);
}

bool head_waits(const struct head *head, uint64_t synced)
{
	return head->text.length && synced < head->at;
}

/* Whole, or the one before. */
static int write_file(const char *folder, const char *line, size_t length)
{
	char path[PATH_ROOM], beside[PATH_ROOM];
	_cleanup_close_ int file = -1;
	ssize_t got;

	if (snprintf(path, sizeof(path), "%s/" HEAD_FILE, folder) >= (int)sizeof(path) ||
	    snprintf(beside, sizeof(beside), "%s/" HEAD_FILE ".new", folder) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	file = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (file < 0)
		return -errno;
	got = write(file, line, length);
	if (got != (ssize_t)length)
		return got < 0 ? -errno : -EIO;
	return rename(beside, path) ? -errno : 0;
}

void head_hand_over(struct head *head)
{
	if (!head->text.length)
		return;
	if (head->witness && !head->is_given)
		witness_give(head->witness, head->text.bytes, head->text.length);
	head->is_given = true;
	head->error = write_file(head->folder, head->text.bytes, head->text.length);
	if (!head->error)
		json_clear(&head->text);
}

int head_read(const char *folder, struct chain_checkpoint *ret_checkpoint)
{
	char path[PATH_ROOM], text[1024];
	_cleanup_close_ int file = -1;
	ssize_t got;

	snprintf(path, sizeof(path), "%s/" HEAD_FILE, folder);
	file = open(path, O_RDONLY | O_CLOEXEC);
	got = file < 0 ? -1 : read(file, text, sizeof(text));
	if (got < 0)
		return -errno;
	return got ? chain_parse_checkpoint(text, (size_t)got - 1, ret_checkpoint) : -EINVAL;
}
