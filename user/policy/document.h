/* SPDX-License-Identifier: GPL-2.0-only */
/* A document being read: its text, the tree json-c makes of it, and where its errors go. */
#ifndef USHER_POLICY_DOCUMENT_H
#define USHER_POLICY_DOCUMENT_H

#include <json-c/json.h>

#include "policy/bundle.h"
#include "policy/text.h"

struct document {
	struct text text;
	struct json_object *root;
	struct arena *arena; /* of the policy */
	struct diagnostics *diagnostics;
	struct arena scratch;	     /* until the document is closed */
	unsigned int searches;	     /* for a similar name that may still be made */
	const struct bundle *bundle; /* the files that came with the text, or NULL */
};

/* A value: in the tree (NULL is JSON's null), and in the text. */
struct node {
	struct json_object *json;
	uint32_t mark;
};

struct member {
	const char *key; /* in the document's scratch memory */
	struct node value;
};

/* Returns 0, even with errors that could be mended, or -EINVAL. Close it in either case. */
int document_open(struct document *document, const void *bytes, size_t length, struct arena *arena,
		  struct diagnostics *diagnostics);
void document_close(struct document *document);
struct node document_root(const struct document *document);

/* Does the tree say what the marks from `node` on say? */
bool document_agrees(struct document *document, struct node node);

bool node_is_bad(const struct document *document, struct node node); /* reported already */
enum json_type node_type(struct node node);
/* Of an object, in document order, those with a bad key left out; of a list. In scratch memory. */
struct member *node_members(struct document *document, struct node object, size_t *ret_count);
struct node *node_items(struct document *document, struct node list, size_t *ret_count);
struct place node_place(const struct document *document, struct node node);
/* What was found where something else was wanted: `the string "80"`, `1.9`, `a list`. */
const char *node_describe(struct document *document, struct node node);

void node_error(struct document *document, struct node node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* At the key of the member that has this value. */
void key_error(struct document *document, struct node value, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* At a mark, or at the document as a whole for MARK_NONE. */
void mark_report(struct document *document, enum severity severity, uint32_t mark, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
