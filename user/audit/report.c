// SPDX-License-Identifier: GPL-2.0-only
#include "audit/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/fields.h"
#include "base/array.h"

#define CELL 512
#define DIGEST_SHOWN 12

/* Text for one cell. */
struct cell {
	char text[CELL];
};

static void free_list(struct report_list *list)
{
	free(list->entries);
}

void report_free(struct report *report)
{
	tally_free(&report->answered);
	tally_free(&report->denied);
	tally_free(&report->revoked);
	tally_free(&report->ended);
	tally_free(&report->operations);
	free_list(&report->policies);
	free_list(&report->gates);
	free_list(&report->rollouts);
	free_list(&report->quarantines);
	free_list(&report->gaps);
	arena_free(&report->arena);
}

/* ---- cells ----------------------------------------------------------------------------------------------------- */

/* A string without its quotation marks and escapes, or another value as it stands; "-": none. */
static const char *plain(struct line_value value, struct cell *cell)
{
	int error = 0;

	if (!value.at)
		return "-";
	if (*value.at == '"')
		error = line_text(value, sizeof(cell->text), cell->text);
	else
		snprintf(cell->text, sizeof(cell->text), "%.*s", (int)value.length, value.at);
	return error ? "(too long)" : cell->text;
}

static const char *text_of(const struct fields *fields, enum fields_key key, struct cell *cell)
{
	return plain(fields->values[key], cell);
}

static const char *version_of(const struct fields *fields, struct cell *cell)
{
	struct cell model, version;

	if (!fields->values[FIELDS_VERSION].at)
		return text_of(fields, FIELDS_MODEL, cell);
	snprintf(cell->text, sizeof(cell->text), "%.255s@%.255s", text_of(fields, FIELDS_MODEL, &model),
		 text_of(fields, FIELDS_VERSION, &version));
	return cell->text;
}

/* "42 (d16e57…)" */
static const char *policy_of(const struct fields *fields, struct cell *cell)
{
	struct cell revision, digest;

	snprintf(cell->text, sizeof(cell->text), "%.32s (%.*s)", text_of(fields, FIELDS_POLICY_REVISION, &revision),
		 DIGEST_SHOWN, text_of(fields, FIELDS_POLICY_DIGEST, &digest));
	return cell->text;
}

static const char *time_of(const struct fields *fields, struct cell *cell)
{
	const char *text = text_of(fields, FIELDS_TIME, cell);

	return strlen(text) < CLOCK_TEXT ? text : "-";
}

/* "root (uid 0)"; usher itself, where nobody did it. */
static const char *actor_of(const struct fields *fields, struct cell *cell)
{
	struct cell user, uid;

	if (!fields->values[FIELDS_ACTOR].at)
		return "usher";
	snprintf(cell->text, sizeof(cell->text), "%.255s (uid %.32s)",
		 plain(fields_inside(fields, FIELDS_ACTOR, "user"), &user),
		 plain(fields_inside(fields, FIELDS_ACTOR, "uid"), &uid));
	return cell->text;
}

/* A backend, a version, or a service. */
static const char *subject_of(const struct fields *fields, struct cell *cell)
{
	if (fields->values[FIELDS_BACKEND].at)
		return text_of(fields, FIELDS_BACKEND, cell);
	if (fields->values[FIELDS_MODEL].at)
		return version_of(fields, cell);
	return text_of(fields, FIELDS_SERVICE, cell);
}

/* ---- decisions -------------------------------------------------------------------------------------------------- */

static bool opens(const struct fields *fields)
{
	static const char *const openings[] = {"admitted", "rerouted", "adopted"};

	for (size_t i = 0; i < ARRAY_COUNT(openings); i++)
		if (fields_is(fields, FIELDS_REASON, openings[i]))
			return true;
	return false;
}

static void take_answer(struct report *report, const struct fields *fields, uint64_t count, const char *time)
{
	struct cell tenant, region, service, version, backend_region, policy;
	const char *const cells[] = {text_of(fields, FIELDS_TENANT, &tenant),
				     text_of(fields, FIELDS_CLIENT_REGION, &region),
				     text_of(fields, FIELDS_SERVICE, &service),
				     version_of(fields, &version),
				     text_of(fields, FIELDS_BACKEND_REGION, &backend_region),
				     policy_of(fields, &policy)};

	tally_add(&report->answered, cells, ARRAY_COUNT(cells), count, time);
}

