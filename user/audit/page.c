// SPDX-License-Identifier: GPL-2.0-only
#include "audit/page.h"

#include <string.h>

#include "base/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd"

/* On paper: no colours, tables that go on with their heads, no row on two pages. */
static const char style[] =
	"body{font:10pt/1.4 sans-serif;margin:2em auto;max-width:72em;padding:0 1em;color:#111}"
	"h1{font-size:1.5em;border-bottom:2px solid #111}h2{font-size:1.15em;margin-top:2em}"
	"table{border-collapse:collapse;width:100%;font-size:.9em}"
	"th,td{border:1px solid #bbb;padding:.25em .5em;text-align:left;vertical-align:top;overflow-wrap:anywhere}"
	"th{background:#eee}.strong{font-weight:bold;border-left:4px solid #111;padding-left:.6em}"
	"@media print{body{margin:0;max-width:none;font-size:8.5pt}thead{display:table-header-group}"
	"tr{break-inside:avoid}h2{break-after:avoid}th{background:none}}"
	"@page{margin:15mm}";

static void put(struct page *page, const char *text)
{
	json_raw(&page->text, text, strlen(text));
}

/* ---- text of anybody's ----------------------------------------------------------------------------------------- */

static const char *html_of(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

/* A backslash keeps each of these from meaning something (CommonMark, section 2.4), also what some readers make links of. */
static bool is_markup(const char *text, const char *at)
{
	return strchr("\\`*_[]<>&|#~!$", *at) || !strncmp(at, "://", 3) ||
	       (*at == '.' && at - text >= 3 && !strncasecmp(at - 3, "www", 3));
}

static void put_byte(struct page *page, const char *text, const char *at)
{
	const char *html = page->form == PAGE_HTML ? html_of(*at) : NULL;

	if (html) {
		put(page, html);
		return;
	}
	if (page->form == PAGE_MARKDOWN && is_markup(text, at))
		put(page, "\\");
	json_raw(&page->text, at, 1);
}

static void put_text(struct page *page, const char *text)
{
	size_t length = strlen(text);

	for (const char *at = text; *at;) {
		uint32_t code_point;
		size_t sequence = utf8_sequence(at, length - (size_t)(at - text), &code_point);

		if (!sequence || utf8_is_control(code_point) || utf8_misleads(code_point))
			put(page, REPLACEMENT);
		else if (sequence == 1)
			put_byte(page, text, at);
		else
			json_raw(&page->text, at, sequence);
		at += sequence ? sequence : 1;
	}
}

/* ---- parts ---------------------------------------------------------------------------------------------------- */

void page_begin(struct page *page, enum page_form form, const char *title)
{
	*page = (struct page){.form = form};
	switch (form) {
	case PAGE_MARKDOWN:
		put(page, "# ");
		put_text(page, title);
		put(page, "\n");
		break;
	case PAGE_HTML:
		put(page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
			  "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
			  "'unsafe-inline'\">\n<title>");
		put_text(page, title);
		put(page, "</title>\n<style>");
		put(page, style);
		put(page, "</style>\n</head>\n<body>\n<h1>");
		put_text(page, title);
		put(page, "</h1>\n");
		break;
	case PAGE_JSON:
		json_object_begin(&page->text, NULL);
		json_string(&page->text, "title", title);
		json_array_begin(&page->text, "sections");
	}
}

static void begin_tables(struct page *page)
{
	if (page->tables)
		return;
	json_array_end(&page->text);
	json_array_begin(&page->text, "tables");
	page->tables = true;
}

static void end_section(struct page *page)
{
	if (page->form != PAGE_JSON || !page->section)
		return;
	begin_tables(page);
	json_array_end(&page->text);
	json_object_end(&page->text);
}

void page_end(struct page *page)
{
	end_section(page);
	if (page->form == PAGE_HTML)
		put(page, "</body>\n</html>\n");
	if (page->form != PAGE_JSON)
		return;
	json_array_end(&page->text);
	json_object_end(&page->text);
	json_newline(&page->text);
}

void page_heading(struct page *page, const char *text)
{
	end_section(page);
	page->section = true;
	page->tables = false;
	switch (page->form) {
	case PAGE_MARKDOWN:
		put(page, "\n## ");
		put_text(page, text);
		put(page, "\n");
		break;
	case PAGE_HTML:
		put(page, "<h2>");
		put_text(page, text);
		put(page, "</h2>\n");
		break;
	case PAGE_JSON:
		json_object_begin(&page->text, NULL);
		json_string(&page->text, "title", text);
		json_array_begin(&page->text, "paragraphs");
	}
}

void page_paragraph(struct page *page, bool strong, const char *text)
{
	switch (page->form) {
	case PAGE_MARKDOWN:
		put(page, strong ? "\n**" : "\n");
		put_text(page, text);
		put(page, strong ? "**\n" : "\n");
		break;
	case PAGE_HTML:
		put(page, strong ? "<p class=\"strong\">" : "<p>");
		put_text(page, text);
		put(page, "</p>\n");
		break;
	case PAGE_JSON:
		json_string(&page->text, NULL, text);
	}
}

static void put_cells(struct page *page, const char *const *cells, size_t count, const char *begins,
		      const char *between, const char *ends)
{
	put(page, begins);
	for (size_t i = 0; i < count; i++) {
		if (i)
			put(page, between);
		put_text(page, cells[i] ? cells[i] : "");
	}
	put(page, ends);
}

static void add_array(struct page *page, const char *key, const char *const *cells, size_t count)
{
	json_array_begin(&page->text, key);
	for (size_t i = 0; i < count; i++)
		json_string(&page->text, NULL, cells[i]);
	json_array_end(&page->text);
}

void page_table_begin(struct page *page, const char *const *columns, size_t count)
{
	switch (page->form) {
	case PAGE_MARKDOWN:
		put_cells(page, columns, count, "\n| ", " | ", " |\n|");
		for (size_t i = 0; i < count; i++)
			put(page, " --- |");
		put(page, "\n");
		break;
	case PAGE_HTML:
		put_cells(page, columns, count, "<table>\n<thead><tr><th>", "</th><th>",
			  "</th></tr></thead>\n<tbody>\n");
		break;
	case PAGE_JSON:
		begin_tables(page);
		json_object_begin(&page->text, NULL);
		add_array(page, "columns", columns, count);
		json_array_begin(&page->text, "rows");
	}
}

void page_row(struct page *page, const char *const *cells, size_t count)
{
	switch (page->form) {
	case PAGE_MARKDOWN:
		put_cells(page, cells, count, "| ", " | ", " |\n");
		break;
	case PAGE_HTML:
		put_cells(page, cells, count, "<tr><td>", "</td><td>", "</td></tr>\n");
		break;
	case PAGE_JSON:
		add_array(page, NULL, cells, count);
	}
}

void page_table_end(struct page *page)
{
	if (page->form == PAGE_HTML)
		put(page, "</tbody>\n</table>\n");
	if (page->form != PAGE_JSON)
		return;
	json_array_end(&page->text);
	json_object_end(&page->text);
}
