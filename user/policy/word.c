// SPDX-License-Identifier: GPL-2.0-only
/* Numbers, true, false, null, and what people write in their place. */
#include "policy/scan.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *skip_digits(const char *at)
{
	while (*at >= '0' && *at <= '9')
		at++;
	return at;
}

/* RFC 8259, section 6. What follows the number in the document is no part of one, so this ends in time. */
static bool is_number(const char *word, size_t length)
{
	const char *at = word, *digits;

	at += *at == '-';
	digits = at;
	at = skip_digits(at);
	if (at == digits || (*digits == '0' && at - digits > 1))
		return false;
	if (*at == '.') {
		digits = ++at;
		at = skip_digits(at);
		if (at == digits)
			return false;
	}
	if (*at == 'e' || *at == 'E') {
		at++;
		at += *at == '+' || *at == '-';
		digits = at;
		at = skip_digits(at);
		if (at == digits)
			return false;
	}
	return (size_t)(at - word) == length;
}

static bool in_range(const char *word, size_t length)
{
	if (memchr(word, '.', length) || memchr(word, 'e', length) || memchr(word, 'E', length))
		return isfinite(strtod(word, NULL));
	errno = 0;
	(void)strtoll(word, NULL, 10);
	return errno != ERANGE;
}

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (!strcasecmp(word, *words))
			return true;
	return false;
}

/* What is wrong with a word that is not JSON. */
static const char *fault(struct scan *scan, const char *word, size_t length)
{
	static const char *const not_numbers[] = {"nan", "inf", "infinity", NULL};
	static const char *const literals[] = {"true", "false", "null", NULL};
	static const char *const nothings[] = {"none", "nil", "undefined", NULL};
	const char *digits = word + (*word == '+' || *word == '-'), *quoted = text_quote(&scan->scratch, word, length);

	if (is_one_of(digits, not_numbers))
		return arena_printf(&scan->scratch, "%s is not a number that JSON has", word);
	if (is_one_of(word, literals))
		return arena_printf(&scan->scratch, "%s is written in small letters", word);
	if (is_one_of(word, nothings))
		return arena_printf(&scan->scratch, "JSON has no %s", word);
	if (isalpha((unsigned char)*word) || *word == '_')
		return arena_printf(&scan->scratch, "a string is written in double quotes: %s", quoted);
	if (*word == '+')
		return arena_printf(&scan->scratch, "a number has no plus sign: %s", quoted);
	if (digits[0] == '0' && (digits[1] | 0x20) == 'x')
		return arena_printf(&scan->scratch, "a number is written in decimal: %s", quoted);
	if (digits[0] == '0' && isdigit((unsigned char)digits[1]))
		return arena_printf(&scan->scratch, "a number has no leading zeros: %s", quoted);
	if (digits[0] == '.' || strstr(digits, ".e") || strstr(digits, ".E") || word[length - 1] == '.')
		return arena_printf(&scan->scratch, "a number has digits on both sides of its point: %s", quoted);
	return arena_printf(&scan->scratch, "this is not a number: %s", quoted);
}

int scan_word(struct scan *scan, uint32_t mark, bool *ret_bad)
{
	uint32_t start = scan->at;
	char *bytes = scan->text->bytes + start, *word;
	size_t length = 0;
	int next;

	for (; (next = scan_peek(scan, 0)) != SCAN_END && (isalnum(next) || (next && strchr("+-._", next))); length++)
		scan->at++;
	if (!length) {
		scan_error(scan, start, mark, "expected a value, got %s", scan_describe(scan));
		return -EINVAL;
	}
	*ret_bad = false;
	word = arena_strndup(&scan->scratch, bytes, length);
	if (!strcmp(word, "true") || !strcmp(word, "false") || !strcmp(word, "null"))
		return 0;
	if (is_number(word, length)) {
		if (in_range(word, length))
			return 0;
		scan_error(scan, start, mark, "the number %s is too large", text_quote(&scan->scratch, word, length));
	} else {
		if (strlen(word) > 64)
			strcpy(word + 60, "...");
		scan_error(scan, start, mark, "%s", fault(scan, word, strlen(word)));
	}
	*ret_bad = true;
	memset(bytes, ' ', length);
	bytes[0] = '0';
	return 0;
}
