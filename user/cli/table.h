/* SPDX-License-Identifier: GPL-2.0-only */
/* Columns that line up. Never cut or folded: a pipe has no width, and a name that is cut names nothing. */
#ifndef USHER_CLI_TABLE_H
#define USHER_CLI_TABLE_H

#include "cli/ink.h"

struct table;

/* headings: ended by NULL; one that begins with '>' aligns its column to the right. Aborts when there is no memory. */
struct table *table_new(const char *const *headings);
/* Fills row by row. */
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* 1234567 as 1,234,567. */
void table_number(struct table *table, long long number);
/* Colours the cell that was filled last. */
void table_ink(struct table *table, enum ink colour);
/* Prints `none` instead of bare headings when there is no row, and frees the table. */
void table_finish(struct table *table, FILE *to, const char *none);

/* One line of name and value, for what is no table. */
void fact(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fact_ink(enum ink colour, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* 1234567 as 1,234,567; 1234567 bytes as 1.2 MB; 0.0123 seconds as 12.3 ms. */
#define NUMBER_TEXT 32
#define DURATION_TEXT 32
const char *number_text(long long number, char buffer[NUMBER_TEXT]);
const char *bytes_text(long long bytes, char buffer[NUMBER_TEXT]);
const char *duration_text(double seconds, char buffer[DURATION_TEXT]);

#endif
