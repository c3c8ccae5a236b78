/* SPDX-License-Identifier: GPL-2.0-only */
/* From where on the log's disk is a trouble: for the daemon, which says so by itself, and for who asks it. */
#ifndef USHER_AUDIT_ALARM_H
#define USHER_AUDIT_ALARM_H

#include <stdbool.h>
#include <stdint.h>

#define ALARM_BEHIND_MS 5000 /* that a record waits: a disk that keeps up takes a second */

/* Bytes that are left, and of the disk: four files of the log at least, and a twentieth. Size 0: not known. */
static inline bool alarm_is_short(uint64_t left, uint64_t size)
{
	return size && (left < 256u << 20 || left < size / 20);
}

#endif
