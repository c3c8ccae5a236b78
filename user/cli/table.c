// SPDX-License-Identifier: GPL-2.0-only
#include "cli/table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/array.h"
#include "base/cleanup.h"

#define GAP "  "

struct cell {
	const char *text;
	enum ink colour;
};

struct table {
	struct arena arena;
	const char *const *headings;
	size_t columns;
	struct cell *cells;
	size_t count, capacity;
};

struct table *table_new(const char *const *headings)
{
	struct arena arena = {0};
	struct table *table = arena_alloc(&arena, sizeof(*table));

	table->arena = arena;
	table->headings = headings;
	while (headings[table->columns])
		table->columns++;
	return table;
}

static void add(struct table *table, const char *text)
{
	if (table->count == table->capacity) {
		size_t capacity = table->capacity ? 2 * table->capacity : 64;
		struct cell *cells = arena_array(&table->arena, capacity, sizeof(*cells));

		if (table->count)
			memcpy(cells, table->cells, table->count * sizeof(*cells));
		table->cells = cells;
		table->capacity = capacity;
	}
	table->cells[table->count++] = (struct cell){.text = text};
}

void table_cell(struct table *table, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0)
		abort();
	add(table, arena_strndup(&table->arena, text, (size_t)length));
}

const char *number_text(long long number, char buffer[NUMBER_TEXT])
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%lld", number);
	char *to = buffer;

	for (int i = 0; i < length; i++) {
		*to++ = digits[i];
		if (i < length - 1 && digits[i] != '-' && (length - 1 - i) % 3 == 0)
			*to++ = ',';
	}
	*to = '\0';
	return buffer;
}

/* In the unit that leaves at most three digits in front of the point. */
static const char *scaled_text(double value, const char *const *units, size_t count, char *buffer, size_t room)
{
	size_t unit = 0;

	while (value >= 999.5 && unit + 1 < count) {
		value /= 1000;
		unit++;
	}
	snprintf(buffer, room, "%.*f %s", unit && value < 99.95 ? 1 : 0, value, units[unit]);
	return buffer;
}

const char *bytes_text(long long bytes, char buffer[NUMBER_TEXT])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};

	return scaled_text((double)bytes, units, ARRAY_COUNT(units), buffer, NUMBER_TEXT);
}

const char *duration_text(double seconds, char buffer[DURATION_TEXT])
{
	static const char *const units[] = {"us", "ms", "s"};

	return scaled_text(seconds * 1e6, units, ARRAY_COUNT(units), buffer, DURATION_TEXT);
}

static void fact_print(enum ink colour, const char *name, const char *format, va_list arguments)
{
	_cleanup_free_ char *text = NULL;

	if (vasprintf(&text, format, arguments) < 0)
		abort();
	printf("%s%-12s%s %s", ink(INK_HEADING), name, ink(INK_PLAIN), colour ? ink(colour) : "");
	ink_text(stdout, text);
	puts(colour ? ink(INK_PLAIN) : "");
}

void fact(const char *name, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fact_print(INK_PLAIN, name, format, arguments);
	va_end(arguments);
}

void fact_ink(enum ink colour, const char *name, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fact_print(colour, name, format, arguments);
	va_end(arguments);
}

void table_number(struct table *table, long long number)
{
	char text[NUMBER_TEXT];

	table_cell(table, "%s", number_text(number, text));
}

void table_ink(struct table *table, enum ink colour)
{
	table->cells[table->count - 1].colour = colour;
}

/* Characters, not bytes: of UTF-8, all but the continuation bytes. */
static size_t width(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += (*text & 0xc0) != 0x80;
	return count;
}

static const char *heading(const struct table *table, size_t column)
{
	return table->headings[column] + (*table->headings[column] == '>');
}

static void print_row(const struct table *table, const struct cell *row, const size_t *widths, FILE *to)
{
	for (size_t column = 0; column < table->columns; column++) {
		size_t filling = widths[column] - width(row[column].text);
		bool right = *table->headings[column] == '>';
		bool last = column + 1 == table->columns;

		fputs(column ? GAP : "", to);
		fprintf(to, "%*s", right ? (int)filling : 0, "");
		fputs(row[column].colour ? ink(row[column].colour) : "", to);
		ink_text(to, row[column].text);
		fputs(row[column].colour ? ink(INK_PLAIN) : "", to);
		fprintf(to, "%*s", right || last ? 0 : (int)filling, "");
	}
	fputc('\n', to);
}

void table_finish(struct table *table, FILE *to, const char *none)
{
	struct arena arena;
	size_t *widths = arena_array(&table->arena, table->columns, sizeof(*widths));
	struct cell *titles = arena_array(&table->arena, table->columns, sizeof(*titles));

	for (size_t i = 0; i < table->columns; i++) {
		titles[i] = (struct cell){.text = heading(table, i), .colour = INK_HEADING};
		widths[i] = width(titles[i].text);
	}
	for (size_t row = 0; row + table->columns <= table->count; row += table->columns)
		for (size_t column = 0; column < table->columns; column++)
			if (width(table->cells[row + column].text) > widths[column])
				widths[column] = width(table->cells[row + column].text);

	if (table->count)
		print_row(table, titles, widths, to);
	else
		fprintf(to, "%s\n", none);
	for (size_t i = 0; i + table->columns <= table->count; i += table->columns)
		print_row(table, &table->cells[i], widths, to);
	/* The table lives in its own arena. */
	arena = table->arena;
	arena_free(&arena);
}
