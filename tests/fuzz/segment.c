// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files of the audit log, as somebody hostile may have left them in its folder. The first byte says what an input is: the text of one segment; of
 * two, parted by a byte that no text has; or the bytes of a compressed file. Texts are read plain, and compressed as the daemon does it.
 * Whatever they are:
 *
 * 1. Nothing is read outside of a file's text, and there is no more of it in memory than the file says it holds.
 * 2. All that reads the log comes to an end, and says nothing but what it may say.
 * 3. A compressed segment is judged as the plain one is.
 * 4. What a query finds is lines of JSON, and those that look at them one by one find them too.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zstd.h>

#include "audit/gaps.h"
#include "audit/line.h"
#include "audit/query.h"
#include "audit/replay.h"
#include "audit/retention.h"
#include "audit/segment.h"
#include "audit/verify.h"
#include "holds.h"

#define FOLDER_ROOM 64
#define TEXT_MAX (1u << 20) /* that a compressed file may say it holds: more is for a test of its own */
#define PART 0xff	    /* is in no text */
#define FIRST "usher-0000000001-20260101T000000Z.jsonl"
#define SECOND "usher-0000000002-20260101T000001Z.jsonl"
/* That the seeds are signed with. */
#define PUBLIC "c5cc991ee15f1b613e070d4b803840d0d87e93c4193f9965766901d24eb819b3"

static char folder[FOLDER_ROOM];
static struct signer_key *key;

static void remove_folder(void)
{
	rmdir(folder);
}

static void begin(void)
{
	strcpy(folder, "/dev/shm/usher-fuzz-XXXXXX");
	HOLDS(mkdtemp(folder));
	HOLDS(!signer_key_parse(PUBLIC, &key));
	atexit(remove_folder);
}

static void path_of(const char *name, const char *behind, char path[2 * FOLDER_ROOM + 16])
{
	snprintf(path, 2 * FOLDER_ROOM + 16, "%s/%s%s", folder, name, behind);
}

static void put(const char *name, const char *behind, const void *bytes, size_t length)
{
	char path[2 * FOLDER_ROOM + 16];
	int file;

	path_of(name, behind, path);
	file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	HOLDS(file >= 0 && write(file, bytes, length) == (ssize_t)length);
	close(file);
}

static void take_away(const char *name, const char *behind)
{
	char path[2 * FOLDER_ROOM + 16];

	path_of(name, behind, path);
	unlink(path);
}

/* As compressor.c does. */
static void put_packed(const char *name, const void *bytes, size_t length)
{
	static ZSTD_CCtx *context;
	size_t room = ZSTD_compressBound(length), got;
	void *packed = malloc(room);

	context = context ? context : ZSTD_createCCtx();
	ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
	ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 1);
	got = ZSTD_compress2(context, packed, room, bytes, length);
	HOLDS(!ZSTD_isError(got));
	put(name, SEGMENT_COMPRESSED, packed, got);
	free(packed);
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

static void note(const struct verify_finding *finding, void *context)
{
	HOLDS(strlen(finding->text) < 256 && finding->first_line <= finding->last_line);
	++*(uint64_t *)context;
}

static struct verify_summary verified(struct verify_range range)
{
	const struct verify_trust trust = {&key, 1, NULL, 0};
	struct verify_summary summary = {0};
	uint64_t findings = 0;
	int error = verify_range(folder, range, &trust, note, &findings, &summary);

	HOLDS(!error || (error == -ERANGE && range.last != UINT32_MAX));
	HOLDS(error || summary.findings == findings);
	return summary;
}

struct answer {
	const struct filter *filter;
	uint64_t found;
};

static int take(const char *line, size_t length, void *context)
{
	struct answer *answer = context;
	struct replay_question question;
	uint64_t count;
	int error = replay_parse(line, length, &question, &count);

	HOLDS(line_is_json(line, length) && filter_matches(answer->filter, line, length));
	HOLDS(!error || error == -ENOENT || error == -EINVAL);
	HOLDS(error || question.range_bits <= 128);
	answer->found++;
	return 0;
}

