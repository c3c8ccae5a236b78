// SPDX-License-Identifier: GPL-2.0-only
#include "policy/statement.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/utf8.h"
#include "policy/bundle.h"
#include "policy/policy.h"

#define LINE_ROOM (USHER_STRING_MAX + 128)

static void add_line(struct json *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add_line(struct json *to, const char *format, ...)
{
	char line[LINE_ROOM];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	json_raw(to, line, (size_t)length);
}

static int print(const struct bundle *bundle, uint64_t instead_of, struct arena *arena, struct json *to)
{
	const char *names[USHER_GEO_FILES_MAX];
	size_t count = policy_geo_files(bundle->text, bundle->length, arena, names);
	char digest[SHA256_HEX];

	sha256_hex(bundle->text, bundle->length, digest);
	if (instead_of)
		add_line(to, "usher-policy-rollback 1\ninstead-of-change %llu\n", (unsigned long long)instead_of);
	else
		add_line(to, "usher-policy-approval 1\n");
	add_line(to, "document sha256:%s\n", digest);
	for (size_t i = 0; i < count; i++) {
		const struct bundle_file *file = bundle_find(bundle, names[i]);

		if (!file || !file->read || !utf8_is_line(names[i], USHER_STRING_MAX))
			return -ENOENT;
		sha256_hex(file->bytes, file->length, digest);
		add_line(to, "geography sha256:%s %s\n", digest, names[i]);
	}
	return 0;
}

int statement_print(const char *bytes, size_t length, uint64_t instead_of, struct json *to)
{
	struct arena arena = {0};
	struct bundle bundle;
	struct json text = {0};
	int error = bundle_split(bytes, length, &arena, &bundle);

	if (!error)
		error = print(&bundle, instead_of, &arena, &text);
	if (!error)
		json_raw(to, text.bytes, text.length);
	json_free(&text);
	arena_free(&arena);
	return error;
}

void statement_document(const char *bytes, size_t length, char digest[SHA256_HEX])
{
	const char *end = memchr(bytes, '\0', length);

	sha256_hex(bytes, end ? (size_t)(end - bytes) : length, digest);
}
