/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/interfaces.h"

#include <stdio.h>

const char *interfaces_print(const struct interfaces *interfaces, char text[INTERFACES_TEXT])
{
	size_t length = 0;

	text[0] = '\0';
	for (size_t i = 0; i < interfaces->count && length < INTERFACES_TEXT; i++)
		length += (size_t)snprintf(text + length, INTERFACES_TEXT - length, "%s%s", i ? ", " : "",
					   interfaces->items[i].name);
	return text;
}
