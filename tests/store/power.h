/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The power is cut. Each call by which the log is changed is recorded (this program has its own open, write, fsync, ...), and the folder is built
 * again as it may be found after any of them: what was not brought to the disk is there, is not, is there by half, is zeros, or zeros with what came later
 * behind them; and so are names, but for zeros. Then logs of which one sync fails: what it was to write is dropped, as Linux does, and no later one
 * brings it to the disk.
 */
#ifndef USHER_STORE_POWER_H
#define USHER_STORE_POWER_H

#include <stdbool.h>

/* Prints a line a kind of loss, counted on from *count. Returns whether all is as it should be. */
bool power_cuts(unsigned *count);

#endif
