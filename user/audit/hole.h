/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Zeros among the lines of the newest segment, with good lines behind them: what a power cut leaves of what was not on the disk yet, where the file
 * system had brought later blocks there before earlier ones. No line has a zero.
 *
 * Behind the last seal that is known to have been on the disk (head.json, which is written after a sync) nobody can prove what was there, as a power
 * cut may have taken all of it: so that is what zeros are there. Before it they are damage or an edit, and nothing here says otherwise.
 */
#ifndef USHER_AUDIT_HOLE_H
#define USHER_AUDIT_HOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* May a power cut have taken what follows this seal of the log? segment: the number of the newest. */
bool hole_is_unsynced(const char *folder, const char *log, uint64_t seal, uint32_t segment);
/* The same of zeros at this offset of the newest segment, by what stands before them. False also if that cannot be read. */
bool hole_is_unsynced_at(const char *folder, const char *name, size_t at);

#endif
