// SPDX-License-Identifier: GPL-2.0-only
#include "cli/document.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "usher/limits.h"

#include "base/cleanup.h"
#include "cli/field.h"
#include "cli/ink.h"
#include "cli/verbs.h"
#include "daemon/gather.h"
#include "policy/bundle.h"
#include "policy/policy.h"

int document_read(const char *path, struct document *ret_document)
{
	bool standard_input = !strcmp(path, "-");
	const char *name = standard_input ? "<stdin>" : path;
	_cleanup_fclose_ FILE *file = standard_input ? fdopen(dup(STDIN_FILENO), "r") : fopen(path, "re");
	_cleanup_free_ char *bytes = NULL;
	size_t length = 0, room = 0, n;

	if (!file)
		return cli_fail(CLI_USAGE, "%s: %s", name, strerror(errno));
	/* More than a policy may have, with its files: saying so is the parser's. */
	do {
		if (length == room) {
			char *more;

			room = room ? 2 * room : 65536;
			more = realloc(bytes, room);
			if (!more)
				return cli_fail(CLI_SYSTEM, "%s: no memory for it", name);
			bytes = more;
		}
		n = fread(bytes + length, 1, room - length, file);
		length += n;
	} while (n && length <= BUNDLE_BYTES_MAX);
	if (ferror(file))
		return cli_fail(CLI_USAGE, "%s: %s", name, strerror(errno));
	gather(path, &bytes, &length);
	*ret_document = (struct document){.name = name, .bytes = TAKE_PTR(bytes), .length = length};
	return CLI_OK;
}

void document_free(struct document *document)
{
	free(document->bytes);
	*document = (struct document){0};
}

int document_parse(const struct document *document, struct policy **ret_policy)
{
	struct diagnostics diagnostics = {.file = document->name};
	int r = policy_parse(document->name, document->bytes, document->length, time(NULL), &diagnostics, ret_policy);

	if (r)
		document_report(CLI_REFUSED, &diagnostics);
	diagnostics_free(&diagnostics);
	return r ? CLI_REFUSED : CLI_OK;
}

static struct json_object *as_object(const struct diagnostic *item)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "severity",
			       json_object_new_string(item->severity == SEVERITY_ERROR ? "error" : "warning"));
	json_object_object_add(object, "line", json_object_new_int64(item->line));
	json_object_object_add(object, "column", json_object_new_int64(item->column));
	json_object_object_add(object, "path", json_object_new_string(item->path));
	json_object_object_add(object, "text", json_object_new_string(item->text));
	if (item->file)
		json_object_object_add(object, "file", json_object_new_string(item->file));
	return object;
}

void document_print(struct diagnostics *diagnostics)
{
	for (size_t i = 0; i < diagnostics->count; i++) {
		ink_clean(diagnostics->items[i].path);
		ink_clean(diagnostics->items[i].text);
		if (diagnostics->items[i].file)
			ink_clean(diagnostics->items[i].file);
	}
	diagnostics_print(diagnostics, stderr);
}

void document_report(int status, struct diagnostics *diagnostics)
{
	struct json_object *object, *list;

	if (!cli_json) {
		document_print(diagnostics);
		return;
	}
	object = json_object_new_object();
	list = json_object_new_array();
	for (size_t i = 0; i < diagnostics->count; i++)
		json_object_array_add(list, as_object(&diagnostics->items[i]));
	json_object_object_add(object, "status", json_object_new_int(status));
	json_object_object_add(object, "diagnostics", list);
	tree_print(object);
	json_object_put(object);
}

void document_diagnostics(struct json_object *body, struct diagnostics *to)
{
	for (size_t i = 0; i < field_count(body, "diagnostics"); i++) {
		struct json_object *item = field_at(body, "diagnostics", i);
		bool warning = !strcmp(field_text(item, "severity"), "warning");

		enum severity severity = warning ? SEVERITY_WARNING : SEVERITY_ERROR;
		uint32_t line = (uint32_t)field_integer(item, "line"), column = (uint32_t)field_integer(item, "column");

		if (field(item, "file"))
			diagnostics_add_in(to, field_text(item, "file"), severity, line, column, "%s",
					   field_text(item, "text"));
		else
			diagnostics_add(to, severity, line, column, field(item, "path") ? field_text(item, "path") : "",
					"%s", field_text(item, "text"));
	}
}
