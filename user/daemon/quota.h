/* SPDX-License-Identifier: GPL-2.0-only */
/* How much of something may be said: a burst at once, then so much in a minute; what is beyond is counted. */
#ifndef USHER_DAEMON_QUOTA_H
#define USHER_DAEMON_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#define QUOTA_BURST 64
#define QUOTA_A_MINUTE 30

/* Zeroed is full. */
struct quota {
	int64_t spent_until; /* CLOCK_MONOTONIC ns: what was taken is paid for then */
	uint32_t missed;     /* since quota_missed last said so */
};

/* May one more be said now? If not, it is counted. */
bool quota_take(struct quota *quota, int64_t now);
/* How many were not, once there is room to say that as well; until then, and if there are none, 0. */
uint32_t quota_missed(struct quota *quota, int64_t now);

#endif
