// SPDX-License-Identifier: GPL-2.0-only
/* usher simulate: what another policy would have made of the decisions that are on record. Needs no daemon. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/query.h"
#include "audit/record.h"
#include "audit/replay.h"
#include "base/clock.h"
#include "base/address.h"
#include "base/cleanup.h"
#include "compile/intern.h"
#include "cli/audit.h"
#include "cli/audit_filter.h"
#include "cli/document.h"
#include "cli/field.h"
#include "cli/ink.h"
#include "cli/verbs.h"
#include "policy/members.h"
#include "policy/policy.h"
#include "policy/prefix.h"

#define EXAMPLES_MAX 3
#define EXAMPLE_TEXT 160
#define TIME_AT 9
#define TIME_LENGTH 24

/* Decisions that are alike. */
struct group {
	uint64_t count;
	size_t examples;
	char example[EXAMPLES_MAX][EXAMPLE_TEXT];
};

/* What makes them so. Zeroed before it is filled: its bytes are compared. */
struct group_key {
	enum replay_outcome outcome;
	uint8_t was, is;
	size_t rule, rollout;
	char tenant[USHER_NAME_MAX + 1], region[8], service[USHER_NAME_MAX + 1], backend[USHER_NAME_MAX + 1];
};

struct simulation {
	struct replay *replay;
	const struct policy *policy;
	uint64_t counts[REPLAY_OUTCOMES], by_recorded, unreadable;
	struct intern keys;
	struct group *groups;
	size_t group_room;
};

/* ---- records ------------------------------------------------------------------------------------------------- */

static struct group *group_of(struct simulation *simulation, const struct group_key *key)
{
	size_t before = simulation->keys.count, number = intern(&simulation->keys, key, sizeof(*key));

	if (number == simulation->group_room) {
		simulation->group_room = simulation->group_room ? 2 * simulation->group_room : 64;
		simulation->groups = realloc(simulation->groups, simulation->group_room * sizeof(*simulation->groups));
		if (!simulation->groups)
			abort();
	}
	if (number == before)
		simulation->groups[number] = (struct group){0};
	return &simulation->groups[number];
}

static void add_example(struct group *group, const char *line, const struct replay_question *question)
{
	char client[PREFIX_TEXT] = "many";

	if (group->examples == EXAMPLES_MAX)
		return;
	if (question->has_client)
		address_print(&question->client, client);
	else if (question->has_range)
		prefix_print(&question->client, question->range_bits, client);
	snprintf(group->example[group->examples++], EXAMPLE_TEXT, "%.*s from %s%s%s", TIME_LENGTH, line + TIME_AT,
		 client, question->backend[0] ? " to " : "", question->backend);
}

static int take_line(const char *line, size_t length, void *context)
{
	struct simulation *simulation = context;
	struct replay_question question;
	struct replay_answer answer;
	struct group_key key;
	struct group *group;
	uint64_t count;
	int error;

	error = length < TIME_AT + TIME_LENGTH ? -EINVAL : replay_parse(line, length, &question, &count);
	simulation->unreadable += error != 0;
	if (error)
		return 0;
	replay_ask(simulation->replay, &question, &answer);
	simulation->counts[answer.outcome] += count;
	simulation->by_recorded += answer.by_recorded ? count : 0;
	if (answer.outcome == REPLAY_SAME || answer.outcome == REPLAY_OF_THE_MOMENT)
		return 0;
	memset(&key, 0, sizeof(key));
	key.outcome = answer.outcome;
	key.was = question.reason;
	key.is = answer.reason;
	key.rule = answer.rule;
	key.rollout = answer.rollout;
	memcpy(key.tenant, question.tenant, sizeof(key.tenant));
	memcpy(key.region, question.region, sizeof(key.region));
	memcpy(key.service, question.service, sizeof(key.service));
	if (answer.outcome == REPLAY_MOVED)
		memcpy(key.backend, question.backend, sizeof(key.backend));
	group = group_of(simulation, &key);
	group->count += count;
	add_example(group, line, &question);
	return 0;
}

