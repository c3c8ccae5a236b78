// SPDX-License-Identifier: GPL-2.0-only
#include "edge/rights.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cap-ng.h>
#include <seccomp.h>

#include "base/array.h"

#define NOBODY 65534

int rights_keep_files(int first, int second)
{
	/* Out of the way first, so that neither overwrites the other. */
	int one = fcntl(first, F_DUPFD_CLOEXEC, 5), two = fcntl(second, F_DUPFD_CLOEXEC, 5);

	if (one < 0 || two < 0 || dup3(one, 3, O_CLOEXEC) < 0 || dup3(two, 4, O_CLOEXEC) < 0)
		return -errno;
	return close_range(5, ~0u, 0) ? -errno : 0;
}

unsigned int rights_raise_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return 0;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files))
		getrlimit(RLIMIT_NOFILE, &files);
	return files.rlim_cur > UINT_MAX ? UINT_MAX : (unsigned int)files.rlim_cur;
}

int rights_drop(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	if (!geteuid() &&
	    (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY)))
		return -errno;
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_apply(CAPNG_SELECT_CAPS) < 0)
		return -EPERM;
	return prctl(PR_SET_DUMPABLE, 0) ? -errno : 0;
}

int rights_end_with_parent(void)
{
	return prctl(PR_SET_PDEATHSIG, SIGKILL) ? -errno : 0;
}

static int allow(scmp_filter_ctx filter)
{
	static const int calls[] = {
		SCMP_SYS(read),		  SCMP_SYS(write),	SCMP_SYS(readv),	SCMP_SYS(writev),
		SCMP_SYS(recvfrom),	  SCMP_SYS(recvmsg),	SCMP_SYS(sendto),	SCMP_SYS(sendmsg),
		SCMP_SYS(connect),	  SCMP_SYS(accept4),	SCMP_SYS(accept),	SCMP_SYS(shutdown),
		SCMP_SYS(getsockopt),	  SCMP_SYS(setsockopt), SCMP_SYS(getsockname),	SCMP_SYS(getpeername),
		SCMP_SYS(close),	  SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),	SCMP_SYS(epoll_ctl),
		SCMP_SYS(fcntl),	  SCMP_SYS(fstat),	SCMP_SYS(newfstatat),	SCMP_SYS(munmap),
		SCMP_SYS(mremap),	  SCMP_SYS(madvise),	SCMP_SYS(brk),		SCMP_SYS(futex),
		SCMP_SYS(clock_gettime),  SCMP_SYS(getpid),	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigreturn),
		SCMP_SYS(rt_sigprocmask), SCMP_SYS(poll),	SCMP_SYS(exit),		SCMP_SYS(exit_group),
		SCMP_SYS(getrandom),	  SCMP_SYS(gettid),	SCMP_SYS(tgkill),	SCMP_SYS(restart_syscall),
	};
	static const int families[] = {AF_INET, AF_INET6};
	static const int mappings[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)};
	int error = 0;

	for (size_t i = 0; i < ARRAY_COUNT(calls) && !error; i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	for (size_t i = 0; i < ARRAY_COUNT(families) && !error; i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
					 SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i], 0));
	for (size_t i = 0; i < ARRAY_COUNT(mappings) && !error; i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, mappings[i], 1,
					 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return error;
}

int rights_restrict_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int error = filter ? allow(filter) : -ENOMEM;

	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}
