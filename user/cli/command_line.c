// SPDX-License-Identifier: GPL-2.0-only
/* Options that every verb shares, and the way they complain. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "cli/ink.h"
#include "cli/verbs.h"

#define OPTIONS_MAX 32
#define COUNT_MAX 1000000
#define DURATION_MAX_MS (7 * 24 * 3600 * 1000L)

bool cli_json;
const char *cli_socket;
const char *cli_verb;

static void complain(const char *format, va_list arguments)
{
	_cleanup_free_ char *text = NULL;

	if (vasprintf(&text, format, arguments) < 0)
		abort();
	fflush(stdout);
	fprintf(stderr, "usher%s%s: ", cli_verb ? " " : "", cli_verb ? cli_verb : "");
	ink_text(stderr, text);
	fputc('\n', stderr);
}

int cli_fail(enum cli_status status, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	complain(format, arguments);
	va_end(arguments);
	return (int)status;
}

int cli_misuse(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	complain(format, arguments);
	va_end(arguments);
	fprintf(stderr, "usage: see usher help%s%s\n", cli_verb ? " " : "", cli_verb ? cli_verb : "");
	return CLI_USAGE;
}

int cli_misuse_option(char **argv)
{
	/* getopt moves on to the next word only after the last letter of a cluster. */
	if (optopt && strncmp(argv[optind - 1], "--", 2))
		return cli_misuse("no such option: -%c", optopt);
	return cli_misuse("no such option: %s", argv[optind - 1]);
}

int cli_option(int argc, char **argv, const struct option *options)
{
	static const struct option shared[] = {
		{"json", no_argument, NULL, 'j'},
		{"socket", required_argument, NULL, 's'},
	};
	struct option all[OPTIONS_MAX + 1] = {0};
	char letters[2 * OPTIONS_MAX + 2] = ":";
	size_t count = 0, length = 1;
	int letter;

	for (size_t i = 0; i < ARRAY_COUNT(shared); i++)
		all[count++] = shared[i];
	for (; options && options->name && count < OPTIONS_MAX; options++)
		all[count++] = *options;
	for (size_t i = 0; i < count; i++) {
		letters[length++] = (char)all[i].val;
		if (all[i].has_arg == required_argument)
			letters[length++] = ':';
	}
	letters[length] = '\0';

	while ((letter = getopt_long(argc, argv, letters, all, NULL)) != -1) {
		switch (letter) {
		case 'j':
			cli_json = true;
			break;
		case 's':
			cli_socket = optarg;
			break;
		case ':':
			cli_misuse("%s needs a value", argv[optind - 1]);
			return '?';
		case '?':
			cli_misuse_option(argv);
			return '?';
		default:
			return letter;
		}
	}
	return -1;
}

/* Digits only: strtol by itself takes spaces and signs. */
static int digits(const char *text, const char **ret_end, long *ret_number)
{
	char *end;
	long number;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	number = strtol(text, &end, 10);
	if (errno)
		return -EINVAL;
	*ret_end = end;
	*ret_number = number;
	return 0;
}

int cli_count(const char *text, int *ret_count)
{
	const char *end;
	long number;

	if (digits(text, &end, &number) || *end || number < 1 || number > COUNT_MAX)
		return -EINVAL;
	*ret_count = (int)number;
	return 0;
}

int cli_duration(const char *text, int *ret_ms)
{
	static const struct {
		const char *name;
		long ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}};
	const char *unit;
	long number;

	if (digits(text, &unit, &number))
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
		if (strcmp(unit, units[i].name) != 0)
			continue;
		if (number < 1 || number > DURATION_MAX_MS / units[i].ms)
			return -EINVAL;
		*ret_ms = (int)(number * units[i].ms);
		return 0;
	}
	return -EINVAL;
}

int cli_operands(int argc, int count, const char *what)
{
	int given = argc - optind;

	if (given == count)
		return CLI_OK;
	if (given < count)
		return cli_misuse("needs %s", what);
	return cli_misuse("takes %s, and nothing more", count ? what : "no operands");
}
