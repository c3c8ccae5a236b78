/* SPDX-License-Identifier: GPL-2.0-only */
/* Records that are sent elsewhere: to a syslog server and to journald (receiver.h), one of them larger than a datagram may be. */
#ifndef USHER_STORE_SHIPPING_H
#define USHER_STORE_SHIPPING_H

#include <stdbool.h>

#include "writer.h"

extern char receiver_path[96];

/* Writes a log and has it sent, until all of it was received, or patience is at an end. Returns an exit status. */
int write_shipped(struct told *told);
/* Both have received all of it. What is not so is said (say). */
bool look_at_shipped(const struct told *told);

#endif
