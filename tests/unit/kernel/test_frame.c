/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/frame.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/address.h"

/* RFC 1071 over big-endian words, the plain way: 0xffff if the checksum inside is right. */
static uint16_t sum(const uint8_t *bytes, size_t length, uint32_t start)
{
	for (size_t i = 0; i + 1 < length; i += 2)
		start += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return (uint16_t)start;
}

static struct frame frame_between(const char *source, const char *destination, uint8_t protocol)
{
	struct frame frame = {.source_mac = {2, 0, 0, 0, 0, 1},
			      .destination_mac = {2, 0, 0, 0, 0, 2},
			      .source_port = 4660,
			      .destination_port = 443,
			      .protocol = protocol,
			      .tcp_flags = FRAME_TCP_RESET,
			      .sequence = 0xdeadbeef};

	assert_int_equal(address_parse(source, &frame.source), 0);
	assert_int_equal(address_parse(destination, &frame.destination), 0);
	return frame;
}

/* Sum of the pseudo header of an IP header: addresses at `at`, both together `size` bytes. */
static uint32_t pseudo(const uint8_t *at, size_t size, uint8_t protocol, size_t length)
{
	return (uint32_t)sum(at, size, 0) + protocol + (uint32_t)length;
}

static void test_tcp_over_ipv4(void **state)
{
	struct frame frame = frame_between("198.51.100.10", "203.0.113.10", IPPROTO_TCP);
	static const uint8_t head[] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00, 0x45};
	static const uint8_t tcp[] = {0x12, 0x34, 0x01, 0xbb, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 0, 0x50, 0x04};
	uint8_t bytes[FRAME_MAX];

	(void)state;
	assert_int_equal(frame_write(&frame, bytes), FRAME_MIN);
	assert_memory_equal(bytes, head, sizeof(head));
	assert_int_equal(bytes[16] << 8 | bytes[17], 40);
	assert_int_equal(sum(bytes + 14, 20, 0), 0xffff);
	assert_memory_equal(bytes + 34, tcp, sizeof(tcp));
	assert_int_equal(sum(bytes + 34, 20, pseudo(bytes + 26, 8, IPPROTO_TCP, 20)), 0xffff);
	for (size_t i = 54; i < FRAME_MIN; i++)
		assert_int_equal(bytes[i], 0); /* padding gives nothing away */
}

static void test_tcp_over_ipv6(void **state)
{
	struct frame frame = frame_between("2001:db8:100::10", "2001:db8:a::10", IPPROTO_TCP);
	uint8_t bytes[FRAME_MAX];

	(void)state;
	frame.tcp_flags = FRAME_TCP_SYN;
	assert_int_equal(frame_write(&frame, bytes), 74);
	assert_int_equal(bytes[12] << 8 | bytes[13], 0x86dd);
	assert_int_equal(bytes[14] >> 4, 6);
	assert_int_equal(bytes[18] << 8 | bytes[19], 20);
	assert_int_equal(bytes[20], IPPROTO_TCP);
	assert_int_equal(sum(bytes + 54, 20, pseudo(bytes + 22, 32, IPPROTO_TCP, 20)), 0xffff);
	assert_int_equal(bytes[67], 0x02);
}

static void test_udp(void **state)
{
	struct frame frame = frame_between("198.51.100.10", "203.0.113.10", IPPROTO_UDP);
	uint8_t bytes[FRAME_MAX];

	(void)state;
	frame_write(&frame, bytes);
	assert_int_equal(bytes[23], IPPROTO_UDP);
	assert_int_equal(bytes[16] << 8 | bytes[17], 28);
	assert_int_equal(sum(bytes + 34, 8, pseudo(bytes + 26, 8, IPPROTO_UDP, 8)), 0xffff);
}

/* A UDP checksum of 0 means that there is none (RFC 768): one that comes out as 0 is sent as 0xffff. */
static void test_a_udp_checksum_is_never_zero(void **state)
{
	struct frame frame = frame_between("10.0.0.1", "10.0.0.2", IPPROTO_UDP);
	uint8_t bytes[FRAME_MAX];

	(void)state;
	for (uint32_t port = 1; port < 65536; port++) {
		frame.source_port = (uint16_t)port;
		frame_write(&frame, bytes);
		assert_int_not_equal(bytes[40] << 8 | bytes[41], 0);
	}
}

/* A reset for a backend behind a tunnel, on a VLAN: the same packet, behind outer headers, behind the tag. */
static void test_in_a_tunnel(void **state)
{
	struct frame frame = frame_between("203.0.113.10", "198.51.100.10", IPPROTO_TCP);
	uint8_t plain[FRAME_MAX], bytes[FRAME_MAX];

	(void)state;
	frame_write(&frame, plain);
	frame.tags[0] = 0x64000081; /* 81 00 00 64 on the wire */
	frame.tunnel = USHER_FORWARD_GUE;
	assert_int_equal(address_parse("2001:db8::1", &frame.tunnel_source), 0);
	assert_int_equal(address_parse("2001:db8::2", &frame.tunnel_destination), 0);
	assert_int_equal(frame_write(&frame, bytes), 14 + 4 + 40 + 8 + 40);
	assert_int_equal(bytes[12] << 8 | bytes[13], 0x8100);
	assert_int_equal(bytes[14] << 8 | bytes[15], 100);
	assert_int_equal(bytes[16] << 8 | bytes[17], 0x86dd);
	assert_int_equal(bytes[22] << 8 | bytes[23], 8 + 40);
	assert_int_equal(bytes[24], IPPROTO_UDP);
	assert_int_equal(bytes[60] << 8 | bytes[61], USHER_GUE_PORT);
	assert_int_equal(bytes[62] << 8 | bytes[63], 8 + 40);
	assert_memory_equal(bytes + 66, plain + 14, 40);
	frame.tunnel = USHER_FORWARD_IPIP;
	frame.tags[0] = 0;
	assert_int_equal(address_parse("10.0.0.1", &frame.tunnel_source), 0);
	assert_int_equal(address_parse("10.2.0.1", &frame.tunnel_destination), 0);
	assert_int_equal(frame_write(&frame, bytes), 14 + 20 + 40);
	assert_int_equal(bytes[23], IPPROTO_IPIP);
	assert_int_equal(sum(bytes + 14, 20, 0), 0xffff);
	assert_memory_equal(bytes + 34, plain + 14, 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_over_ipv4), cmocka_unit_test(test_tcp_over_ipv6),
		cmocka_unit_test(test_udp),	      cmocka_unit_test(test_a_udp_checksum_is_never_zero),
		cmocka_unit_test(test_in_a_tunnel),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
