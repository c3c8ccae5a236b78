/* SPDX-License-Identifier: GPL-2.0-only */
/* What a person will read about a document: `file:line:column: path: what is wrong`, collected, never printed here. */
#ifndef USHER_BASE_DIAGNOSTICS_H
#define USHER_BASE_DIAGNOSTICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum severity { SEVERITY_ERROR, SEVERITY_WARNING };

struct diagnostic {
	enum severity severity;
	uint32_t line, column; /* from 1; 0: the document as a whole */
	char *path;	       /* JSON path as jq writes it: .services.credit.address[0]; "" at the top */
	char *text;
	char *file; /* that line and column are in; NULL: the document itself */
};

struct diagnostics {
	const char *file; /* not owned */
	struct diagnostic *items;
	size_t count, capacity;
	size_t errors; /* how many of them are errors */
};

void diagnostics_add(struct diagnostics *to, enum severity severity, uint32_t line, uint32_t column, const char *path,
		     const char *format, ...) __attribute__((format(printf, 6, 7)));
/* The same, in a file that the document names. */
void diagnostics_add_in(struct diagnostics *to, const char *file, enum severity severity, uint32_t line,
			uint32_t column, const char *format, ...) __attribute__((format(printf, 6, 7)));
/* Forgets all but the first `count`. */
void diagnostics_cut(struct diagnostics *diagnostics, size_t count);
/* The document's own by line, then column; then those of each file. Stable. */
void diagnostics_sort(struct diagnostics *diagnostics);
/* One a line; warnings say `warning: ` before the text. */
void diagnostics_print(const struct diagnostics *diagnostics, FILE *to);
void diagnostics_free(struct diagnostics *diagnostics);

#endif
