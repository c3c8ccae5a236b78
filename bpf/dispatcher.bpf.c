/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libxdp's dispatcher (protocol version 2), whose members may move the start of a packet.
 *
 * Each member replaces one of ten functions, in the order of priorities, and the verdict of a member decides whether the next one runs.
 * Newer kernels, such as Debian's 6.12.117, let a member that pushes or pulls headers replace only a function that might do so as well
 * (kernel/bpf/verifier.c, changes_pkt_data), which those of libxdp 1.3.1 do not. So usher brings this one, which libxdp loads instead of
 * its own, and which it, and whoever else joins later, knows by configuration and version for a dispatcher like any other.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <xdp/prog_dispatcher.h>

/* Written by libxdp before it loads this. */
static volatile const struct xdp_dispatcher_config conf = {};

/*
 * What an empty place says: go on. Volatile, so that no compiler draws a conclusion from it for the place itself, which is to be
 * replaced. By 0 bytes nothing moves.
 */
static __always_inline int vacant(struct xdp_md *ctx)
{
	volatile int verdict = XDP_DISPATCHER_RETVAL;

	if (!ctx)
		return XDP_ABORTED;
	bpf_xdp_adjust_meta(ctx, 0);
	return verdict;
}

/* libxdp replaces functions by these names; the last only to find out whether the kernel lets it. */
#define PLACES(X) X(prog0) X(prog1) X(prog2) X(prog3) X(prog4) X(prog5) X(prog6) X(prog7) X(prog8) X(prog9)

#define PLACE(name)                                                                                                    \
	__noinline int name(struct xdp_md *ctx)                                                                        \
	{                                                                                                              \
		return vacant(ctx);                                                                                    \
	}
PLACES(PLACE)
PLACE(compat_test)

/* The members follow one another without a loop, because each is a call of its own. */
#define CALL(name)                                                                                                     \
	if (place >= conf.num_progs_enabled)                                                                           \
		return XDP_PASS;                                                                                       \
	verdict = (__u32)name(ctx);                                                                                    \
	if (verdict > 31 || !(1U << verdict & conf.chain_call_actions[place]))                                         \
		return (int)verdict;                                                                                   \
	place++;

SEC("xdp")
int xdp_dispatcher(struct xdp_md *ctx)
{
	__u32 place = 0, verdict;

	PLACES(CALL)
	/* Never so many: but what nobody calls the compiler leaves out. */
	return conf.num_progs_enabled > MAX_DISPATCHER_ACTIONS ? compat_test(ctx) : XDP_PASS;
}

/* What libxdp tries a kernel with. */
SEC("xdp")
int xdp_pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";

__uint(dispatcher_version, XDP_DISPATCHER_VERSION) SEC(XDP_METADATA_SECTION);
