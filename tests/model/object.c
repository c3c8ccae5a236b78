// SPDX-License-Identifier: GPL-2.0-only
#include "object.h"

#include <stdio.h>

#include "base/cleanup.h"

#define OBJECT_MAX (4u << 20)

static struct usher_bpf *open_bytes(const void *bytes, size_t size)
{
	struct usher_bpf *skeleton = calloc(1, sizeof(*skeleton));
	int error = skeleton ? usher_bpf__create_skeleton(skeleton) : -ENOMEM;

	if (!error) {
		skeleton->skeleton->data = (void *)(uintptr_t)bytes;
		skeleton->skeleton->data_sz = size;
		error = bpf_object__open_skeleton(skeleton->skeleton, NULL);
	}
	if (!error)
		return skeleton;
	usher_bpf__destroy(skeleton);
	errno = -error;
	return NULL;
}

struct usher_bpf *object_open(void)
{
	static unsigned char bytes[OBJECT_MAX]; /* for as long as the skeleton looks at them */
	const char *path = getenv("OBJECT");
	_cleanup_fclose_ FILE *file = NULL;
	size_t size;

	if (!path || !*path)
		return usher_bpf__open();
	file = fopen(path, "re");
	if (!file)
		return NULL;
	size = fread(bytes, 1, sizeof(bytes), file);
	if (!size || size == sizeof(bytes)) {
		errno = EINVAL;
		return NULL;
	}
	return open_bytes(bytes, size);
}
