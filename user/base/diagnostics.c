// SPDX-License-Identifier: GPL-2.0-only
#include "base/diagnostics.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

__attribute__((format(printf, 3, 0))) static void add(struct diagnostics *to, struct diagnostic item,
						      const char *format, va_list arguments)
{
	if (vasprintf(&item.text, format, arguments) < 0 || !item.path)
		abort();
	to->items = array_grow(to->items, to->count, &to->capacity, sizeof(*to->items));
	to->items[to->count++] = item;
	to->errors += item.severity == SEVERITY_ERROR;
}

void diagnostics_add(struct diagnostics *to, enum severity severity, uint32_t line, uint32_t column, const char *path,
		     const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add(to, (struct diagnostic){.severity = severity, .line = line, .column = column, .path = strdup(path)}, format,
	    arguments);
	va_end(arguments);
}

void diagnostics_add_in(struct diagnostics *to, const char *file, enum severity severity, uint32_t line,
			uint32_t column, const char *format, ...)
{
	struct diagnostic item = {
		.severity = severity, .line = line, .column = column, .path = strdup(""), .file = strdup(file)};
	va_list arguments;

	if (!item.file)
		abort();
	va_start(arguments, format);
	add(to, item, format, arguments);
	va_end(arguments);
}

struct order {
	const char *file; /* "": the document */
	uint32_t line, column;
	size_t index;
};

static int compare(const void *left, const void *right)
{
	const struct order *a = left, *b = right;
	int files = strcmp(a->file, b->file);

	if (files)
		return files;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	if (a->column != b->column)
		return a->column < b->column ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

void diagnostics_sort(struct diagnostics *diagnostics)
{
	struct diagnostic *sorted;
	struct order *order;

	if (diagnostics->count < 2)
		return;
	order = calloc(diagnostics->count, sizeof(*order));
	sorted = calloc(diagnostics->count, sizeof(*sorted));
	if (!order || !sorted)
		abort();
	for (size_t i = 0; i < diagnostics->count; i++)
		order[i] = (struct order){diagnostics->items[i].file ? diagnostics->items[i].file : "",
					  diagnostics->items[i].line, diagnostics->items[i].column, i};
	qsort(order, diagnostics->count, sizeof(*order), compare);
	for (size_t i = 0; i < diagnostics->count; i++)
		sorted[i] = diagnostics->items[order[i].index];
	free(order);
	free(diagnostics->items);
	diagnostics->items = sorted;
	diagnostics->capacity = diagnostics->count;
}

void diagnostics_print(const struct diagnostics *diagnostics, FILE *to)
{
	for (size_t i = 0; i < diagnostics->count; i++) {
		const struct diagnostic *item = &diagnostics->items[i];

		fprintf(to, "%s:", item->file ? item->file : diagnostics->file ? diagnostics->file : "policy");
		if (item->line)
			fprintf(to, "%u:%u:", item->line, item->column);
		if (item->path[0])
			fprintf(to, " %s:", item->path);
		fprintf(to, " %s%s\n", item->severity == SEVERITY_WARNING ? "warning: " : "", item->text);
	}
}

void diagnostics_cut(struct diagnostics *diagnostics, size_t count)
{
	while (diagnostics->count > count) {
		struct diagnostic *last = &diagnostics->items[--diagnostics->count];

		diagnostics->errors -= last->severity == SEVERITY_ERROR;
		free(last->path);
		free(last->text);
		free(last->file);
	}
}

void diagnostics_free(struct diagnostics *diagnostics)
{
	for (size_t i = 0; i < diagnostics->count; i++) {
		free(diagnostics->items[i].path);
		free(diagnostics->items[i].text);
		free(diagnostics->items[i].file);
	}
	free(diagnostics->items);
	*diagnostics = (struct diagnostics){.file = diagnostics->file};
}
