// SPDX-License-Identifier: GPL-2.0-only
#include "audit/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/counters.h"

static size_t places(void)
{
	return counters_cpus() * USHER_RINGS;
}

int batch_init(struct batch *batch)
{
	*batch = (struct batch){.ranges = calloc(places(), sizeof(*batch->ranges))};
	if (!batch->ranges)
		return -ENOMEM;
	batch_clear(batch);
	return 0;
}

void batch_free(struct batch *batch)
{
	json_free(&batch->text);
	json_free(&batch->kept);
	free(batch->ranges);
}

void batch_keep(struct batch *batch, size_t length)
{
	json_raw(&batch->kept, batch->text.bytes + batch->text.length - length, length);
	batch->kept_records++;
	batch->records++;
}

bool batch_drop(struct batch *batch, size_t length)
{
	const struct json *text = &batch->text, *kept = &batch->kept;

	if (length > kept->length || length > text->length ||
	    memcmp(text->bytes + text->length - length, kept->bytes + kept->length - length, length) != 0)
		return false;
	batch->text.length -= length;
	batch->kept.length -= length;
	batch->kept_records--;
	batch->records--;
	return true;
}

/* `bytes` at its front. */
static void put_before(struct json *text, const struct json *bytes)
{
	struct json after = *text;

	*text = (struct json){0};
	json_raw(text, bytes->bytes, bytes->length);
	if (after.length)
		json_raw(text, after.bytes, after.length);
	json_free(&after);
}

void batch_restore(struct batch *batch, const struct json *lines, uint64_t records)
{
	put_before(&batch->text, lines);
	put_before(&batch->kept, lines);
	batch->records += records;
	batch->kept_records += records;
}

void batch_recall(struct batch *batch)
{
	json_clear(&batch->text);
	if (batch->kept_records)
		json_raw(&batch->text, batch->kept.bytes, batch->kept.length);
	batch->records = batch->kept_records;
	batch->numbered = 0;
	for (size_t i = 0; i < places(); i++)
		batch->ranges[i] = (struct chain_range){.cpu = (uint32_t)(i / USHER_RINGS),
							.ring = (enum usher_ring)(i % USHER_RINGS),
							.first = UINT64_MAX};
}

void batch_clear(struct batch *batch)
{
	json_clear(&batch->kept);
	batch->kept_records = 0;
	batch_recall(batch);
}

void batch_widen(struct batch *batch, uint32_t cpu, enum usher_ring ring, uint64_t first, uint64_t last)
{
	struct chain_range *range;

	if (cpu >= counters_cpus() || ring >= USHER_RINGS)
		return;
	range = &batch->ranges[cpu * USHER_RINGS + ring];
	range->first = first < range->first ? first : range->first;
	range->last = last > range->last ? last : range->last;
}

int batch_append(const struct batch *batch, struct ledger *ledger, const struct record_stamp *stamp)
{
	_cleanup_free_ struct chain_range *ranges = calloc(places(), sizeof(*ranges));
	size_t count = 0;

	if (!ranges)
		return -ENOMEM;
	for (size_t i = 0; i < places(); i++)
		if (batch->ranges[i].first <= batch->ranges[i].last)
			ranges[count++] = batch->ranges[i];
	return ledger_append(ledger, stamp, batch->text.bytes, batch->text.length, batch->records, ranges, count);
}
