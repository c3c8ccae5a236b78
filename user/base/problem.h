/* SPDX-License-Identifier: GPL-2.0-only */
/* What went wrong and the way out, in one sentence: written where it is known, printed where it is known who asked. */
#ifndef USHER_BASE_PROBLEM_H
#define USHER_BASE_PROBLEM_H

struct problem {
	char text[512]; /* "": none */
};

/* Sets the sentence and returns `error`, so that a failing function can end with it. */
int problem_set(struct problem *problem, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
