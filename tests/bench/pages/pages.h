/* SPDX-License-Identifier: GPL-2.0-only */
/* What both sides of the bench of pages know. */
#ifndef USHER_BENCH_PAGES_H
#define USHER_BENCH_PAGES_H

#define PAGES_LINES (1u << 21)
#define PAGES_LINE 64 /* bytes */
#define PAGES_PIECE                                                                                                    \
	256u /* lines; with what the kernel puts before them they are in 32 KiB, beyond which it takes single pages */
#define PAGES_LOOKS 1000u /* a packet */

#endif
