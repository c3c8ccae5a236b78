/* SPDX-License-Identifier: GPL-2.0-only */
/* Where records are sent to: a syslog server on loopback and journald's socket, in a process of its own that no call of fails. It runs in a /run of its own. */
#ifndef USHER_STORE_RECEIVER_H
#define USHER_STORE_RECEIVER_H

#include <stdbool.h>
#include <stdint.h>

#define RECEIVER_NUMBERS 4096

enum receiver_kind { RECEIVER_SYSLOG, RECEIVER_JOURNALD, RECEIVERS };

/* Shared with whoever sends. */
struct receiver {
	uint16_t port;				       /* on loopback */
	uint64_t numbers[RECEIVERS][RECEIVER_NUMBERS]; /* of records that came, each at its remainder */
};

/* Begins it. Returns 0, or -errno: there is none. */
int receiver_begin(const char *path);
void receiver_end(void);
/* NULL: there is none. */
struct receiver *receiver_map(const char *path);
bool receiver_has(const struct receiver *receiver, enum receiver_kind kind, uint64_t number);

#endif
