// SPDX-License-Identifier: GPL-2.0-only
/* The bridge's end of the gateway's link runs this, only to be run: a veth takes frames that its peer sends with XDP_TX
 * or redirects to it only while it has a NAPI of its own, and a loaded program gives it one. No include, so that
 * it needs nothing but clang. */
__attribute__((section("xdp"), used)) int pass(void *frame)
{
	(void)frame;
	return 2; /* XDP_PASS */
}
