/* SPDX-License-Identifier: GPL-2.0-only */
/* What a sender may ask of the kernel. */
#ifndef USHER_SHIP_CALLS_H
#define USHER_SHIP_CALLS_H

#include "ship/destination.h"

/*
 * From here on sockets of the destination's kind, memory, and files that are only read, of those that anybody may read: names of hosts are
 * looked up by them. No file is written, no program or process started, nothing mapped that can be executed; threads, for Kafka alone. What is
 * not allowed fails with EPERM. Returns 0 or -errno.
 */
int calls_restrict(enum destination_kind kind);

#endif
