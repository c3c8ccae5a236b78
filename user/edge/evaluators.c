// SPDX-License-Identifier: GPL-2.0-only
#include "edge/evaluators.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "edge/promreply.h"

#define LATER (100 * CLOCK_MILLISECOND)	    /* when we ourselves lack something */
#define TELL_AGAIN (10 * CLOCK_MILLISECOND) /* when the core has not taken what it was told */
#define STATUS_OK 200

/* A reply that is collected. */
struct reply {
	char *bytes;
	size_t length, capacity;
	bool failed; /* there was no memory for it */
};

struct evaluation {
	struct edge_evaluator *evaluator; /* `first` is 0: series are its own */
	struct edge_series *series;
	struct series_set *set;
	struct exposition *exposition; /* of a page; made when it is first needed */
	struct reply reply;	       /* of a query */
	struct transfer *transfer;     /* NULL: none is under way */
	bool reading;		       /* the head was that of a page or reply */
	uint32_t asked;		       /* series of this round that have been, of a Prometheus server */
	uint32_t asking;	       /* that are at the moment */
	int64_t begin_at;	       /* the next round */
	int64_t began_at;	       /* the last one */
	/* What the last complete round said. */
	struct edge_value *values;
	int64_t read_at;
	bool has_values;
	/* How the last round ended, and what has been told of it. */
	bool known, told;
	struct cause cause;
	uint32_t told_values;
};

struct evaluators {
	struct transfers *transfers;
	struct transfer_owner owner;
	bool (*report)(void *context, const struct edge_fact *fact);
	void *context;
	struct evaluation *items;
	uint32_t count;
};

/* ---- telling --------------------------------------------------------------------------------------------------- */

static uint32_t older_by(const struct edge_value *value, int64_t age)
{
	int64_t all = value->age_ms + age / CLOCK_MILLISECOND;

	return all < UINT32_MAX ? (uint32_t)all : UINT32_MAX;
}

/* The next few values. */
static bool tell_values(const struct evaluators *evaluators, uint32_t number, int64_t now)
{
	struct evaluation *evaluation = &evaluators->items[number];
	struct edge_fact fact = {.kind = EDGE_FACT_VALUES,
				 .target = number,
				 .up = 1,
				 .cause = CAUSE_NONE,
				 .number = (int32_t)evaluation->told_values};

	for (uint32_t i = 0; i < EDGE_VALUES && evaluation->told_values + i < evaluation->evaluator->count; i++) {
		fact.values[i] = evaluation->values[evaluation->told_values + i];
		fact.values[i].age_ms = older_by(&fact.values[i], now - evaluation->read_at);
	}
	if (!evaluators->report(evaluators->context, &fact))
		return false;
	evaluation->told_values += EDGE_VALUES;
	return true;
}

static void tell(const struct evaluators *evaluators, uint32_t number, int64_t now)
{
	struct evaluation *evaluation = &evaluators->items[number];
	const struct edge_fact fact = {.kind = EDGE_FACT_EVALUATED,
				       .target = number,
				       .up = evaluation->cause.kind == CAUSE_NONE,
				       .cause = evaluation->cause.kind,
				       .number = evaluation->cause.number};

	if (!evaluation->known || evaluation->told)
		return;
	while (fact.up && evaluation->told_values < evaluation->evaluator->count)
		if (!tell_values(evaluators, number, now))
			return;
	evaluation->told = evaluators->report(evaluators->context, &fact);
}

/* ---- a round --------------------------------------------------------------------------------------------------- */

static bool is_query(const struct evaluation *evaluation)
{
	return evaluation->evaluator->protocol == EVALUATOR_PROMETHEUS;
}

/* The moments of an evaluator are an interval apart, however long a round takes. */
static int64_t next_moment(const struct evaluation *evaluation, int64_t now)
{
	int64_t every = evaluation->evaluator->every_ms * CLOCK_MILLISECOND;

	return evaluation->begin_at + ((now - evaluation->begin_at) / every + 1) * every;
}

/* Asks for the page, or for the next series. */
static int ask(struct evaluators *evaluators, uint32_t number)
{
	struct evaluation *evaluation = &evaluators->items[number];
	const struct edge_evaluator *evaluator = evaluation->evaluator;
	char path[PROMREPLY_PATH];
	struct transfer_request request = {
		.address = evaluator->address,
		.port = evaluator->port,
		.tls = evaluator->tls,
		.verify = evaluator->verify,
		.keep = true,
		.host = evaluator->host,
		.path = evaluator->path,
		.timeout_ms = evaluator->timeout_ms,
		.body_max = EXPOSITION_PAGE_MAX,
	};

	evaluation->reading = false;
	evaluation->reply.length = 0;
	evaluation->reply.failed = false;
	if (is_query(evaluation)) {
		const struct edge_series *series = &evaluation->series[evaluation->asked];

		evaluation->asking = promreply_together(series, evaluator->count - evaluation->asked);
		promreply_path(series, evaluator->path, (evaluator->stale_after_ms + 999) / 1000, path);
		request.path = path;
		request.body_max = PROMREPLY_MAX;
	} else if (!evaluation->exposition && exposition_new(&evaluation->exposition)) {
		return -ENOMEM;
	}
	return transfers_begin(evaluators->transfers, &request, &evaluators->owner, number, &evaluation->transfer);
}

