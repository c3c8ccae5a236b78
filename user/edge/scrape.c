// SPDX-License-Identifier: GPL-2.0-only
#include "edge/scrape.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "edge/identity.h"
#include "edge/load.h"

#define FIRST_WITHIN (5 * CLOCK_SECOND)
#define LATER (100 * CLOCK_MILLISECOND) /* when we ourselves lack something */
#define STATUS_OK 200

/* One whose last page could not be had may hang: such scrapes have room of their own. */
enum standing { TRUSTED, DOUBTED, STANDINGS };

/* What reads an answer: a page of metrics as it comes, or a document once it is there. Made when it is first needed, then kept. */
struct reader {
	struct exposition *exposition;
	struct telemetry *telemetry;
	char *document; /* IDENTITY_BODY_MAX bytes */
	size_t length;
	bool begun;
};

struct scrape {
	struct edge_source *source; /* stays where it is as long as it is read */
	struct telemetry_series own[LOAD_OWN_SERIES];
	struct transfer *transfer; /* NULL: none is under way */
	struct reader *reader;	   /* of the one under way */
	enum standing begun_as;
	int64_t begin_at;    /* the next one */
	int64_t moment;	     /* its moments are so many intervals from this one */
	int64_t observed_at; /* the last page that was read */
	bool known;	     /* there has been one, good or bad */
	struct cause cause;
	struct scrape_result result;
	bool told;
};

struct scrapes {
	struct transfers *transfers;
	struct transfer_owner owner;
	scrape_report *report;
	void *context;
	struct scrape *items;
	uint32_t count;
	uint32_t open[STANDINGS];
	uint32_t turn[STANDINGS]; /* whose turn it is, among those that wait */
	struct reader readers[SCRAPES_OPEN_MAX];
	struct reader *free_readers[SCRAPES_OPEN_MAX];
	uint32_t free_count;
};

/* ---- a page ------------------------------------------------------------------------------------------------------ */

static int make_reader(struct reader *reader, const struct edge_source *source)
{
	if (source->kind == EDGE_SOURCE_IDENTITY) {
		if (!reader->document)
			reader->document = malloc(IDENTITY_BODY_MAX);
		return reader->document ? 0 : -ENOMEM;
	}
	if (!reader->exposition && exposition_new(&reader->exposition))
		return -ENOMEM;
	return reader->telemetry ? 0 : telemetry_new(&reader->telemetry);
}

static void begin_page(struct scrape *scrape, enum exposition_format format)
{
	struct reader *reader = scrape->reader;
	struct exposition_consumer consumer;

	load_begin(reader->telemetry, scrape->source, scrape->own);
	consumer = telemetry_consumer(reader->telemetry);
	exposition_begin(reader->exposition, format, &consumer);
	reader->begun = true;
}

static bool take_head(void *context, uint64_t mark, uint16_t status, const char *type)
{
	struct scrapes *scrapes = context;
	struct scrape *scrape = &scrapes->items[mark];
	enum exposition_format format;

	if (status != STATUS_OK)
		return false;
	if (scrape->source->kind == EDGE_SOURCE_IDENTITY) {
		scrape->reader->begun = true;
		return true;
	}
	if (exposition_format_of(type, &format))
		return false;
	begin_page(scrape, format);
	return true;
}

static bool append(struct reader *reader, const char *bytes, size_t length)
{
	if (length > IDENTITY_BODY_MAX - reader->length)
		return false;
	memcpy(reader->document + reader->length, bytes, length);
	reader->length += length;
	return true;
}

static bool take_body(void *context, uint64_t mark, const char *bytes, size_t length)
{
	const struct scrapes *scrapes = context;
	const struct scrape *scrape = &scrapes->items[mark];

	return scrape->source->kind == EDGE_SOURCE_IDENTITY
		       ? append(scrape->reader, bytes, length)
		       : !exposition_feed(scrape->reader->exposition, bytes, length);
}

static struct cause judge_page(const struct scrape *scrape, struct scrape_result *ret_result)
{
	const struct reader *reader = scrape->reader;

	if (!reader->begun)
		return (struct cause){CAUSE_TYPE, 0};
	if (exposition_end(reader->exposition))
		return (struct cause){CAUSE_PAGE, (int32_t)exposition_error(reader->exposition)->line};
	load_end(reader->telemetry, scrape->source, &ret_result->load);
	return (struct cause){CAUSE_NONE, 0};
}

static struct cause judge_document(const struct scrape *scrape, struct scrape_result *ret_result)
{
	const struct reader *reader = scrape->reader;
	int error = identity_read(reader->document, reader->length, scrape->source->pointer, scrape->source->equals,
				  &ret_result->identity);

