/* SPDX-License-Identifier: GPL-2.0-only */
/* A policy's text as it is given on the command line, and what there is to say about it. */
#ifndef USHER_CLI_DOCUMENT_H
#define USHER_CLI_DOCUMENT_H

#include <stddef.h>

#include <json-c/json.h>

#include "base/diagnostics.h"

struct policy;

struct document {
	const char *name; /* for messages: the path, or "<stdin>" */
	char *bytes;	  /* malloc; with the geography files that it names: policy/bundle.h */
	size_t length;
};

/* path: "-" is standard input. Returns CLI_OK, or CLI_USAGE after a message. */
int document_read(const char *path, struct document *ret_document);
void document_free(struct document *document);
/*
 * Parses and validates, with the time of now. Returns CLI_OK and a policy, or, having reported why not, CLI_REFUSED.
 * Warnings of a good document are left to who compiles it, and has more of them.
 */
int document_parse(const struct document *document, struct policy **ret_policy);

/* One a line on standard error. */
void document_print(struct diagnostics *diagnostics);
/* The same; with -j instead {"status", "diagnostics": [D...]} on standard output, D as daemon/protocol.h has it. */
void document_report(int status, struct diagnostics *diagnostics);
/* The other way round: the list of D in `body` (NULL: none) as diagnostics. */
void document_diagnostics(struct json_object *body, struct diagnostics *to);

#endif