static int read_all(struct simulation *simulation, const char *folder, const struct filter *filter)
{
	struct query_place place = {0};
	struct query_totals totals = {0};
	int error = query_run(folder, filter, &place, take_line, simulation, &totals);

	if (!error && totals.damaged)
		error = -EBADMSG;
	return error ? cli_fail(CLI_SYSTEM, "%s: %s", folder,
				error == -ENOENT    ? "there is no record"
				: error == -EBADMSG ? "not all of it can be read: usher audit verify says where"
						    : strerror(-error))
		     : CLI_OK;
}

/* ---- what came of it ----------------------------------------------------------------------------------------- */

static const struct group_key *key_at(const struct simulation *simulation, size_t number)
{
	return intern_bytes(&simulation->keys, number);
}

static int by_count(const void *a, const void *b, void *context)
{
	const struct simulation *simulation = context;
	const struct group_key *left = key_at(simulation, *(const size_t *)a),
			       *right = key_at(simulation, *(const size_t *)b);
	uint64_t more = simulation->groups[*(const size_t *)a].count,
		 less = simulation->groups[*(const size_t *)b].count;

	if (left->outcome != right->outcome)
		return left->outcome < right->outcome ? -1 : 1;
	return more > less ? -1 : more < less;
}

static size_t *sorted(const struct simulation *simulation)
{
	size_t *order = calloc(simulation->keys.count + 1, sizeof(*order));

	if (!order)
		abort();
	for (size_t i = 0; i < simulation->keys.count; i++)
		order[i] = i;
	qsort_r(order, simulation->keys.count, sizeof(*order), by_count, (void *)(uintptr_t)simulation);
	return order;
}

static const char *rule_of(const struct simulation *simulation, const struct group_key *key)
{
	return key->rule == POLICY_NONE ? NULL : simulation->policy->rules[key->rule].id;
}

static const char *rollout_of(const struct simulation *simulation, const struct group_key *key)
{
	return key->rollout == POLICY_NONE ? NULL : simulation->policy->rollouts[key->rollout].name;
}

static bool has_answer(const struct group_key *key)
{
	return key->outcome != REPLAY_UNANSWERABLE && key->outcome != REPLAY_SPLIT;
}

static void print_group(const struct simulation *simulation, size_t number)
{
	const struct group_key *key = key_at(simulation, number);
	const struct group *group = &simulation->groups[number];
	const char *rule = rule_of(simulation, key), *rollout = rollout_of(simulation, key);

	printf("%s%-18s%s %10" PRIu64 "  %s from %s at %s: %s",
	       ink(key->outcome == REPLAY_DENIED ? INK_BAD : INK_PLAIN), replay_outcome_words[key->outcome],
	       ink(INK_PLAIN), group->count, key->tenant[0] ? key->tenant : "-", key->region[0] ? key->region : "-",
	       key->service[0] ? key->service : "-", record_reason(key->was));
	if (key->outcome == REPLAY_MOVED)
		printf(", away from %s: %s", key->backend, record_reason(key->is));
	else if (has_answer(key))
		printf(" -> %s", record_reason(key->is));
	if (rule || rollout)
		printf(" (%s %s)", rule ? "rule" : "roll-out", rule ? rule : rollout);
	putchar('\n');
	for (size_t e = 0; e < group->examples; e++)
		printf("%-18s %10s  %s\n", "", "", group->example[e]);
}

static void print_text(const struct simulation *simulation, const size_t *order)
{
	uint64_t all = 0;

	for (size_t i = 0; i < simulation->keys.count; i++)
		print_group(simulation, order[i]);
	for (size_t o = 0; o < REPLAY_OUTCOMES; o++)
		all += simulation->counts[o];
	printf("%" PRIu64 " decisions: %" PRIu64 " the same, %" PRIu64 " allowed and then denied, %" PRIu64
	       " denied and then allowed, %" PRIu64 " moved,\n%" PRIu64 " of the moment, %" PRIu64
	       " that the policy cannot answer, %" PRIu64 " of prefixes that it splits; %" PRIu64
	       " judged by the tenant and region on record",
	       all, simulation->counts[REPLAY_SAME], simulation->counts[REPLAY_DENIED],
	       simulation->counts[REPLAY_ALLOWED], simulation->counts[REPLAY_MOVED],
	       simulation->counts[REPLAY_OF_THE_MOMENT], simulation->counts[REPLAY_UNANSWERABLE],
	       simulation->counts[REPLAY_SPLIT], simulation->by_recorded);
	if (simulation->unreadable)
		printf("; %" PRIu64 " lines that cannot be read", simulation->unreadable);
	putchar('\n');
}

