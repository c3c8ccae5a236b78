/* SPDX-License-Identifier: GPL-2.0-only */
/* The names behind a generation's numbers. */
#ifndef USHER_COMPILE_CATALOG_H
#define USHER_COMPILE_CATALOG_H

#include "compile/classes.h"
#include "compile/tables.h"

/* Copies all names, so that it outlives the policy. Never NULL: allocation failure ends the process, as in an arena. */
struct catalog *catalog_build(const struct policy *policy, const struct classes *classes, const struct numbers *numbers,
			      const struct tables *tables);

#endif
