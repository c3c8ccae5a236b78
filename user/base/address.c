/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool address_is_ipv4(const struct usher_address *address)
{
	return !memcmp(address->bytes, mapped, sizeof(mapped));
}

int address_family(const struct usher_address *address)
{
	return address_is_ipv4(address) ? AF_INET : AF_INET6;
}

bool address_equal(const struct usher_address *a, const struct usher_address *b)
{
	return !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

void address_from_bytes(int family, const void *bytes, struct usher_address *ret_address)
{
	if (family == AF_INET) {
		memcpy(ret_address->bytes, mapped, sizeof(mapped));
		memcpy(ret_address->bytes + 12, bytes, 4);
	} else {
		memcpy(ret_address->bytes, bytes, 16);
	}
}

const void *address_bytes(const struct usher_address *address, unsigned int *ret_length)
{
	bool ipv4 = address_is_ipv4(address);

	*ret_length = ipv4 ? 4 : 16;
	return address->bytes + (ipv4 ? 12 : 0);
}

/* inet_ntop would print them with sprintf, which takes ten times as long. */
static void print_ipv4(const uint8_t *bytes, char *to)
{
	for (int i = 0; i < 4; i++) {
		if (bytes[i] >= 100)
			*to++ = (char)('0' + bytes[i] / 100);
		if (bytes[i] >= 10)
			*to++ = (char)('0' + bytes[i] / 10 % 10);
		*to++ = (char)('0' + bytes[i] % 10);
		*to++ = i < 3 ? '.' : '\0';
	}
}

const char *address_print(const struct usher_address *address, char text[ADDRESS_TEXT])
{
	unsigned int length;
	const void *bytes = address_bytes(address, &length);

	if (length == 4)
		print_ipv4(bytes, text);
	else
		inet_ntop(AF_INET6, bytes, text, ADDRESS_TEXT);
	return text;
}

const char *endpoint_print(const struct usher_address *address, uint16_t port, char text[ENDPOINT_TEXT])
{
	char host[ADDRESS_TEXT];

	address_print(address, host);
	snprintf(text, ENDPOINT_TEXT, address_is_ipv4(address) ? "%s:%u" : "[%s]:%u", host, port);
	return text;
}

int address_parse(const char *text, struct usher_address *ret_address)
{
	uint8_t bytes[16];
	struct usher_address address;

	if (inet_pton(AF_INET, text, bytes) == 1) {
		address_from_bytes(AF_INET, bytes, ret_address);
		return 0;
	}
	if (inet_pton(AF_INET6, text, bytes) != 1)
		return -EINVAL;
	address_from_bytes(AF_INET6, bytes, &address);
	if (address_is_ipv4(&address))
		return -EINVAL;
	*ret_address = address;
	return 0;
}

static int port_parse(const char *text, uint16_t *ret_port)
{
	uint32_t port = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		port = port * 10 + (uint32_t)(*text - '0');
		if (port > 65535)
			return -EINVAL;
	}
	if (!port)
		return -EINVAL;
	*ret_port = (uint16_t)port;
	return 0;
}

int endpoint_parse(const char *text, struct usher_address *ret_address, uint16_t *ret_port)
{
	char host[ADDRESS_TEXT];
	const char *end, *rest;
	bool bracketed = *text == '[';
	uint16_t port = 0;
	int r;

	if (bracketed) {
		end = strchr(++text, ']');
		if (!end || (end[1] && end[1] != ':'))
			return -EINVAL;
		rest = end[1] ? end + 2 : NULL;
	} else {
		end = strchr(text, ':');
		if (end && strchr(end + 1, ':'))
			end = NULL; /* an IPv6 address without port */
		rest = end ? end + 1 : NULL;
		if (!end)
			end = text + strlen(text);
	}
	if ((size_t)(end - text) >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, (size_t)(end - text));
	host[end - text] = '\0';
	if (rest) {
		r = port_parse(rest, &port);
		if (r)
			return r;
	}
	r = address_parse(host, ret_address);
	if (r)
		return r;
	if (bracketed && address_is_ipv4(ret_address))
		return -EINVAL;
	*ret_port = port;
	return 0;
}
