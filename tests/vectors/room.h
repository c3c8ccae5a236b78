/* SPDX-License-Identifier: GPL-2.0-only */
/* Frames with no more room in front of them than a test wants. */
#ifndef USHER_VECTORS_ROOM_H
#define USHER_VECTORS_ROOM_H

/* program: the one that gets the frames. Returns 0 or -errno. */
int room_open(int program);

/* The program that leaves so many bytes and calls that one; less than there is by itself. */
int room_program(unsigned int left);

#endif
