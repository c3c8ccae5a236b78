/* SPDX-License-Identifier: GPL-2.0-only */
/* The objects of two policies side by side. */
#ifndef USHER_COMPILE_DIFF_OBJECTS_H
#define USHER_COMPILE_DIFF_OBJECTS_H

#include "compile/diff.h"

/* Adds what came, went and changed. Returns 0 or -ENOMEM. */
int diff_objects(struct diff *diff, const struct policy *before, const struct policy *after);

#endif
