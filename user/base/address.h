/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses as text. IPv4 ones are mapped in memory (abi.h) and written with dots. */
#ifndef USHER_BASE_ADDRESS_H
#define USHER_BASE_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "usher/abi.h"

#define ADDRESS_TEXT 46	 /* INET6_ADDRSTRLEN */
#define ENDPOINT_TEXT 56 /* [address]:port */

bool address_is_ipv4(const struct usher_address *address);
/* AF_INET or AF_INET6 */
int address_family(const struct usher_address *address);
bool address_equal(const struct usher_address *a, const struct usher_address *b);
/* 4 or 16 bytes in network order. */
void address_from_bytes(int family, const void *bytes, struct usher_address *ret_address);
/* Where the 4 or 16 bytes of the address begin. */
const void *address_bytes(const struct usher_address *address, unsigned int *ret_length);

const char *address_print(const struct usher_address *address, char text[ADDRESS_TEXT]);
/* 10.0.0.1:80, [2001:db8::1]:80; port in host order */
const char *endpoint_print(const struct usher_address *address, uint16_t port, char text[ENDPOINT_TEXT]);

/* As inet_pton reads them; a mapped IPv6 address is refused, as nobody means that. Returns 0 or -EINVAL. */
int address_parse(const char *text, struct usher_address *ret_address);
/* Address, or address:port with IPv6 in brackets; port 0 where none is given. Returns 0 or -EINVAL. */
int endpoint_parse(const char *text, struct usher_address *ret_address, uint16_t *ret_port);

#endif
