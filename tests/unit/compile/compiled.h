/* SPDX-License-Identifier: GPL-2.0-only */
/* A policy's text to its tables, in one call, as `usher check` does it: everybody healthy, at a fixed time. */
#ifndef USHER_TESTS_COMPILED_H
#define USHER_TESTS_COMPILED_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compile/compile.h"
#include "govern/decide.h"
#include "policy/policy.h"

#define COMPILED_NOW 1795478400 /* 2026-11-24 */

struct compiled {
	struct policy *policy;
	struct effective *effective;
	struct tables *tables;
	struct diagnostics diagnostics;
};

static inline void compiled_free(struct compiled *compiled)
{
	tables_free(compiled->tables);
	effective_free(compiled->effective);
	policy_free(compiled->policy);
	diagnostics_free(&compiled->diagnostics);
}

/* before, facts: may be NULL; length: of the text, with geography files behind it (policy/bundle.h). Returns what parser or compiler return; compiled_free() is due in any case. */
static inline int compile_bundle(const struct tables *before, const char *text, size_t length,
				 const struct facts *facts, struct compiled *compiled)
{
	static const __u64 hash_key[USHER_HASH_KEYS] = {1, 2, 3, 4, 5};
	struct compile_input input = {.generation = 1, .hash_key = hash_key};
	int error;

	*compiled = (struct compiled){.diagnostics = {.file = "test.json"}};
	error = policy_parse("test.json", text, length, COMPILED_NOW, &compiled->diagnostics, &compiled->policy);
	if (!error)
		error = decide(compiled->policy, facts, COMPILED_NOW, &compiled->effective);
	if (error)
		return error;
	input.effective = compiled->effective;
	if (before) {
		input.identities = before->identities;
		input.generation = before->header.number + 1;
		input.epoch = before->header.epoch;
		input.judgement = before->judgement;
		input.active = &before->header;
	}
	return compile(&input, &compiled->diagnostics, &compiled->tables);
}

static inline int compile_after(const struct tables *before, const char *text, const struct facts *facts,
				struct compiled *compiled)
{
	return compile_bundle(before, text, strlen(text), facts, compiled);
}

/* A text that grows. */
struct writing {
	char *text;
	size_t length, capacity;
};

static inline void writef(struct writing *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline void writef(struct writing *to, const char *format, ...)
{
	va_list arguments;
	int more;

	if (to->capacity < to->length + 4096) {
		to->capacity = 2 * to->capacity + 8192;
		to->text = realloc(to->text, to->capacity);
		if (!to->text)
			abort();
	}
	va_start(arguments, format);
	more = vsnprintf(to->text + to->length, to->capacity - to->length, format, arguments);
	va_end(arguments);
	if (more < 0 || (size_t)more >= to->capacity - to->length)
		abort();
	to->length += (size_t)more;
}

#endif
