/* SPDX-License-Identifier: GPL-2.0-only */
/* Each reason that there is, is what the loaded program says in some test: of these vectors, or of another that is named. */
#ifndef USHER_VECTORS_COVERAGE_H
#define USHER_VECTORS_COVERAGE_H

#include <stdint.h>

void coverage_note(uint32_t reason);

/* fault: empty if none is missing. */
void coverage_check(char fault[256]);

#endif
