// SPDX-License-Identifier: GPL-2.0-only
/* Reading evidence, and what it proves. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "audit/evidence.h"
#include "audit/evidence_form.h"
#include "audit/verify_excerpt.h"
#include "base/cleanup.h"

struct reader {
	struct evidence evidence;
	uint64_t format;
	struct evidence_policies held, named;
	const char *at, *end; /* of what is mapped */
	uint64_t line;
	const char *name;
	verify_found *found;
	void *context;
};

void evidence_release(struct evidence *evidence)
{
	for (size_t i = 0; i < evidence->key_count; i++)
		signer_key_free(evidence->keys[i]);
	free(evidence->keys);
	if (evidence->mapped)
		munmap((void *)(uintptr_t)evidence->mapped, evidence->mapped_length);
	*evidence = (struct evidence){0};
}

static void release(struct reader *reader)
{
	evidence_release(&reader->evidence);
	evidence_policies_free(&reader->held);
	evidence_policies_free(&reader->named);
}

static void find(const struct reader *reader, uint64_t line, const char *text)
{
	reader->found(&(struct verify_finding){reader->name, line, line, text}, reader->context);
}

static int map(const char *path, struct reader *reader)
{
	_cleanup_close_ int file = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	void *bytes;

	if (file < 0 || fstat(file, &status))
		return errno ? -errno : -EIO;
	if (!S_ISREG(status.st_mode) || !status.st_size)
		return -EINVAL;
	bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	if (!bytes || bytes == MAP_FAILED)
		return errno ? -errno : -ENOMEM;
	reader->evidence.mapped = bytes;
	reader->evidence.mapped_length = (size_t)status.st_size;
	reader->at = bytes;
	reader->end = reader->at + status.st_size;
	return 0;
}

/* The length of the line that is at hand; -1: there is no whole one. */
static ssize_t peek(const struct reader *reader)
{
	const char *newline = reader->at ? memchr(reader->at, '\n', (size_t)(reader->end - reader->at)) : NULL;

	return newline ? newline - reader->at : -1;
}

static void step(struct reader *reader, ssize_t length)
{
	reader->at += length + 1;
	reader->line++;
}

static int take_front(struct reader *reader)
{
	struct evidence *evidence = &reader->evidence;
	struct evidence_front_text front;
	ssize_t length = peek(reader);

	if (length < 0 || evidence_parse_front(reader->at, (size_t)length, &front))
		return -EINVAL;
	memcpy(evidence->made, front.time, sizeof(evidence->made));
	memcpy(evidence->log, front.log, sizeof(evidence->log));
	memcpy(evidence->since, front.since, sizeof(evidence->since));
	memcpy(evidence->until, front.until, sizeof(evidence->until));
	memcpy(evidence->hash, front.hash, sizeof(evidence->hash));
	evidence->seal = front.seal;
	reader->format = front.format;
	step(reader, length);
	return 0;
}

static void take_keys(struct reader *reader)
{
	struct evidence *evidence = &reader->evidence;
	struct signer_key *key;
	ssize_t length;

	while ((length = peek(reader)) >= 0 && !evidence_parse_key(reader->at, (size_t)length, &key)) {
		evidence->keys = reallocarray(evidence->keys, evidence->key_count + 1, sizeof(struct signer_key *));
		if (!evidence->keys)
			abort();
		evidence->keys[evidence->key_count++] = key;
		step(reader, length);
	}
}

static void hold(struct reader *reader, const char digest[SHA256_HEX])
{
	char line[SHA256_HEX + 32];
	int length = snprintf(line, sizeof(line), "{\"policy_digest\":\"%s\"}", digest);

	evidence_policies_note(&reader->held, line, (size_t)length);
}

static void take_policies(struct reader *reader)
{
	struct evidence_policy policy;

	while (reader->format > 1 && evidence_policy_read(reader->at, reader->end, &policy)) {
		if (!policy.holds)
			find(reader, reader->line + 1,
			     "a policy that is not what its digest says, or that this version does not read");
		else if (evidence_policies_have(&reader->held, policy.digest))
			find(reader, reader->line + 1, "a policy that is there twice");
		else
			hold(reader, policy.digest);
		reader->at += policy.length;
		reader->line += policy.lines;
	}
}

/* ---- what is in it -------------------------------------------------------------------------------------------- */

struct contents {
	uint64_t lines, records;
	bool has_end;
};

static void judge_first(struct reader *reader, const char *line, size_t length)
{
	struct evidence *evidence = &reader->evidence;
	const char *time = evidence_time(line, length);
	struct chain_segment segment;

	evidence->has_beginning = !evidence->seal || (time && evidence_is_before(time, evidence->since));
	if (chain_type(line, length) == CHAIN_SEGMENT && !chain_parse_segment(line, length, &segment) &&
	    segment.span.latest[0])
		evidence->has_beginning |= evidence_is_before(segment.span.latest, evidence->since);
}

