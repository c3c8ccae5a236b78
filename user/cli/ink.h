/* SPDX-License-Identifier: GPL-2.0-only */
/* Colours, where somebody can see them, and text from elsewhere that must not drive the terminal. */
#ifndef USHER_CLI_INK_H
#define USHER_CLI_INK_H

#include <stdio.h>

enum ink { INK_PLAIN, INK_HEADING, INK_GOOD, INK_BAD, INK_DOUBTFUL };

/* Escape sequences, empty unless standard output is a terminal and NO_COLOR (no-color.org) is not set. */
const char *ink(enum ink colour);
/* `text` with every control character as '?': names may come from a file that nobody has checked. */
void ink_text(FILE *to, const char *text);
void ink_clean(char *text); /* the same, in place */

#endif
