// SPDX-License-Identifier: GPL-2.0-only
#include "base/utf8.h"

#include <string.h>

size_t utf8_sequence(const char *bytes, size_t left, uint32_t *ret_code_point)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char first = (unsigned char)bytes[0];
	size_t length = first < 0x80   ? 1
			: first < 0xc2 ? 0
			: first < 0xe0 ? 2
			: first < 0xf0 ? 3
			: first < 0xf5 ? 4
				       : 0;
	uint32_t code_point = length == 1 ? first : first & (0xffu >> (length + 1));

	if (!length || length > left)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if (((unsigned char)bytes[i] & 0xc0) != 0x80)
			return 0;
		code_point = code_point << 6 | ((unsigned char)bytes[i] & 0x3f);
	}
	if (code_point < smallest[length] || code_point > 0x10ffff || (code_point >= 0xd800 && code_point < 0xe000))
		return 0;
	*ret_code_point = code_point;
	return length;
}

bool utf8_is_control(uint32_t code_point)
{
	return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0);
}

bool utf8_misleads(uint32_t code_point)
{
	return code_point == 0x61c || code_point == 0x200e || code_point == 0x200f ||
	       (code_point >= 0x2028 && code_point <= 0x202e) || (code_point >= 0x2066 && code_point <= 0x2069);
}

bool utf8_is_line(const char *text, size_t max)
{
	size_t length = strlen(text);

	if (length > max || strspn(text, " ") == length)
		return false;
	while (*text) {
		uint32_t code_point;
		size_t sequence = utf8_sequence(text, strlen(text), &code_point);

		if (!sequence || utf8_is_control(code_point) || utf8_misleads(code_point))
			return false;
		text += sequence;
	}
	return true;
}