static void print_json(const struct simulation *simulation, const size_t *order)
{
	struct json to = {0};

	json_object_begin(&to, NULL);
	json_object_begin(&to, "decisions");
	for (size_t o = 0; o < REPLAY_OUTCOMES; o++)
		json_unsigned(&to, replay_outcome_words[o], simulation->counts[o]);
	json_object_end(&to);
	json_unsigned(&to, "by_recorded", simulation->by_recorded);
	json_unsigned(&to, "unreadable", simulation->unreadable);
	json_array_begin(&to, "changes");
	for (size_t i = 0; i < simulation->keys.count; i++) {
		const struct group_key *key = key_at(simulation, order[i]);
		const struct group *group = &simulation->groups[order[i]];

		json_object_begin(&to, NULL);
		json_string(&to, "change", replay_outcome_words[key->outcome]);
		json_unsigned(&to, "count", group->count);
		json_string(&to, "tenant", key->tenant);
		json_string(&to, "region", key->region);
		json_string(&to, "service", key->service);
		json_string(&to, "before", record_reason(key->was));
		json_string(&to, "after", has_answer(key) ? record_reason(key->is) : NULL);
		json_string(&to, "backend", key->outcome == REPLAY_MOVED ? key->backend : NULL);
		json_string(&to, "rule", rule_of(simulation, key));
		json_string(&to, "rollout", rollout_of(simulation, key));
		json_array_begin(&to, "examples");
		for (size_t e = 0; e < group->examples; e++)
			json_string(&to, NULL, group->example[e]);
		json_array_end(&to);
		json_object_end(&to);
	}
	json_array_end(&to);
	json_object_end(&to);
	json_newline(&to);
	fwrite(to.bytes, 1, to.length, stdout);
	json_free(&to);
}

/* ---- the command line ---------------------------------------------------------------------------------------- */

static int simulate(struct simulation *simulation, const struct document *document, const char *folder,
		    const struct filter *filter)
{
	struct policy *policy = NULL;
	size_t *order;
	int status = document_parse(document, &policy);

	if (status)
		return status;
	policy_assume_members(policy);
	simulation->policy = policy;
	if (replay_open(policy, time(NULL), &simulation->replay))
		status = cli_fail(CLI_SYSTEM, "no memory");
	if (!status)
		status = read_all(simulation, folder, filter);
	if (!status) {
		order = sorted(simulation);
		if (cli_json)
			print_json(simulation, order);
		else
			print_text(simulation, order);
		free(order);
		status = simulation->keys.count ? CLI_NO : CLI_OK;
	}
	replay_close(simulation->replay);
	policy_free(policy);
	intern_free(&simulation->keys);
	free(simulation->groups);
	return status;
}

int cli_simulate(int argc, char **argv)
{
	static const struct option options[] = {
		{"dir", required_argument, NULL, 'd'},
		AUDIT_DECISION_OPTIONS,
		{0},
	};
	struct simulation simulation = {0};
	struct filter filter = {.texts[FILTER_TYPE] = "decision"};
	const char *folder = AUDIT_DIR;
	struct document document;
	int letter, status = CLI_OK;

	while ((letter = cli_option(argc, argv, options)) != -1) {
		if (letter == 'd')
			folder = optarg;
		else
			status = audit_filter_take(letter, optarg, &filter);
		if (status)
			return status;
	}
	status = cli_operands(argc, 1, "FILE");
	if (!status)
		status = audit_filter_check(&filter);
	if (!status)
		status = document_read(argv[optind], &document);
	if (status)
		return status;
	status = simulate(&simulation, &document, folder, &filter);
	document_free(&document);
	return status;
}
