/* SPDX-License-Identifier: GPL-2.0-only */
/* The interfaces that usher has: packets come in by any of them and leave by any of them. */
#ifndef USHER_KERNEL_INTERFACES_H
#define USHER_KERNEL_INTERFACES_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "usher/limits.h"

struct interfaces {
	size_t count;
	struct {
		char name[IF_NAMESIZE];
		uint32_t index;
	} items[USHER_INTERFACES_MAX];
};

static inline bool interfaces_have(const struct interfaces *interfaces, uint32_t index)
{
	for (size_t i = 0; i < interfaces->count; i++)
		if (interfaces->items[i].index == index)
			return true;
	return false;
}

#define INTERFACES_TEXT (USHER_INTERFACES_MAX * (IF_NAMESIZE + 2))
/* Their names, with commas. Returns text. */
const char *interfaces_print(const struct interfaces *interfaces, char text[INTERFACES_TEXT]);

#endif
