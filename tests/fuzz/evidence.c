// SPDX-License-Identifier: GPL-2.0-only
/*
 * Evidence as a stranger may have made it: a file of lines that whoever gets it hands to `usher audit verify`. Whatever is in it:
 *
 * 1. Nothing is read outside of the file, and what is said of it are lines that it has.
 * 2. Reading and judging it comes to an end, by its own keys and by nobody's, and says nothing but what it may say.
 * 3. By nobody's keys it proves nothing.
 * 4. What proves itself by its own keys does not with one bit of it changed, wherever that is, and not with its end cut off.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/evidence.h"
#include "audit/evidence_form.h"
#include "holds.h"

#define FLIPS 256

static char path[64];

static void remove_file(void)
{
	unlink(path);
}

static void begin(void)
{
	int file;

	strcpy(path, "/dev/shm/usher-fuzz-XXXXXX");
	file = mkstemp(path);
	HOLDS(file >= 0);
	close(file);
	atexit(remove_file);
}

static void put(const uint8_t *bytes, size_t length)
{
	int file = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	HOLDS(file >= 0 && write(file, bytes, length) == (ssize_t)length);
	close(file);
}

/* ---- judging ------------------------------------------------------------------------------------------------- */

struct findings {
	uint64_t lines, count; /* that the file has; that were found */
};

static void note(const struct verify_finding *finding, void *context)
{
	struct findings *findings = context;

	HOLDS(!strcmp(finding->segment, path) && strlen(finding->text) < 256);
	HOLDS(finding->first_line <= finding->last_line && finding->last_line <= findings->lines + 1);
	findings->count++;
}

static void check_form(const struct evidence *evidence, const uint8_t *bytes, size_t length)
{
	const char *mapped = evidence->mapped;

	HOLDS(evidence->mapped_length == length && !memcmp(mapped, bytes, length));
	HOLDS(evidence->lines >= mapped && evidence->lines + evidence->length <= mapped + length);
	HOLDS(!evidence->signature || (evidence->signature >= evidence->lines &&
				       evidence->signature + evidence->signed_length <= mapped + length));
	HOLDS(strlen(evidence->made) == EVIDENCE_TIME && strlen(evidence->log) < CHAIN_LOG);
	HOLDS(strlen(evidence->signer) < SIGNER_ID && !evidence->signer[0] == !evidence->signature);
}

static uint64_t verified(const struct evidence *evidence, const struct verify_trust *trust, struct findings findings)
{
	struct verify_summary summary = {0};
	int error = evidence_verify(evidence, path, trust, note, &findings, &summary);

	HOLDS(!error || error == -EBADMSG);
	HOLDS(error || summary.lines <= findings.lines);
	HOLDS(error || findings.count || summary.signed_seal == summary.last_seal);
	return findings.count + (error != 0);
}

/* Is it evidence, and is nothing wrong with it? */
static bool proves(const uint8_t *bytes, size_t length)
{
	struct findings findings = {0};
	struct evidence evidence = {0};
	uint64_t own;
	int error;

	for (size_t i = 0; i < length; i++)
		findings.lines += bytes[i] == '\n';
	put(bytes, length);
	error = evidence_read(path, note, &findings, &evidence);
	HOLDS(!error || error == -EINVAL);
	if (error)
		return false;
	check_form(&evidence, bytes, length);
	own = verified(&evidence, &(struct verify_trust){evidence.keys, evidence.key_count, NULL, 0}, findings);
	HOLDS(verified(&evidence, &(struct verify_trust){0}, findings));
	evidence_release(&evidence);
	return !own;
}

/* ---- lines --------------------------------------------------------------------------------------------------- */

static void read_lines(const uint8_t *bytes, size_t length)
{
	const uint8_t *end = bytes + length, *next;

	for (const uint8_t *line = bytes; line < end; line = next) {
		const uint8_t *newline = memchr(line, '\n', (size_t)(end - line));
		size_t size = (size_t)((newline ? newline : end) - line);
		/* Of its own, so that what is read behind it is noticed. */
		char *copy = memcpy(malloc(size + !size), line, size);
		struct evidence_policies policies = {0};
		struct evidence_front_text front;
		struct evidence_end last;
		struct signer_key *key;

		next = newline ? newline + 1 : end;
		evidence_parse_front(copy, size, &front);
		if (!evidence_parse_end(copy, size, &last))
			HOLDS(last.signed_length <= size);
		if (!evidence_parse_key(copy, size, &key))
			signer_key_free(key);
		evidence_policies_note(&policies, copy, size);
		evidence_policies_free(&policies);
		evidence_is_record(copy, size);
		evidence_in_range(copy, size, "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z");
		free(copy);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t seed = size;
	uint8_t *copy;

	if (!path[0])
		begin();
	if (size)
		read_lines(data, size);
	if (!proves(data, size))
		return 0;
	copy = memcpy(malloc(size), data, size);
	for (int i = 0; i < FLIPS; i++) {
		size_t at;

		seed = seed * 6364136223846793005u + 1442695040888963407u + data[size / 2 + (size_t)i % (size / 2)];
		at = (size_t)(seed >> 33) % size;
		copy[at] ^= (uint8_t)(1u << (seed >> 60 & 7));
		HOLDS(!proves(copy, size));
		copy[at] = data[at];
	}
	HOLDS(!proves(copy, (size_t)(seed >> 33) % size));
	free(copy);
	return 0;
}
