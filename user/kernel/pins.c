/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/pins.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"

#define BPF_FILE_SYSTEM 0xcafe4a11 /* linux/magic.h: BPF_FS_MAGIC */
#define MOUNT_POINT "/sys/fs/bpf"
#define NAMESPACE "namespace" /* a symbolic link that leads nowhere, but for its name */

static void cleanup_closedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

int pins_path(const char *folder, const char *name, char path[PINS_PATH_MAX])
{
	int length = snprintf(path, PINS_PATH_MAX, "%s/%s", folder, name);

	return length < 0 || length >= PINS_PATH_MAX ? -ENAMETOOLONG : 0;
}

int pins_check(const char *folder)
{
	struct statfs info;

	if (statfs(folder, &info))
		return -errno;
	return (unsigned long)info.f_type == BPF_FILE_SYSTEM ? 0 : -EINVAL;
}

/* mkdir -p: all but the last are made if they are missing, and fail below if they could not be. */
static int make_folders(const char *folder)
{
	char path[PINS_PATH_MAX];

	if (strlen(folder) >= sizeof(path))
		return -ENAMETOOLONG;
	for (const char *at = folder + 1;; at++) {
		if (*at && *at != '/')
			continue;
		memcpy(path, folder, (size_t)(at - folder));
		path[at - folder] = '\0';
		if (mkdir(path, 0700) && errno != EEXIST && !*at)
			return -errno;
		if (!*at)
			return 0;
	}
}

int pins_open(const char *folder, struct problem *problem, int *ret_lock)
{
	_cleanup_close_ int lock = -1;
	int r;

	if (folder[0] != '/')
		return problem_set(problem, -EINVAL, "pin folder %s: an absolute path is needed", folder);
	if (!strncmp(folder, MOUNT_POINT "/", strlen(MOUNT_POINT "/")) && pins_check(MOUNT_POINT) == -EINVAL &&
	    mount("bpf", MOUNT_POINT, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
		return problem_set(problem, -errno, "cannot mount the BPF file system on " MOUNT_POINT ": %s",
				   strerror(errno));
	r = make_folders(folder);
	if (r)
		return problem_set(problem, r, "cannot make the pin folder %s: %s", folder, strerror(-r));
	r = pins_check(folder);
	if (r)
		return problem_set(problem, r,
				   "pin folder %s is not in a BPF file system: use one below " MOUNT_POINT
				   ", or mount one with `mount -t bpf bpf %s`",
				   folder, folder);
	lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock < 0)
		return problem_set(problem, -errno, "cannot open the pin folder %s: %s", folder, strerror(errno));
	if (flock(lock, LOCK_EX | LOCK_NB))
		return problem_set(problem, errno == EWOULDBLOCK ? -EBUSY : -errno,
				   "another usherd works with the pins in %s: end it first, or give this one a pin "
				   "folder of its own",
				   folder);
	*ret_lock = TAKE_FD(lock);
	return 0;
}

int pins_get(const char *folder, const char *name)
{
	char path[PINS_PATH_MAX];
	int r = pins_path(folder, name, path);

	if (r)
		return r;
	r = bpf_obj_get(path);
	return r < 0 ? -errno : r;
}

/* No dot in the name that it has until it is complete: the file system keeps those for itself. */
int pins_put(const char *folder, const char *name, int fd)
{
	char path[PINS_PATH_MAX], fresh[PINS_PATH_MAX];
	int r = pins_path(folder, name, path);

	if (!r)
		r = snprintf(fresh, sizeof(fresh), "%s_new", path) >= (int)sizeof(fresh) ? -ENAMETOOLONG : 0;
	if (r)
		return r;
	if (unlink(fresh) && errno != ENOENT)
		return -errno;
	if (bpf_obj_pin(fd, fresh))
		return -errno;
	if (rename(fresh, path)) {
		r = -errno;
		unlink(fresh);
		return r;
	}
	return 0;
}

int pins_remove(const char *folder, const char *name)
{
	char path[PINS_PATH_MAX];
	int r = pins_path(folder, name, path);

	if (r)
		return r;
	return unlink(path) && errno != ENOENT ? -errno : 0;
}

static bool read_link(const char *path, char ret_text[PINS_NAMESPACE_MAX])
{
	char text[PINS_NAMESPACE_MAX];
	ssize_t length = readlink(path, text, sizeof(text));

	if (length <= 0 || (size_t)length == sizeof(text))
		return false;
	memcpy(ret_text, text, (size_t)length);
	ret_text[length] = '\0';
	return true;
}

int pins_note_namespace(const char *folder)
{
	char path[PINS_PATH_MAX], ours[PINS_NAMESPACE_MAX];
	int r = pins_path(folder, NAMESPACE, path);

	if (!r)
		r = pins_remove(folder, NAMESPACE);
	if (r || !read_link("/proc/self/ns/net", ours))
		return r;
	return symlink(ours, path) ? -errno : 0;
}

bool pins_elsewhere(const char *folder, char ret_namespace[PINS_NAMESPACE_MAX])
{
	char path[PINS_PATH_MAX], ours[PINS_NAMESPACE_MAX], noted[PINS_NAMESPACE_MAX];

	if (pins_path(folder, NAMESPACE, path) || !read_link(path, noted) || !read_link("/proc/self/ns/net", ours) ||
	    !strcmp(noted, ours))
		return false;
	memcpy(ret_namespace, noted, sizeof(noted));
	return true;
}

int pins_clear(const char *folder)
{
	_cleanup_(cleanup_closedir) DIR *dir = opendir(folder);
	struct dirent *entry;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") && unlinkat(dirfd(dir), entry->d_name, 0))
			return -errno;
	return 0;
}
