// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/gather.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/maxmind.h"
#include "policy/bundle.h"
#include "policy/policy.h"

static char *path_beside(const char *policy, const char *name)
{
	_cleanup_free_ char *copy = strdup(policy);
	char *path = NULL;

	if (!copy || asprintf(&path, "%s/%s", dirname(copy), name) < 0)
		abort();
	return path;
}

/* Appends the file to the bundle, or says why not. */
static void attach(struct json *bundle, const char *name, const char *path, size_t room)
{
	_cleanup_close_ int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct bundle_file attachment = {.name = name};
	_cleanup_free_ char *sentence = NULL;
	struct stat status = {0};
	void *bytes = NULL;

	if (file < 0 || fstat(file, &status) < 0) {
		if (asprintf(&sentence, "%s cannot be read: %s", path, strerror(errno)) < 0)
			abort();
	} else if (!S_ISREG(status.st_mode)) {
		if (asprintf(&sentence, "%s is not a regular file", path) < 0)
			abort();
	} else if ((size_t)status.st_size > room) {
		if (asprintf(&sentence, "%s: the geography files have more than %u bytes", path, USHER_GEO_BYTES_MAX) <
		    0)
			abort();
	} else if (status.st_size) {
		bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
		if (bytes == MAP_FAILED && asprintf(&sentence, "%s cannot be read: %s", path, strerror(errno)) < 0)
			abort();
	}
	attachment.read = !sentence;
	attachment.bytes = sentence ? sentence : bytes ? bytes : "";
	attachment.length = sentence ? strlen(sentence) : (size_t)status.st_size;
	bundle_attach(bundle, &attachment);
	if (bytes && bytes != MAP_FAILED)
		munmap(bytes, (size_t)status.st_size);
}

static void attach_database(struct json *bundle, const char *name, const char *path, size_t room)
{
	struct bundle_file attachment = {.name = name};
	char sentence[MAXMIND_SENTENCE];
	struct json lines = {0};
	size_t left_out = 0;

	if (maxmind_read(path, room, &lines, &left_out, sentence)) {
		attachment.bytes = sentence;
		attachment.length = strlen(sentence);
	} else {
		attachment.bytes = lines.bytes ? lines.bytes : "";
		attachment.length = lines.length;
		attachment.read = true;
	}
	if (left_out)
		log_warning(
			"%s: %zu networks without an ISO 3166-1 country are left out; clients from there are unknown",
			path, left_out);
	bundle_attach(bundle, &attachment);
	json_free(&lines);
}

static bool is_database(const char *name)
{
	size_t length = strlen(name);

	return length >= 5 && !strcmp(name + length - 5, ".mmdb");
}

void gather(const char *path, char **bytes, size_t *length)
{
	const char *names[USHER_GEO_FILES_MAX];
	struct bundle before = {0};
	struct arena arena = {0};
	struct json bundle = {0};
	size_t count = 0, room = USHER_GEO_BYTES_MAX;

	if (*length <= USHER_POLICY_BYTES_MAX && !memchr(*bytes, '\0', *length))
		count = policy_geo_files(*bytes, *length, &arena, names);
	if (count && !bundle_split(*bytes, *length, &arena, &before)) {
		json_raw(&bundle, *bytes, *length);
		for (size_t i = 0; i < count; i++) {
			_cleanup_free_ char *beside = *names[i] == '/' ? NULL : path_beside(path, names[i]);
			size_t had = bundle.length;

			(is_database(names[i]) ? attach_database : attach)(&bundle, names[i],
									   beside ? beside : names[i], room);
			room -= room < bundle.length - had ? room : bundle.length - had;
		}
		free(*bytes);
		*bytes = bundle.bytes;
		*length = bundle.length;
	}
	arena_free(&arena);
}
