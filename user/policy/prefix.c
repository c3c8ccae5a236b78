// SPDX-License-Identifier: GPL-2.0-only
#include "policy/prefix.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address.h"

/* Decimal, without leading zeros, up to `most`. Moves *at behind it. */
static int take_decimal(const char **at, const char *end, unsigned int most, unsigned int *ret_value)
{
	const char *from = *at;
	unsigned int value = 0;

	while (*at < end && **at >= '0' && **at <= '9' && *at - from < 3)
		value = value * 10 + (unsigned int)(*(*at)++ - '0');
	if (*at == from || value > most || (*from == '0' && *at - from > 1))
		return -EINVAL;
	*ret_value = value;
	return 0;
}

static int take_ipv4(const char **at, const char *end, struct usher_address *ret_address)
{
	uint8_t bytes[4];

	for (int i = 0; i < 4; i++) {
		unsigned int value;

		if (i && (*at == end || *(*at)++ != '.'))
			return -EINVAL;
		if (take_decimal(at, end, 255, &value))
			return -EINVAL;
		bytes[i] = (uint8_t)value;
	}
	address_from_bytes(AF_INET, bytes, ret_address);
	return 0;
}

static int hex_digit(char letter)
{
	if (letter >= '0' && letter <= '9')
		return letter - '0';
	letter |= 0x20;
	return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* Groups of one to four digits, with at most one "::" (RFC 4291, 2.2); a dotted end is left to inet_pton. */
static int take_ipv6(const char **at, const char *end, struct usher_address *ret_address)
{
	uint8_t bytes[16] = {0};
	int count = 0, gap = -1;
	const char *here = *at;

	if (end - here >= 2 && here[0] == ':' && here[1] == ':') {
		gap = 0;
		here += 2;
	}
	while (here < end && hex_digit(*here) >= 0) {
		unsigned int group = 0, digits = 0;

		for (int digit; here < end && (digit = hex_digit(*here)) >= 0 && digits < 4; here++, digits++)
			group = group << 4 | (unsigned int)digit;
		if (count == 8 || (here < end && (*here == '.' || hex_digit(*here) >= 0)))
			return -EINVAL;
		bytes[2 * count] = (uint8_t)(group >> 8);
		bytes[2 * count++ + 1] = (uint8_t)group;
		if (here == end || *here != ':')
			break;
		here++;
		if (here < end && *here == ':') {
			if (gap >= 0)
				return -EINVAL;
			gap = count;
			here++;
		} else if (here == end || hex_digit(*here) < 0) {
			return -EINVAL;
		}
	}
	if (gap < 0 ? count != 8 : count > 7)
		return -EINVAL;
	if (gap >= 0) {
		size_t behind = 2 * (size_t)(count - gap);

		memmove(bytes + 16 - behind, bytes + 2 * gap, behind);
		memset(bytes + 2 * gap, 0, 16 - 2 * (size_t)count);
	}
	memcpy(ret_address->bytes, bytes, 16);
	*at = here;
	return address_is_ipv4(ret_address) ? -EINVAL : 0;
}

/* What the readers above are too simple for. */
static int take_any(const char **at, const char *end, struct usher_address *ret_address)
{
	const char *slash = memchr(*at, '/', (size_t)(end - *at));
	size_t length = slash ? (size_t)(slash - *at) : 0;
	char text[ADDRESS_TEXT];

	if (!length || length >= sizeof(text) || memchr(*at, '\0', length))
		return -EINVAL;
	memcpy(text, *at, length);
	text[length] = '\0';
	*at = slash;
	return address_parse(text, ret_address);
}

int prefix_parse(const char *text, size_t length, struct usher_address *ret_address, uint8_t *ret_bits)
{
	const char *at = text, *end = text + length;
	struct usher_address address;
	unsigned int bits, most;
	bool dotted = length > 3 && (text[1] == '.' || text[2] == '.' || text[3] == '.');

	if (dotted ? take_ipv4(&at, end, &address) : take_ipv6(&at, end, &address)) {
		at = text;
		if (take_any(&at, end, &address))
			return -EINVAL;
	}
	most = address_is_ipv4(&address) ? 32 : 128;
	if (at == end || *at++ != '/' || take_decimal(&at, end, most, &bits) || at != end)
		return -EINVAL;
	*ret_address = address;
	*ret_bits = (uint8_t)(bits + 128 - most);
	return 0;
}

const char *prefix_print(const struct usher_address *address, uint8_t bits, char text[PREFIX_TEXT])
{
	unsigned int shown = address_is_ipv4(address) ? bits - 96u : bits;
	char *at;

	address_print(address, text);
	at = text + strlen(text);
	*at++ = '/';
	if (shown >= 100)
		*at++ = '1';
	if (shown >= 10)
		*at++ = (char)('0' + shown / 10 % 10);
	*at++ = (char)('0' + shown % 10);
	*at = '\0';
	return text;
}

bool prefix_clear_host(struct usher_address *address, unsigned int bits)
{
	bool was_set = false;

	for (unsigned int byte = bits / 8; byte < 16; byte++) {
		uint8_t host = byte == bits / 8 ? (uint8_t)(0xff >> bits % 8) : 0xff;

		was_set |= address->bytes[byte] & host;
		address->bytes[byte] &= (uint8_t)~host;
	}
	return was_set;
}

int prefix_compare(const struct usher_address *a, unsigned int a_bits, const struct usher_address *b,
		   unsigned int b_bits)
{
	for (int i = 0; i < 2; i++) {
		uint64_t left = __builtin_bswap64(a->halves[i]), right = __builtin_bswap64(b->halves[i]);

		if (left != right)
			return left < right ? -1 : 1;
	}
	return (int)a_bits - (int)b_bits;
}
