/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A geography file: where clients are, one `prefix,country[-subdivision]` a line ("203.0.113.0/24,DE-HE"). Empty lines and lines that
 * begin with # say nothing. Nothing else is allowed, no blank either; a line may end with a carriage return.
 */
#ifndef USHER_POLICY_GEOGRAPHY_H
#define USHER_POLICY_GEOGRAPHY_H

#include "base/diagnostics.h"
#include "policy/model.h"

/* How many lines of one file are complained about. */
#define GEOGRAPHY_ERRORS_MAX 20

/*
 * Fills prefixes and regions of `geo`, whose file is named already. room: how many prefixes there may be. What is wrong goes to
 * `diagnostics` with its place in the file; the prefixes without it are there all the same. Memory is the arena's.
 */
void geography_parse(const char *bytes, size_t length, size_t room, struct arena *arena,
		     struct diagnostics *diagnostics, struct geo *geo);
/* Reports the prefixes that two files have. */
void geography_ties(const struct geo *before, const struct geo *geo, struct diagnostics *diagnostics);

#endif