static bool take_head(void *context, uint64_t mark, uint16_t status, const char *type)
{
	const struct evaluators *evaluators = context;
	struct evaluation *evaluation = &evaluators->items[mark];
	struct exposition_consumer consumer = series_consumer(evaluation->set);
	enum exposition_format format;

	if (status != STATUS_OK)
		return false;
	if (!is_query(evaluation)) {
		if (exposition_format_of(type, &format))
			return false;
		exposition_begin(evaluation->exposition, format, &consumer);
	}
	evaluation->reading = true;
	return true;
}

static bool collect(struct reply *reply, const char *bytes, size_t length)
{
	if (reply->length + length > reply->capacity) {
		size_t capacity = 2 * (reply->length + length);
		char *larger = realloc(reply->bytes, capacity);

		reply->failed = !larger;
		if (!larger)
			return false;
		reply->bytes = larger;
		reply->capacity = capacity;
	}
	memcpy(reply->bytes + reply->length, bytes, length);
	reply->length += length;
	return true;
}

static bool take_body(void *context, uint64_t mark, const char *bytes, size_t length)
{
	const struct evaluators *evaluators = context;
	struct evaluation *evaluation = &evaluators->items[mark];

	return is_query(evaluation) ? collect(&evaluation->reply, bytes, length)
				    : !exposition_feed(evaluation->exposition, bytes, length);
}

/* Of a reply that has been read. */
static void forget(struct reply *reply)
{
	free(reply->bytes);
	*reply = (struct reply){0};
}

/* What came of one request. */
static struct cause judge(struct evaluation *evaluation, const struct transfer_result *result)
{
	const struct reply *reply = &evaluation->reply;
	int error;

	if (reply->failed)
		return (struct cause){CAUSE_OURS, 0};
	if (result->cause.kind != CAUSE_NONE)
		return result->cause;
	if (result->status != STATUS_OK)
		return (struct cause){CAUSE_STATUS, result->status};
	if (!is_query(evaluation)) {
		if (!evaluation->reading)
			return (struct cause){CAUSE_TYPE, 0};
		if (exposition_end(evaluation->exposition))
			return (struct cause){CAUSE_PAGE, (int32_t)exposition_error(evaluation->exposition)->line};
		return (struct cause){CAUSE_NONE, 0};
	}
	error = promreply_take(reply->bytes, reply->length, evaluation->set, &evaluation->series[evaluation->asked],
			       evaluation->asked, evaluation->asking);
	return (struct cause){!error ? CAUSE_NONE : error == -ENOMEM ? CAUSE_OURS : CAUSE_REPLY, 0};
}

static void end_round(struct evaluators *evaluators, uint32_t number, struct cause cause)
{
	struct evaluation *evaluation = &evaluators->items[number];
	int64_t now = clock_monotonic();

	forget(&evaluation->reply);
	evaluation->begin_at = next_moment(evaluation, now);
	if (cause.kind == CAUSE_OURS) {
		evaluation->begin_at = now + LATER;
		return;
	}
	if (cause.kind == CAUSE_NONE) {
		series_end(evaluation->set, clock_realtime() / CLOCK_MILLISECOND, evaluation->values);
		evaluation->read_at = now;
		evaluation->has_values = true;
	}
	evaluation->cause = cause;
	evaluation->known = true;
	evaluation->told = false;
	evaluation->told_values = 0;
	tell(evaluators, number, now);
}

/* With the next query, unless what the first one said is stale by now. */
static struct cause go_on(struct evaluators *evaluators, uint32_t number)
{
	struct evaluation *evaluation = &evaluators->items[number];
	uint32_t most = evaluation->evaluator->stale_after_ms;

	if (clock_monotonic() - evaluation->began_at >= most * CLOCK_MILLISECOND)
		return (struct cause){CAUSE_TIMEOUT, (int32_t)most};
	if (!ask(evaluators, number))
		return (struct cause){CAUSE_NONE, 0};
	evaluation->transfer = NULL;
	return (struct cause){CAUSE_OURS, 0};
}

static void transfer_done(void *context, uint64_t mark, const struct transfer_result *result)
{
	struct evaluators *evaluators = context;
	struct evaluation *evaluation = &evaluators->items[mark];
	struct cause cause = judge(evaluation, result);

	evaluation->transfer = NULL;
	if (cause.kind == CAUSE_NONE && is_query(evaluation)) {
		evaluation->asked += evaluation->asking;
		if (evaluation->asked < evaluation->evaluator->count) {
			cause = go_on(evaluators, (uint32_t)mark);
			if (cause.kind == CAUSE_NONE)
				return;
		}
	}
	end_round(evaluators, (uint32_t)mark, cause);
}

