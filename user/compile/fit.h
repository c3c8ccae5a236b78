/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether what a policy compiles to has room in the tables. */
#ifndef USHER_COMPILE_FIT_H
#define USHER_COMPILE_FIT_H

#include <errno.h>
#include <stddef.h>

#include "base/diagnostics.h"

/* 0, or -E2BIG with the limit in `diagnostics`. */
static inline int fit(struct diagnostics *diagnostics, const char *what, size_t count, size_t most)
{
	if (count <= most)
		return 0;
	diagnostics_add(diagnostics, SEVERITY_ERROR, 0, 0, "",
			"the policy compiles to %zu %s; at most %zu are possible", count, what, most);
	return -E2BIG;
}

#endif