static void take_denial(struct report *report, const struct fields *fields, uint64_t count, const char *time)
{
	struct cell reason, rule, tenant, region, service, policy;
	const char *const cells[] = {
		text_of(fields, FIELDS_REASON, &reason),   text_of(fields, FIELDS_RULE, &rule),
		text_of(fields, FIELDS_TENANT, &tenant),   text_of(fields, FIELDS_CLIENT_REGION, &region),
		text_of(fields, FIELDS_SERVICE, &service), policy_of(fields, &policy)};

	tally_add(&report->denied, cells, ARRAY_COUNT(cells), count, time);
}

static void take_revocation(struct report *report, const struct fields *fields, uint64_t count, const char *time)
{
	struct cell tenant, service, version, backend, rule, policy;
	const char *const cells[] = {text_of(fields, FIELDS_TENANT, &tenant),
				     text_of(fields, FIELDS_SERVICE, &service),
				     version_of(fields, &version),
				     text_of(fields, FIELDS_BACKEND, &backend),
				     text_of(fields, FIELDS_RULE, &rule),
				     policy_of(fields, &policy)};

	tally_add(&report->revoked, cells, ARRAY_COUNT(cells), count, time);
}

static void take_end(struct report *report, const struct fields *fields, const char *time)
{
	struct cell ended, tenant, service, version, region;
	const char *const cells[] = {text_of(fields, FIELDS_ENDED, &ended), text_of(fields, FIELDS_TENANT, &tenant),
				     text_of(fields, FIELDS_SERVICE, &service), version_of(fields, &version),
				     text_of(fields, FIELDS_BACKEND_REGION, &region)};

	tally_add(&report->ended, cells, ARRAY_COUNT(cells), 1, time);
}

static void take_decision(struct report *report, const struct fields *fields, const char *time)
{
	uint64_t count = fields->values[FIELDS_COUNT].at ? fields_number(fields, FIELDS_COUNT) : 1;

	report->decisions += count;
	if (fields_is(fields, FIELDS_VERDICT, "forward") && opens(fields))
		take_answer(report, fields, count, time);
	else if (fields_is(fields, FIELDS_VERDICT, "refuse") || fields_is(fields, FIELDS_VERDICT, "drop"))
		take_denial(report, fields, count, time);
	else if (fields_is(fields, FIELDS_REASON, "revoked"))
		take_revocation(report, fields, count, time);
}

/* ---- operations and gaps ---------------------------------------------------------------------------------------- */

static void enter(struct report *report, struct report_list *list, const char *time, const char *const *cells,
		  size_t count)
{
	if (list->count == REPORT_ENTRIES) {
		list->left_out++;
		return;
	}
	list->entries = array_grow(list->entries, list->count, &list->room, sizeof(*list->entries));
	memset(&list->entries[list->count], 0, sizeof(*list->entries));
	snprintf(list->entries[list->count].time, CLOCK_TEXT, "%s", time);
	for (size_t i = 0; i < count; i++)
		list->entries[list->count].cells[i] = arena_strndup(&report->arena, cells[i], strlen(cells[i]));
	list->count++;
}

static void take_policy(struct report *report, const struct fields *fields, const char *time)
{
	struct cell activity, revision, digest, actor, generation, file;
	const char *const cells[] = {text_of(fields, FIELDS_ACTIVITY, &activity),
				     text_of(fields, FIELDS_POLICY_REVISION, &revision),
				     text_of(fields, FIELDS_POLICY_DIGEST, &digest),
				     text_of(fields, FIELDS_GENERATION, &generation),
				     text_of(fields, FIELDS_FILE, &file),
				     actor_of(fields, &actor)};

	enter(report, &report->policies, time, cells, ARRAY_COUNT(cells));
}

static void take_gate(struct report *report, const struct fields *fields, const char *time)
{
	struct cell gate, subject, was, state, value, low, high, samples, change, figure;

	snprintf(change.text, sizeof(change.text), "%.200s, then %.200s", text_of(fields, FIELDS_WAS, &was),
		 text_of(fields, FIELDS_STATE, &state));
	if (fields->values[FIELDS_VALUE].at)
		snprintf(figure.text, sizeof(figure.text), "%.64s (%.64s to %.64s, %.64s samples)",
			 text_of(fields, FIELDS_VALUE, &value), text_of(fields, FIELDS_LOW, &low),
			 text_of(fields, FIELDS_HIGH, &high), text_of(fields, FIELDS_SAMPLES, &samples));
	else
		snprintf(figure.text, sizeof(figure.text), "not measured");
	const char *const cells[] = {text_of(fields, FIELDS_GATE, &gate), subject_of(fields, &subject), change.text,
				     figure.text};

	enter(report, &report->gates, time, cells, ARRAY_COUNT(cells));
}

