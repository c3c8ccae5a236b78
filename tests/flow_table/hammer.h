/* SPDX-License-Identifier: GPL-2.0-only */
/* What the hammer in the kernel and the hand that swings it agree on. */
#ifndef USHER_FLOW_TABLE_HAMMER_H
#define USHER_FLOW_TABLE_HAMMER_H

#include <linux/types.h>

#define HAMMER_CPUS 8	/* at most: each owns some of the keys */
#define HAMMER_BLOWS 16 /* operations a run */
#define HAMMER_TENANTS 8

enum hammer_mode {
	HAMMER_ALL,	  /* every operation, on keys that all CPUs share and on keys of one's own */
	HAMMER_FILL,	  /* live entries, key after key */
	HAMMER_HALF_OPEN, /* half-open entries of one tenant, key after key */
	HAMMER_TWINS,	  /* live entries, each key by two CPUs at the same moment */
};

enum hammer_fault {
	FAULT_TORN,	 /* a value that is not one key's */
	FAULT_LOST,	 /* a live entry of one's own is not found */
	FAULT_UNDELETED, /* a deleted entry of one's own is found */
	FAULT_TWICE,	 /* one's own is said to exist when it does not */
	FAULT_EVICTED,	 /* a live entry has changed its status by itself */
	HAMMER_FAULTS,
};

struct hammer_settings {
	__u32 mode;
	__u32 shared; /* keys that all CPUs use */
	__u32 own;    /* keys of each CPU */
	__u32 padding;
};

struct hammer_hand {
	__u64 random;
	__u64 next_key; /* of the modes that go key after key */
	__u64 operations;
	__u64 inserted, full, contended, limited, found, missed;
	__u64 faults[HAMMER_FAULTS];
};

#endif
