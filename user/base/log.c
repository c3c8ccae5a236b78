/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *prefix = "usher";

void log_name(const char *name)
{
	prefix = name;
}

void log_line(enum log_level level, const char *format, ...)
{
	char text[1024];
	char line[1200];
	va_list arguments;
	int length;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (getenv("JOURNAL_STREAM"))
		length = snprintf(line, sizeof(line), "<%d>%s\n", (int)level, text);
	else
		length = snprintf(line, sizeof(line), "%s: %s%s\n", prefix,
				  level == LOG_LEVEL_ERROR     ? "error: "
				  : level == LOG_LEVEL_WARNING ? "warning: "
							       : "",
				  text);
	/* One write, so that lines of the two processes do not mix. Where standard error is gone nobody can be told. */
	if (write(STDERR_FILENO, line, (size_t)length) < 0)
		return;
}
