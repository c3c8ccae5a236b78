/* SPDX-License-Identifier: GPL-2.0-only */
/* Every decision as routes, arms, rings and constraint sets, equal ones shared. */
#ifndef USHER_COMPILE_ROUTES_H
#define USHER_COMPILE_ROUTES_H

#include "base/diagnostics.h"
#include "govern/decide.h"
#include "compile/casebook.h"
#include "compile/memory.h"
#include "compile/tables.h"

/*
 * casebook: of the policy, with these classes, as many as `tables` has. Fills route_index, routes, arms, rings and sets. Returns 0, -ENOMEM,
 * or -E2BIG with the limit in `diagnostics`, where warnings go as well: a rule that never applies, a share that nobody can get, shares
 * that a ring cannot meet.
 */
int routes_build(const struct effective *effective, const struct casebook *casebook, const struct classes *classes,
		 const struct numbers *numbers, struct rings *memory, struct diagnostics *diagnostics,
		 struct tables *tables);

#endif