	return (struct cause){!error		 ? CAUSE_NONE
			      : error == -ENOMEM ? CAUSE_OURS
			      : error == -ENOENT ? CAUSE_POINTER
						 : CAUSE_DOCUMENT,
			      0};
}

/* How it ended. CAUSE_NONE: what was read is in `ret_result`. */
static struct cause judge(const struct scrape *scrape, const struct transfer_result *result,
			  struct scrape_result *ret_result)
{
	if (result->cause.kind != CAUSE_NONE)
		return result->cause;
	if (result->status != STATUS_OK)
		return (struct cause){CAUSE_STATUS, result->status};
	return (scrape->source->kind == EDGE_SOURCE_IDENTITY ? judge_document : judge_page)(scrape, ret_result);
}

static void tell(struct scrapes *scrapes, uint32_t source, int64_t now)
{
	struct scrape *scrape = &scrapes->items[source];
	uint32_t age_ms = (uint32_t)((now - scrape->observed_at) / CLOCK_MILLISECOND);

	if (!scrape->known || scrape->told)
		return;
	if (scrape->source->kind == EDGE_SOURCE_IDENTITY)
		scrape->result.identity.age_ms = age_ms;
	else
		scrape->result.load.age_ms = age_ms;
	scrape->told = scrapes->report(scrapes->context, source, (enum edge_source_kind)scrape->source->kind,
				       scrape->cause, &scrape->result);
}

static void let_go(struct scrapes *scrapes, struct scrape *scrape)
{
	scrapes->free_readers[scrapes->free_count++] = scrape->reader;
	scrapes->open[scrape->begun_as]--;
	scrape->reader = NULL;
	scrape->transfer = NULL;
}

