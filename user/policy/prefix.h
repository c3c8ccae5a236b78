/* SPDX-License-Identifier: GPL-2.0-only */
/* Address prefixes as text. In memory an IPv4 prefix has 96 to 128 bits, since its address is mapped. */
#ifndef USHER_POLICY_PREFIX_H
#define USHER_POLICY_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "usher/abi.h"

#define PREFIX_EXAMPLE "a prefix such as \"203.0.113.0/26\" or \"2001:db8:a::/48\""

/* "203.0.113.0/26": address and number of bits, of 128. Returns 0 or -EINVAL. */
int prefix_parse(const char *text, size_t length, struct usher_address *ret_address, uint8_t *ret_bits);
#define PREFIX_TEXT 50 /* address/128 */
/* And back. */
const char *prefix_print(const struct usher_address *address, uint8_t bits, char text[PREFIX_TEXT]);
/* Clears the bits behind the prefix. True if one of them was set. */
bool prefix_clear_host(struct usher_address *address, unsigned int bits);
/* By address, then bits: what contains comes before what it contains. */
int prefix_compare(const struct usher_address *a, unsigned int a_bits, const struct usher_address *b,
		   unsigned int b_bits);

#endif
