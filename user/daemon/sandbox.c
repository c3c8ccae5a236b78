// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>

#include <cap-ng.h>

int sandbox_enter(struct problem *problem)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0))
		return problem_set(problem, -errno, "cannot shut the door to new rights: %s", strerror(errno));
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_updatev(CAPNG_ADD, (capng_type_t)(CAPNG_EFFECTIVE | CAPNG_PERMITTED), CAP_BPF, CAP_NET_ADMIN,
			  CAP_PERFMON, -1) ||
	    capng_apply(CAPNG_SELECT_BOTH) < 0)
		return problem_set(problem, -EPERM,
				   "cannot keep CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON and give up the rest");
	return 0;
}
