// SPDX-License-Identifier: GPL-2.0-only
#include "audit/evidence_policies.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit/chain.h"
#include "audit/line.h"
#include "base/cleanup.h"
#include "base/diagnostics.h"
#include "base/utf8.h"
#include "policy/bundle.h"
#include "policy/policy.h"

#define POLICY_FRONT "{\"type\":\"evidence-policy\","
#define FILE_FRONT "{\"type\":\"evidence-file\","

/* ---- digests -------------------------------------------------------------------------------------------------- */

static bool is_latest(const struct evidence_policies *policies, const char *digest)
{
	return policies->count && !memcmp(policies->digests[policies->latest], digest, SHA256_HEX - 1);
}

/* Where it is; count: nowhere. */
static size_t find(const struct evidence_policies *policies, const char *digest)
{
	size_t i = 0;

	while (i < policies->count && memcmp(policies->digests[i], digest, SHA256_HEX - 1) != 0)
		i++;
	return i;
}

void evidence_policies_note(struct evidence_policies *policies, const char *line, size_t length)
{
	const char *at = chain_value(line, length, "policy_digest");
	uint8_t digest[SHA256_BYTES];

	if (!at || (size_t)(line + length - at) < SHA256_HEX + 1 || *at != '"' || at[SHA256_HEX] != '"' ||
	    is_latest(policies, at + 1))
		return;
	policies->latest = find(policies, at + 1);
	if (policies->latest < policies->count)
		return;
	if (hex_parse(at + 1, SHA256_BYTES, digest)) {
		policies->latest = 0;
		return;
	}
	if (policies->count == policies->room) {
		policies->room = policies->room ? 2 * policies->room : 8;
		policies->digests = reallocarray(policies->digests, policies->room, sizeof(*policies->digests));
		if (!policies->digests)
			abort();
	}
	hex_print(digest, SHA256_BYTES, policies->digests[policies->count++]);
}

bool evidence_policies_have(const struct evidence_policies *policies, const char digest[SHA256_HEX])
{
	return find(policies, digest) < policies->count;
}

void evidence_policies_free(struct evidence_policies *policies)
{
	free(policies->digests);
	*policies = (struct evidence_policies){0};
}

/* ---- printing ------------------------------------------------------------------------------------------------- */

static bool is_text(const char *bytes, size_t length)
{
	const char *end = bytes + length;
	uint32_t code;

	while (bytes < end) {
		size_t count = *bytes ? utf8_sequence(bytes, (size_t)(end - bytes), &code) : 0;

		if (!count)
			return false;
		bytes += count;
	}
	return true;
}

static void free_policy(struct policy **policy)
{
	policy_free(*policy);
}

static void print_lines(struct json *to, const struct policy *policy, const struct bundle *bundle, struct arena *arena)
{
	json_object_begin(to, NULL);
	json_string(to, "type", "evidence-policy");
	json_string(to, "digest", policy->digest);
	json_string(to, "name", policy->name);
	json_unsigned(to, "revision", policy->revision);
	json_unsigned(to, "files", bundle->count);
	json_string(to, "text", arena_strndup(arena, bundle->text, bundle->length));
	json_object_end(to);
	json_newline(to);
	for (size_t i = 0; i < bundle->count; i++) {
		const struct bundle_file *file = &bundle->items[i];

		json_object_begin(to, NULL);
		json_string(to, "type", "evidence-file");
		json_string(to, "name", file->name);
		json_string(to, "text", arena_strndup(arena, file->bytes, file->length));
		json_object_end(to);
		json_newline(to);
	}
}

int evidence_policy_print(struct json *to, const char digest[SHA256_HEX], const char *bytes, size_t length)
{
	_cleanup_(diagnostics_free) struct diagnostics ignored = {.file = ""};
	_cleanup_(arena_free) struct arena arena = {0};
	_cleanup_(free_policy) struct policy *policy = NULL;
	struct bundle bundle;

	if (bundle_split(bytes, length, &arena, &bundle) || !is_text(bundle.text, bundle.length))
		return -EINVAL;
	for (size_t i = 0; i < bundle.count; i++)
		if (!bundle.items[i].read || !is_text(bundle.items[i].bytes, bundle.items[i].length) ||
		    !is_text(bundle.items[i].name, strlen(bundle.items[i].name)))
			return -EINVAL;
	if (policy_parse("", bytes, length, 0, &ignored, &policy) || strcmp(policy->digest, digest) != 0)
		return -EINVAL;
	print_lines(to, policy, &bundle, &arena);
	return 0;
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

static bool begins_with(const char *at, const char *end, const char *front)
{
	return (size_t)(end - at) > strlen(front) && !memcmp(at, front, strlen(front));
}

/* A string of the line's, without its escapes, as the arena's; NULL: there is none. */
static const char *text_of(struct line_value line, const char *key, struct arena *arena)
{
	struct line_value value;
	char *text;

	if (!line_find(line, key, &value))
		return NULL;
	text = arena_alloc(arena, value.length + 1);
	return line_text(value, value.length + 1, text) ? NULL : text;
}

/* The bytes that the lines were made of: 0 or -EINVAL. */
static int take_bytes(const char *at, const char *end, struct json *to, char digest[SHA256_HEX])
{
	_cleanup_(arena_free) struct arena arena = {0};
	int error = 0;

	for (const char *newline; at < end && !error; at = newline + 1) {
		struct line_value line = {at, 0};
		const char *name, *text;

		newline = memchr(at, '\n', (size_t)(end - at));
		line.length = (size_t)(newline - at);
		if (!line_is_json(line.at, line.length))
			return -EINVAL;
		name = text_of(line, to->length ? "name" : "digest", &arena);
		text = text_of(line, "text", &arena);
		if (!name || !text) {
			error = -EINVAL;
		} else if (to->length) {
			bundle_attach(to, &(struct bundle_file){name, text, strlen(text), true});
		} else if (strlen(name) != SHA256_HEX - 1 || !*text) {
			error = -EINVAL;
		} else {
			memcpy(digest, name, SHA256_HEX);
			json_raw(to, text, strlen(text));
		}
	}
	return error;
}

bool evidence_policy_read(const char *at, const char *end, struct evidence_policy *ret_policy)
{
	const char *begins = at,
		   *newline = begins_with(at, end, POLICY_FRONT) ? memchr(at, '\n', (size_t)(end - at)) : NULL;
	struct evidence_policy policy = {0};
	struct json bytes = {0}, again = {0};

	if (!newline)
		return false;
	while (newline) {
		policy.lines++;
		at = newline + 1;
		newline = begins_with(at, end, FILE_FRONT) ? memchr(at, '\n', (size_t)(end - at)) : NULL;
	}
	policy.length = (size_t)(at - begins);
	policy.holds = !take_bytes(begins, at, &bytes, policy.digest) &&
		       !evidence_policy_print(&again, policy.digest, bytes.bytes, bytes.length) &&
		       again.length == policy.length && !memcmp(again.bytes, begins, policy.length);
	json_free(&bytes);
	json_free(&again);
	*ret_policy = policy;
	return true;
}
