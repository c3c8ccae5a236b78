// SPDX-License-Identifier: GPL-2.0-only
#include "cli/ink.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool coloured(void)
{
	static int known = -1;

	if (known < 0) {
		const char *off = getenv("NO_COLOR");
		const char *terminal = getenv("TERM");

		known = isatty(STDOUT_FILENO) && !(off && *off) && terminal && strcmp(terminal, "dumb") != 0;
	}
	return known;
}

const char *ink(enum ink colour)
{
	static const char *const sequences[] = {
		[INK_PLAIN] = "\033[0m", [INK_HEADING] = "\033[1m",   [INK_GOOD] = "\033[32m",
		[INK_BAD] = "\033[31m",	 [INK_DOUBTFUL] = "\033[33m",
	};

	return coloured() ? sequences[colour] : "";
}

static char harmless(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f ? '?' : c;
}

void ink_text(FILE *to, const char *text)
{
	for (; *text; text++)
		fputc(harmless(*text), to);
}

void ink_clean(char *text)
{
	for (; *text; text++)
		*text = harmless(*text);
}
