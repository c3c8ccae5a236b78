/* SPDX-License-Identifier: GPL-2.0-only */
/* Source prefixes as the search trees of abi.h. */
#ifndef USHER_COMPILE_SOURCES_H
#define USHER_COMPILE_SOURCES_H

#include "compile/classes.h"
#include "compile/tables.h"

/* Fills the source tables of both families. */
void sources_build(const struct policy *policy, const struct classes *classes, struct tables *tables);

#endif