/* From the first line of the log to the last line of the file, which is not of it. */
static void take_lines(struct reader *reader, const char *last, struct contents *ret_contents)
{
	const struct evidence *evidence = &reader->evidence;
	struct contents contents = {0};

	reader->evidence.before = reader->line;
	reader->evidence.lines = reader->at;
	reader->evidence.length = (size_t)(last - reader->at);
	while (reader->at < last) {
		size_t length = (size_t)peek(reader);
		const char *time = evidence_time(reader->at, length);

		if (!contents.lines)
			judge_first(reader, reader->at, length);
		contents.lines++;
		evidence_policies_note(&reader->named, reader->at, length);
		contents.records += evidence_is_record(reader->at, length) &&
				    evidence_in_range(reader->at, length, evidence->since, evidence->until);
		if (time && chain_type(reader->at, length) == CHAIN_SEAL)
			contents.has_end = evidence_is_behind(time, evidence->until);
		step(reader, (ssize_t)length);
	}
	*ret_contents = contents;
}

static void judge_policies(struct reader *reader)
{
	reader->evidence.policies_named = reader->named.count;
	reader->evidence.policies = reader->held.count;
	for (size_t i = 0; i < reader->held.count; i++)
		if (!evidence_policies_have(&reader->named, reader->held.digests[i]))
			find(reader, 0, "a policy is in it that none of its records names");
}

static const struct signer_key *key_of(struct signer_key *const *keys, size_t count, const char *id)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(signer_key_id(keys[i]), id))
			return keys[i];
	return NULL;
}

static void judge_end(struct reader *reader, const struct contents *contents)
{
	const char *begins = reader->evidence.mapped;
	uint8_t digest[SHA256_BYTES];
	struct evidence_end end;
	ssize_t length = peek(reader);

	reader->line++;
	if (length < 0 || reader->at + length + 1 != reader->end ||
	    evidence_parse_end(reader->at, (size_t)length, &end)) {
		find(reader, reader->line, "the last line is not the one that ends evidence: its end was cut off");
		return;
	}
	sha256(begins, (size_t)(reader->at - begins), digest);
	if (memcmp(digest, end.hash, sizeof(digest)) != 0)
		find(reader, 0, "what is in the file is not what its last line was made of: it was edited");
	if (end.lines != contents->lines || end.records != contents->records)
		find(reader, reader->line, "the last line says that there are other numbers of lines and records");
	reader->evidence.records = contents->records;
	if (!end.key[0])
		return;
	memcpy(reader->evidence.signer, end.key, sizeof(end.key));
	reader->evidence.signature = reader->at;
	reader->evidence.signed_length = end.signed_length;
	reader->evidence.end_line = reader->line;
	memcpy(reader->evidence.signature_text, end.signature, sizeof(end.signature));
}

/* Where the last line begins. */
static const char *last_line(const struct reader *reader)
{
	const char *before =
		reader->end - 1 > reader->at ? memrchr(reader->at, '\n', (size_t)(reader->end - 1 - reader->at)) : NULL;

	return before ? before + 1 : reader->at;
}

int evidence_read(const char *path, verify_found *found, void *context, struct evidence *ret_evidence)
{
	_cleanup_(release) struct reader reader = {.name = path, .found = found, .context = context};
	struct contents contents;
	int error = map(path, &reader);

	if (error)
		return error;
	error = take_front(&reader);
	if (error)
		return error;
	take_keys(&reader);
	take_policies(&reader);
	take_lines(&reader, last_line(&reader), &contents);
	reader.evidence.has_end = contents.has_end;
	judge_policies(&reader);
	judge_end(&reader, &contents);
	*ret_evidence = reader.evidence;
	reader.evidence = (struct evidence){0};
	return 0;
}

int evidence_verify(const struct evidence *evidence, const char *name, const struct verify_trust *trust,
		    verify_found *found, void *context, struct verify_summary *ret_summary)
{
	struct verify_excerpt excerpt = {.name = name,
					 .bytes = evidence->lines,
					 .length = evidence->length,
					 .before = evidence->before,
					 .seal = evidence->seal};
	const struct signer_key *key = key_of(trust->keys, trust->key_count, evidence->signer);

	memcpy(excerpt.log, evidence->log, sizeof(excerpt.log));
	memcpy(excerpt.hash, evidence->hash, sizeof(excerpt.hash));
	if (evidence->signer[0] && !key)
		found(&(struct verify_finding){name, evidence->end_line, evidence->end_line,
					       "the last line is signed by a key that is not known"},
		      context);
	else if (key &&
		 !signer_key_verifies(key, evidence->signature, evidence->signed_length, evidence->signature_text))
		found(&(struct verify_finding){name, evidence->end_line, evidence->end_line,
					       "the signature of the last line does not hold"},
		      context);
	return verify_excerpt(&excerpt, trust, found, context, ret_summary);
}