static void take_rollout(struct report *report, const struct fields *fields, const char *time)
{
	struct cell name, model, to, version, change, before, share, shares, actor, why;

	snprintf(version.text, sizeof(version.text), "%.255s@%.255s", text_of(fields, FIELDS_MODEL, &model),
		 text_of(fields, FIELDS_TO, &to));
	snprintf(shares.text, sizeof(shares.text), "%.32s to %.32s %%", text_of(fields, FIELDS_SHARE_BEFORE, &before),
		 text_of(fields, FIELDS_SHARE, &share));
	const char *const cells[] = {text_of(fields, FIELDS_ROLLOUT, &name),
				     version.text,
				     text_of(fields, FIELDS_CHANGE, &change),
				     shares.text,
				     actor_of(fields, &actor),
				     text_of(fields, FIELDS_WHY, &why)};

	enter(report, &report->rollouts, time, cells, ARRAY_COUNT(cells));
}

static void take_quarantine(struct report *report, const struct fields *fields, const char *time)
{
	struct cell activity, subject, gate, actor, why;
	const char *const cells[] = {text_of(fields, FIELDS_ACTIVITY, &activity), subject_of(fields, &subject),
				     text_of(fields, FIELDS_GATE, &gate), actor_of(fields, &actor),
				     text_of(fields, FIELDS_WHY, &why)};

	enter(report, &report->quarantines, time, cells, ARRAY_COUNT(cells));
}

static void take_operation(struct report *report, const struct fields *fields, const char *time)
{
	static const struct {
		const char *activity;
		void (*take)(struct report *report, const struct fields *fields, const char *time);
	} kinds[] = {{"gate", take_gate},	   {"rollout", take_rollout},  {"quarantine", take_quarantine},
		     {"release", take_quarantine}, {"drain", take_quarantine}, {"undrain", take_quarantine}};
	struct cell activity, actor;
	const char *const cells[] = {text_of(fields, FIELDS_ACTIVITY, &activity), actor_of(fields, &actor)};

	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
		if (fields_is(fields, FIELDS_ACTIVITY, kinds[i].activity)) {
			kinds[i].take(report, fields, time);
			return;
		}
	if (fields->values[FIELDS_POLICY_DIGEST].at)
		take_policy(report, fields, time);
	else
		tally_add(&report->operations, cells, ARRAY_COUNT(cells), 1, time);
}

static void take_gap(struct report *report, const struct fields *fields, const char *time)
{
	struct cell boot, cpu, ring, first, last, count;
	const char *const cells[] = {text_of(fields, FIELDS_BOOT, &boot), text_of(fields, FIELDS_CPU, &cpu),
				     text_of(fields, FIELDS_RING, &ring), text_of(fields, FIELDS_FIRST, &first),
				     text_of(fields, FIELDS_LAST, &last), text_of(fields, FIELDS_COUNT, &count)};

	report->lost += fields_number(fields, FIELDS_COUNT);
	enter(report, &report->gaps, time, cells, ARRAY_COUNT(cells));
}

void report_take(struct report *report, const char *line, size_t length)
{
	struct fields fields;
	struct cell cell;
	const char *time;

	fields_read(line, length, &fields);
	time = time_of(&fields, &cell);
	report->records++;
	if (!report->first[0])
		snprintf(report->first, sizeof(report->first), "%s", time);
	snprintf(report->last, sizeof(report->last), "%s", time);
	if (fields_is(&fields, FIELDS_TYPE, "decision"))
		take_decision(report, &fields, time);
	else if (fields_is(&fields, FIELDS_TYPE, "operation"))
		take_operation(report, &fields, time);
	else if (fields_is(&fields, FIELDS_TYPE, "flow"))
		take_end(report, &fields, time);
	else if (fields_is(&fields, FIELDS_TYPE, "gap"))
		take_gap(report, &fields, time);
}
