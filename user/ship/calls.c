// SPDX-License-Identifier: GPL-2.0-only
#include "ship/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <seccomp.h>

#include "base/array.h"

/* clang-format off */
static const int for_all[] = {
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64),
	SCMP_SYS(lseek), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(sendmsg),
	SCMP_SYS(sendmmsg), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(shutdown), SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(close), SCMP_SYS(poll),
	SCMP_SYS(ppoll), SCMP_SYS(fcntl), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(munmap),
	SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(futex), SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(uname), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(getrandom),
	SCMP_SYS(tgkill), SCMP_SYS(restart_syscall), SCMP_SYS(memfd_create), SCMP_SYS(sched_yield),
	SCMP_SYS(geteuid), SCMP_SYS(getuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
};
/* clang-format on */

/* clang-format off */
static const int for_threads[] = {
	SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(eventfd2), SCMP_SYS(pipe2),
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	SCMP_SYS(sched_getaffinity), SCMP_SYS(sigaltstack), SCMP_SYS(sched_getparam),
	SCMP_SYS(sched_getscheduler), SCMP_SYS(socketpair), SCMP_SYS(prctl), SCMP_SYS(getuid),
	SCMP_SYS(pipe),
};
/* clang-format on */

static int allow_calls(scmp_filter_ctx filter, const int *calls, size_t count)
{
	int error = 0;

	for (size_t i = 0; i < count && !error; i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	return error;
}

static int allow_socket(scmp_filter_ctx filter, int family)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family, 0));
}

static int allow_ioctl(scmp_filter_ctx filter, unsigned int request)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, request, 0));
}

/* Of clone the flags can be looked at, of clone3 they cannot: the C library then takes clone. */
static int allow_threads(scmp_filter_ctx filter)
{
	int error = allow_calls(filter, for_threads, ARRAY_COUNT(for_threads));

	if (!error)
		error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (!error)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
					 SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	return error;
}

static int allow(scmp_filter_ctx filter, enum destination_kind kind)
{
	static const int mappings[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)};
	int error = allow_calls(filter, for_all, ARRAY_COUNT(for_all));

	if (!error)
		error = seccomp_rule_add(
			filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, (scmp_datum_t)(O_ACCMODE | O_CREAT | O_TRUNC), O_RDONLY));
	for (size_t i = 0; i < ARRAY_COUNT(mappings) && !error; i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, mappings[i], 1,
					 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (!error)
		error = allow_ioctl(filter, SIOCOUTQ);
	if (!error)
		error = allow_ioctl(filter, FIONREAD);
	if (!error && kind == DESTINATION_JOURNALD)
		return allow_socket(filter, AF_UNIX);
	if (!error)
		error = allow_socket(filter, AF_INET);
	if (!error)
		error = allow_socket(filter, AF_INET6);
	return !error && kind == DESTINATION_KAFKA ? allow_threads(filter) : error;
}

int calls_restrict(enum destination_kind kind)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int error = filter ? allow(filter, kind) : -ENOMEM;

	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}
