// SPDX-License-Identifier: GPL-2.0-only
/* Options that every verb shares, and the way they complain. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/verbs.h"

#define OPTIONS_MAX 16

bool cli_json;
const char *cli_socket;
const char *cli_verb;

static void complain(const char *format, va_list arguments)
{
	fflush(stdout);
	fprintf(stderr, cli_verb ? "usher %s: " : "usher: ", cli_verb);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
}

int cli_fail(enum cli_status status, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	complain(format, arguments);
	va_end(arguments);
	return status;
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

	for (size_t i = 0; i < sizeof(shared) / sizeof(*shared); i++)
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
