/* SPDX-License-Identifier: GPL-2.0-only */
/* A folder of each test's own. */
#ifndef USHER_TEST_SCRATCH_H
#define USHER_TEST_SCRATCH_H

#include <stdio.h>
#include <stdlib.h>

static char folder[64];

/* Both return 0, as cmocka wants it. */
static inline int scratch_make(const char *name)
{
	snprintf(folder, sizeof(folder), "/tmp/usher-%s-XXXXXX", name);
	return mkdtemp(folder) ? 0 : -1;
}

/* With all that is in it. */
static inline int scratch_remove(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

#endif