static void transfer_done(void *context, uint64_t mark, const struct transfer_result *result)
{
	struct scrapes *scrapes = context;
	struct scrape *scrape = &scrapes->items[mark];
	int64_t now = clock_monotonic();
	struct scrape_result found = {0};
	struct cause cause = judge(scrape, result, &found);

	let_go(scrapes, scrape);
	if (cause.kind == CAUSE_OURS) {
		scrape->begin_at = now + LATER;
		return;
	}
	if (cause.kind == CAUSE_NONE) {
		scrape->result = found;
		scrape->observed_at = now;
	}
	scrape->cause = cause;
	scrape->known = true;
	scrape->told = false;
	tell(scrapes, (uint32_t)mark, now);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

int scrapes_new(struct transfers *transfers, scrape_report *report, void *context, struct scrapes **ret_scrapes)
{
	struct scrapes *scrapes = calloc(1, sizeof(*scrapes));

	if (!scrapes)
		return -ENOMEM;
	scrapes->transfers = transfers;
	scrapes->owner = (struct transfer_owner){
		.head = take_head, .body = take_body, .done = transfer_done, .context = scrapes};
	scrapes->report = report;
	scrapes->context = context;
	for (size_t i = ARRAY_COUNT(scrapes->readers); i-- > 0;)
		scrapes->free_readers[scrapes->free_count++] = &scrapes->readers[i];
	*ret_scrapes = scrapes;
	return 0;
}

static void drop(struct scrapes *scrapes, struct scrape *scrape)
{
	if (scrape->transfer) {
		transfer_end(scrape->transfer);
		let_go(scrapes, scrape);
	}
	free(scrape->source);
}

void scrapes_free(struct scrapes *scrapes)
{
	if (!scrapes)
		return;
	for (uint32_t i = 0; i < scrapes->count; i++)
		drop(scrapes, &scrapes->items[i]);
	for (size_t i = 0; i < ARRAY_COUNT(scrapes->readers); i++) {
		exposition_free(scrapes->readers[i].exposition);
		telemetry_free(scrapes->readers[i].telemetry);
		free(scrapes->readers[i].document);
	}
	free(scrapes->items);
	free(scrapes);
}

/* ---- a new list -------------------------------------------------------------------------------------------------- */

/* Mostly the one after that which was found last. */
static struct scrape *find(const struct scrapes *scrapes, const struct edge_source *source, uint32_t *hint)
{
	for (uint32_t i = 0; i < scrapes->count; i++) {
		uint32_t at = (*hint + i) % scrapes->count;

		if (scrapes->items[at].source && !memcmp(scrapes->items[at].source, source, sizeof(*source))) {
			*hint = at + 1;
			return &scrapes->items[at];
		}
	}
	return NULL;
}

/* What `before` is in the middle of goes on as source number `number`. */
static void carry(struct scrape *scrape, struct scrape *before, uint32_t number)
{
	*scrape = *before;
	scrape->told = false;
	if (scrape->transfer)
		transfer_mark(scrape->transfer, number);
	before->source = NULL;
	before->transfer = NULL;
}

static int fill(struct scrapes *scrapes, struct scrape *items, const struct edge_source *sources, uint32_t count,
		int64_t now)
{
	uint32_t hint = 0;
	int64_t every;

	for (uint32_t i = 0; i < count; i++) {
		struct scrape *before = find(scrapes, &sources[i], &hint);

		if (before) {
			carry(&items[i], before, i);
			continue;
		}
		/* A newcomer is not unknown for an interval of an hour. */
		every = sources[i].every_ms * CLOCK_MILLISECOND;
		items[i].moment = now + every / count * i;
		items[i].begin_at = now + (every < FIRST_WITHIN ? every : FIRST_WITHIN) / count * i;
		items[i].source = malloc(sizeof(*items[i].source));
		if (!items[i].source)
			return -ENOMEM;
		*items[i].source = sources[i];
	}
	return 0;
}

int scrapes_watch(struct scrapes *scrapes, const struct edge_source *sources, uint32_t count, int64_t now)
{
	struct scrape *items = calloc(count + 1, sizeof(*items));
	int error = items ? fill(scrapes, items, sources, count, now) : -ENOMEM;

	for (uint32_t i = 0; i < scrapes->count; i++)
		drop(scrapes, &scrapes->items[i]);
	free(scrapes->items);
	scrapes->items = items;
	scrapes->count = items ? count : 0;
	memset(scrapes->turn, 0, sizeof(scrapes->turn));
	return error;
}

/* ---- the schedule ------------------------------------------------------------------------------------------------ */

static enum standing standing_of(const struct scrape *scrape)
{
	return scrape->known && scrape->cause.kind != CAUSE_NONE ? DOUBTED : TRUSTED;
}

static bool has_room(const struct scrapes *scrapes, enum standing standing)
{
	return scrapes->free_count && (standing == TRUSTED || scrapes->open[DOUBTED] < SCRAPES_DOUBTED_MAX);
}

/* The moments of a source are an interval apart, whenever it is that somebody looks. */
static int64_t next_moment(const struct scrape *scrape, int64_t now)
{
	int64_t every = scrape->source->every_ms * CLOCK_MILLISECOND, since = now - scrape->moment;

	return since < 0 ? scrape->moment + since / every * every : scrape->moment + (since / every + 1) * every;
}

static void begin(struct scrapes *scrapes, uint32_t number, int64_t now)
{
	struct scrape *scrape = &scrapes->items[number];
	const struct edge_source *source = scrape->source;
	const struct transfer_request request = {
		.address = source->address,
		.port = source->port,
		.tls = source->tls,
		.verify = source->verify,
		.keep = true,
		.host = source->host,
		.path = source->path,
		.timeout_ms = source->timeout_ms,
		.body_max = source->kind == EDGE_SOURCE_IDENTITY ? IDENTITY_BODY_MAX : EXPOSITION_PAGE_MAX,
	};
	struct reader *reader = scrapes->free_readers[scrapes->free_count - 1];

	if (make_reader(reader, source) ||
	    transfers_begin(scrapes->transfers, &request, &scrapes->owner, number, &scrape->transfer)) {
		scrape->transfer = NULL;
		scrape->begin_at = now + LATER;
		return;
	}
	scrapes->free_count--;
	reader->begun = false;
	reader->length = 0;
	scrape->reader = reader;
	scrape->begin_at = next_moment(scrape, now);
	scrape->begun_as = standing_of(scrape);
	scrapes->open[scrape->begun_as]++;
}

/* Begins what is due while there is room, from the one on whose turn it is. */
static void begin_due(struct scrapes *scrapes, enum standing standing, int64_t now)
{
	uint32_t first = scrapes->turn[standing];

	for (uint32_t i = 0; i < scrapes->count; i++) {
		uint32_t number = (first + i) % scrapes->count;
		const struct scrape *scrape = &scrapes->items[number];

		if (scrape->transfer || scrape->begin_at > now || standing_of(scrape) != standing)
			continue;
		scrapes->turn[standing] = number;
		if (!has_room(scrapes, standing))
			return;
		begin(scrapes, number, now);
		scrapes->turn[standing] = (number + 1) % scrapes->count;
	}
}

int64_t scrapes_run(struct scrapes *scrapes, int64_t now)
{
	int64_t next = now + CLOCK_SECOND;

	begin_due(scrapes, TRUSTED, now);
	begin_due(scrapes, DOUBTED, now);
	for (uint32_t i = 0; i < scrapes->count; i++) {
		const struct scrape *scrape = &scrapes->items[i];

		tell(scrapes, i, now);
		if (scrape->known && !scrape->told && now + LATER < next)
			next = now + LATER;
		/* One that waits for room gets it when another one has ended, which is an event. */
		if (!scrape->transfer && scrape->begin_at > now && scrape->begin_at < next)
			next = scrape->begin_at;
	}
	return next;
}