static uint64_t asked(const struct filter *filter)
{
	struct answer answer = {.filter = filter};
	struct query_place place = {0};

	HOLDS(!query_run(folder, filter, &place, take, &answer, NULL));
	return answer.found;
}

static void read_lines(const char *text, size_t length)
{
	const char *end = text + length, *next;

	for (const char *line = text; line < end; line = next) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		size_t size = (size_t)((newline ? newline : end) - line);
		/* Of its own, so that what is read behind it is noticed. */
		char *copy = memcpy(malloc(size + !size), line, size);
		struct replay_question question;
		struct chain_checkpoint checkpoint;
		struct chain_segment segment;
		uint8_t hash[SHA256_BYTES];
		uint64_t count, seal;
		uint32_t number;

		next = newline ? newline + 1 : end;
		line_is_json(copy, size);
		chain_parse_segment(copy, size, &segment);
		if (!chain_parse_checkpoint(copy, size, &checkpoint))
			HOLDS(checkpoint.signed_length <= size);
		retention_parse(copy, size, &number, &seal, hash);
		replay_parse(copy, size, &question, &count);
		free(copy);
	}
}

static void read_log(struct verify_summary *ret_summary, uint64_t *ret_found)
{
	struct filter filter = {0};
	struct gaps *gaps;

	*ret_summary = verified(VERIFY_ALL);
	verified((struct verify_range){1, 1});
	verified((struct verify_range){2, 3});
	*ret_found = asked(&filter);
	filter_set_since(&filter, "2026-01-01T00:00:00Z");
	filter_set_client(&filter, "203.0.113.0/24");
	filter.texts[FILTER_VERDICT] = "forward";
	HOLDS(asked(&filter) <= *ret_found);
	HOLDS(!gaps_new(2, &gaps));
	gaps_learn(gaps, folder, 7);
	gaps_free(gaps);
}

static void read_text(const char *text, size_t length, bool two)
{
	const char *part = two ? memchr(text, PART, length) : NULL;
	size_t first = part ? (size_t)(part - text) : length, second = part ? length - first - 1 : 0;
	struct verify_summary plain, packed;
	uint64_t found, again;

	read_lines(text, length);
	put(FIRST, "", text, first);
	if (part)
		put(SECOND, "", part + 1, second);
	read_log(&plain, &found);
	take_away(FIRST, "");
	if (first) {
		put_packed(FIRST, text, first);
		read_log(&packed, &again);
		HOLDS(plain.findings == packed.findings && plain.lines == packed.lines &&
		      plain.decisions == packed.decisions && plain.last_seal == packed.last_seal && found == again);
	}
	take_away(FIRST, SEGMENT_COMPRESSED);
	take_away(SECOND, "");
}

static void read_packed(const char *bytes, size_t length)
{
	unsigned long long says = ZSTD_getFrameContentSize(bytes, length);
	struct segment_text text;
	struct verify_summary summary;
	uint64_t found;

	if (says != ZSTD_CONTENTSIZE_UNKNOWN && says != ZSTD_CONTENTSIZE_ERROR && says > TEXT_MAX &&
	    says <= SEGMENT_TEXT_MAX)
		return;
	put(FIRST, SEGMENT_COMPRESSED, bytes, length);
	HOLDS(!segment_read(folder, FIRST, &text));
	HOLDS(text.length <= text.mapped && text.mapped <= TEXT_MAX);
	HOLDS(text.damaged || text.length == says);
	segment_release(&text);
	read_log(&summary, &found);
	take_away(FIRST, SEGMENT_COMPRESSED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy;

	if (!key)
		begin();
	if (!size)
		return 0;
	copy = memcpy(malloc(size), data + 1, size - 1);
	if (data[0] % 4 == 3)
		read_packed(copy, size - 1);
	else
		read_text(copy, size - 1, data[0] % 4 == 2);
	free(copy);
	return 0;
}
