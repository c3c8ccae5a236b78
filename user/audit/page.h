/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A page of headings, paragraphs and tables, as Markdown (CommonMark with tables), as HTML that needs nothing else and prints well, or as JSON.
 *
 * Text may come from anybody: whatever it has in it shows as itself. It neither ends a cell, nor becomes a link, an element or a script; what
 * controls a terminal or turns the direction of writing comes out as U+FFFD.
 */
#ifndef USHER_AUDIT_PAGE_H
#define USHER_AUDIT_PAGE_H

#include "base/json.h"

enum page_form { PAGE_MARKDOWN, PAGE_HTML, PAGE_JSON };

struct page {
	enum page_form form;
	struct json text;     /* freed by who has it */
	bool section, tables; /* in one; JSON: its array of tables is begun */
};

void page_begin(struct page *page, enum page_form form, const char *title);
void page_end(struct page *page);
void page_heading(struct page *page, const char *text);
/* Paragraphs of a section come before its tables. strong: what one must not overlook. */
void page_paragraph(struct page *page, bool strong, const char *text);
void page_table_begin(struct page *page, const char *const *columns, size_t count);
/* cells: NULL is an empty one. */
void page_row(struct page *page, const char *const *cells, size_t count);
void page_table_end(struct page *page);

#endif