static void begin_round(struct evaluators *evaluators, uint32_t number, int64_t now)
{
	struct evaluation *evaluation = &evaluators->items[number];

	evaluation->asked = 0;
	evaluation->began_at = now;
	series_begin(evaluation->set);
	if (ask(evaluators, number)) {
		evaluation->transfer = NULL;
		evaluation->begin_at = now + LATER;
	}
}

int64_t evaluators_run(struct evaluators *evaluators, int64_t now)
{
	int64_t next = now + CLOCK_SECOND;

	for (uint32_t i = 0; i < evaluators->count; i++) {
		struct evaluation *evaluation = &evaluators->items[i];
		bool untold;

		if (!evaluation->evaluator->count)
			continue; /* nobody wants anything of it */
		tell(evaluators, i, now);
		/* What one round says is told to its end before the next one begins, or a slow core never heard an end. */
		untold = evaluation->known && !evaluation->told;
		if (!evaluation->transfer && !untold && evaluation->begin_at <= now)
			begin_round(evaluators, i, now);
		if (untold && now + TELL_AGAIN < next)
			next = now + TELL_AGAIN;
		if (!evaluation->transfer && !untold && evaluation->begin_at < next)
			next = evaluation->begin_at;
	}
	return next;
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

int evaluators_new(struct transfers *transfers, bool (*report)(void *context, const struct edge_fact *fact),
		   void *context, struct evaluators **ret_evaluators)
{
	struct evaluators *evaluators = calloc(1, sizeof(*evaluators));

	if (!evaluators)
		return -ENOMEM;
	*evaluators = (struct evaluators){
		.transfers = transfers,
		.owner = {.head = take_head, .body = take_body, .done = transfer_done, .context = evaluators},
		.report = report,
		.context = context,
	};
	*ret_evaluators = evaluators;
	return 0;
}

static void drop(struct evaluation *evaluation)
{
	if (evaluation->transfer)
		transfer_end(evaluation->transfer);
	exposition_free(evaluation->exposition);
	series_free(evaluation->set);
	free(evaluation->reply.bytes);
	free(evaluation->evaluator);
	free(evaluation->series);
	free(evaluation->values);
}

void evaluators_free(struct evaluators *evaluators)
{
	if (!evaluators)
		return;
	for (uint32_t i = 0; i < evaluators->count; i++)
		drop(&evaluators->items[i]);
	free(evaluators->items);
	free(evaluators);
}

/* ---- a new list ------------------------------------------------------------------------------------------------ */

static bool is_same(const struct evaluation *evaluation, const struct edge_evaluator *evaluator,
		    const struct edge_series *series)
{
	return evaluation->evaluator && !memcmp(evaluation->evaluator, evaluator, sizeof(*evaluator)) &&
	       !memcmp(evaluation->series, series, evaluator->count * sizeof(*series));
}

/* What it is in the middle of goes on as number `number`. */
static bool carry(struct evaluators *evaluators, struct evaluation *to, const struct edge_evaluator *evaluator,
		  const struct edge_series *series, uint32_t number)
{
	for (uint32_t i = 0; i < evaluators->count; i++) {
		struct evaluation *before = &evaluators->items[i];

		if (!is_same(before, evaluator, series))
			continue;
		*to = *before;
		*before = (struct evaluation){0};
		to->told = false;
		to->told_values = 0;
		/* A round may be under way; what it has found so far is no value yet. */
		to->known = to->known && (to->cause.kind != CAUSE_NONE || to->has_values);
		if (to->transfer)
			transfer_mark(to->transfer, number);
		return true;
	}
	return false;
}

static int make(struct evaluation *evaluation, const struct edge_evaluator *evaluator, const struct edge_series *series)
{
	uint32_t count = evaluator->count;

	evaluation->evaluator = malloc(sizeof(*evaluator));
	evaluation->series = calloc(count + 1, sizeof(*series));
	evaluation->values = calloc(count + 1, sizeof(*evaluation->values));
	if (!evaluation->evaluator || !evaluation->series || !evaluation->values)
		return -ENOMEM;
	*evaluation->evaluator = *evaluator;
	memcpy(evaluation->series, series, count * sizeof(*series));
	return series_new(evaluation->series, count, &evaluation->set);
}

int evaluators_watch(struct evaluators *evaluators, const struct edge_evaluator *list, uint32_t count,
		     const struct edge_series *series, int64_t now)
{
	struct evaluation *items = calloc(count + 1, sizeof(*items));
	int error = items ? 0 : -ENOMEM;

	for (uint32_t i = 0; !error && i < count; i++) {
		struct edge_evaluator evaluator = list[i];
		const struct edge_series *own = series + evaluator.first;

		evaluator.first = 0;
		items[i].begin_at = now;
		if (!carry(evaluators, &items[i], &evaluator, own, i))
			error = make(&items[i], &evaluator, own);
	}
	for (uint32_t i = 0; i < evaluators->count; i++)
		drop(&evaluators->items[i]);
	free(evaluators->items);
	evaluators->items = items;
	evaluators->count = items ? count : 0;
	return error;
}
