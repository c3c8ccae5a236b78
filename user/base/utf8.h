/* SPDX-License-Identifier: GPL-2.0-only */
/* Characters of a text that somebody else has written. */
#ifndef USHER_BASE_UTF8_H
#define USHER_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length of the UTF-8 sequence (RFC 3629) that begins here; 0: none does. */
size_t utf8_sequence(const char *bytes, size_t left, uint32_t *ret_code_point);
/* C0, DEL and C1: nothing that a person wrote on purpose, and what terminals obey. */
bool utf8_is_control(uint32_t code_point);
/* Line and paragraph separators, marks of direction, embeddings, overrides and isolates: text shows as something else than it is. */
bool utf8_misleads(uint32_t code_point);
/*
 * Is it one line that shows as what it is: 1 to `max` bytes of UTF-8, not of spaces alone, in which nothing controls a terminal,
 * ends a line or turns the direction of writing around (Unicode TR 36, section 3; "Trojan Source", CVE-2021-42574)?
 */
bool utf8_is_line(const char *text, size_t max);

#endif
