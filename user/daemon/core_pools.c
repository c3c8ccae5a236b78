// SPDX-License-Identifier: GPL-2.0-only
/* Sources of pools: files that are looked at, names that the edge has asked DNS for, and what comes of it. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/core.h"

#define POOLS_FILE "pools.json"
#define RETRY_APART (10 * CLOCK_SECOND)

static int parse(struct core *core, const char *text, size_t length)
{
	return pools_parse(text, length, &core->standing.pools);
}

int core_pools_open(struct core *core, struct problem *problem)
{
	bool lost;

	return core_kept_read(core, POOLS_FILE, "pools are empty until their sources are heard", parse, &lost, problem);
}

void core_pools_save(struct core *core)
{
	struct json text = {0};

	if (!core->policy || !core->standing.pools)
		return;
	pools_print(&text, core->standing.pools);
	core_kept_write(core, POOLS_FILE, &text);
}

/* ---- the record ---------------------------------------------------------------------------------------------- */

static void tell(void *context, enum pool_change change, const struct member_facts *member)
{
	char endpoint[ENDPOINT_TEXT];
	struct json *to = context;

	json_object_begin(to, NULL);
	json_string(to, "backend", member->name);
	json_string(to, "change", pool_change_words[change]);
	json_string(to, "endpoint", endpoint_print(&member->address, member->port, endpoint));
	json_object_end(to);
}

static void count(void *context, enum pool_change change, const struct member_facts *member)
{
	size_t *counts = context;

	(void)member;
	counts[change]++;
}

static struct json *begin_record(struct core *core, const struct pool *pool)
{
	struct json *record = journal_operation(core->journal, "pool", NULL);

	json_string(record, "pool", pool->name);
	json_string(record, "source", pool->file ? pool->file : pool->dns);
	return record;
}

static void end_record(struct core *core)
{
	if (journal_operation_end(core->journal))
		core_problem(core, "the audit log in %s cannot be written", core->options->audit_dir);
}

static void record_change(struct core *core, const struct pool *pool, const struct member_list *before,
			  const struct member_list *after)
{
	size_t counts[POOL_CHANGES_COUNT] = {0};
	struct json *record = begin_record(core, pool);

	json_array_begin(record, "members");
	pool_compare(before, after, tell, record);
	json_array_end(record);
	json_unsigned(record, "count", after->count);
	json_string(record, "policy_digest", core->policy->digest);
	core_record_generation(core, record);
	end_record(core);
	pool_compare(before, after, count, counts);
	log_info("pool %s: %zu joined, %zu changed, %zu leaving, %zu returned, %zu left; it has %zu", pool->name,
		 counts[POOL_JOINED], counts[POOL_CHANGED], counts[POOL_LEAVING], counts[POOL_RETURNED],
		 counts[POOL_LEFT], after->count);
}

/* What a source says does not count; said once. */
__attribute__((format(printf, 3, 4))) static void refuse(struct core *core, size_t number, const char *format, ...)
{
	struct pool_state *state = &core->standing.pools->items[number];
	char problem[POOL_PROBLEM];
	va_list arguments;
	struct json *record;

	va_start(arguments, format);
	vsnprintf(problem, sizeof(problem), format, arguments);
	va_end(arguments);
	if (!strcmp(problem, state->problem))
		return;
	memcpy(state->problem, problem, sizeof(problem));
	log_warning("pool %s: %s; its %zu members stay as they are", state->name, problem, state->members.count);
	record = begin_record(core, &core->policy->pools[number]);
	json_string(record, "refused", problem);
	json_unsigned(record, "count", state->members.count);
	end_record(core);
}

/* ---- members ------------------------------------------------------------------------------------------------- */

static void ignore(void *context, enum pool_change change, const struct member_facts *member)
{
	(void)context;
	(void)change;
	(void)member;
}

/* The same document with other members is another policy, which comes into force as any other does. The list is taken. */
static int put_in_force(struct core *core, size_t number, struct member_list *after)
{
	_cleanup_(member_list_free) struct member_list before = core->standing.pools->items[number].members;
	_cleanup_free_ char *file = strdup(core->policy->file);
	struct diagnostics diagnostics = {.file = file};
	struct problem problem = {0};
	struct core_result result;
	int error;

	if (!file)
		abort();
	core->standing.pools->items[number].members = *after;
	*after = (struct member_list){0};
	error = core_load(core, file, core->text, core->text_length, &core->state->history[0].approval, false,
			  &diagnostics, &problem, &result);
	if (error) {
		member_list_free(&core->standing.pools->items[number].members);
		core->standing.pools->items[number].members = before;
		before = (struct member_list){0};
		core->standing.pools->items[number].retry_at = clock_monotonic() + RETRY_APART;
		refuse(core, number, "the policy cannot be put in force with these members: %s",
		       diagnostics.errors ? diagnostics.items[0].text : problem.text);
	} else {
		record_change(core, &core->policy->pools[number], &before,
			      &core->standing.pools->items[number].members);
	}
	diagnostics_free(&diagnostics);
	return error;
}

/* A source is good, and has named these. Returns 0, or -errno: they are not in force. */
static int follow(struct core *core, size_t number, const struct member_list *named)
{
	struct pool_state *state = &core->standing.pools->items[number];
	_cleanup_(member_list_free) struct member_list after = {0};
	int64_t now = clock_realtime();
	int error = 0;

	if (pool_follow(&core->policy->pools[number], &state->members, named, now, &after))
		abort();
	if (pool_compare(&state->members, &after, ignore, NULL))
		error = put_in_force(core, number, &after);
	if (error)
		return error;
	state = &core->standing.pools->items[number];
	state->good_at = now;
	if (*state->problem)
		log_info("pool %s: its source is good again", state->name);
	state->problem[0] = '\0';
	return 0;
}

static void expire(struct core *core, size_t number)
{
	_cleanup_(member_list_free) struct member_list after = {0};
	struct pool_state *state = &core->standing.pools->items[number];

	if (state->retry_at > clock_monotonic())
		return;
	if (pool_expire(&state->members, clock_realtime(), &after))
		abort();
	if (after.count != state->members.count)
		put_in_force(core, number, &after);
}

/* ---- files --------------------------------------------------------------------------------------------------- */

static int64_t nanoseconds(struct timespec time)
{
	return time.tv_sec * CLOCK_SECOND + time.tv_nsec;
}

static struct pool_file identify(const struct stat *status)
{
	return (struct pool_file){.device = status->st_dev,
				  .inode = status->st_ino,
				  .size = status->st_size,
				  .modified = nanoseconds(status->st_mtim),
				  .changed = nanoseconds(status->st_ctim)};
}

static bool same_file(const struct pool_file *a, const struct pool_file *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size && a->modified == b->modified &&
	       a->changed == b->changed;
}

/* All of an open file, up to one byte more than it may have. */
static int read_all(int file, char **ret_bytes, size_t *ret_length)
{
	_cleanup_free_ char *bytes = malloc(USHER_POOL_FILE_BYTES_MAX + 1);
	size_t length = 0;

	while (bytes && length <= USHER_POOL_FILE_BYTES_MAX) {
		ssize_t got = read(file, bytes + length, USHER_POOL_FILE_BYTES_MAX + 1 - length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		length += (size_t)got;
	}
	if (!bytes || length > USHER_POOL_FILE_BYTES_MAX)
		return bytes ? -EFBIG : -ENOMEM;
	*ret_bytes = TAKE_PTR(bytes);
	*ret_length = length;
	return 0;
}

/* Returns 0 once nothing more can come of these bytes. */
static int read_members(struct core *core, size_t number, const char *path, const char *bytes, size_t length)
{
	const struct pool *pool = &core->policy->pools[number];
	struct diagnostics diagnostics = {.file = path};
	_cleanup_(member_list_free) struct member_list named = {0};
	const struct diagnostic *first;
	int error = 0;

	if (!members_read(core->policy, pool, bytes, length, &diagnostics, &named)) {
		error = follow(core, number, &named);
	} else {
		first = &diagnostics.items[0];
		refuse(core, number, "%s:%u:%u: %.120s: %.200s%s", path, first->line, first->column, first->path,
		       first->text, diagnostics.errors > 1 ? "; and there is more" : "");
	}
	diagnostics_free(&diagnostics);
	return error;
}

/* Reads it if it is another one than last time. */
static void look_at_file(struct core *core, size_t number)
{
	_cleanup_close_ int file = -1;
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *bytes = NULL;
	struct pool_file found;
	struct stat status;
	size_t length = 0;
	int error;

	if (asprintf(&path, "%s/%s", core->options->pool_dir, core->policy->pools[number].file) < 0)
		abort();
	file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (file < 0 || fstat(file, &status)) {
		core->standing.pools->items[number].file = (struct pool_file){0};
		refuse(core, number, "%s cannot be read: %s", path, strerror(errno));
		return;
	}
	found = identify(&status);
	if (same_file(&found, &core->standing.pools->items[number].file))
		return;
	if (!S_ISREG(status.st_mode)) {
		refuse(core, number, "%s is not a regular file", path);
		return;
	}
	error = read_all(file, &bytes, &length);
	if (error == -EFBIG)
		refuse(core, number, "%s has more than %u bytes", path, USHER_POOL_FILE_BYTES_MAX);
	else if (error)
		refuse(core, number, "%s cannot be read: %s", path, strerror(-error));
	else
		error = read_members(core, number, path, bytes, length);
	/* Times of files are as coarse as the kernel's tick: one that has just been written may be written again and look the same. */
	if ((!error || error == -EFBIG) && clock_realtime() - found.changed > CLOCK_SECOND)
		core->standing.pools->items[number].file = found;
}

/* ---- names --------------------------------------------------------------------------------------------------- */

/* Those of its prefixes: nobody of another family could be a member. */
static uint8_t families_of(const struct pool *pool)
{
	uint8_t families = 0;

	for (size_t i = 0; i < pool->within_count; i++)
		families |= address_family(&pool->within[i].address) == AF_INET ? EDGE_IPV4 : EDGE_IPV6;
	return families;
}

uint32_t core_pools_names(struct core *core, struct edge_name *to)
{
	const struct policy *policy = core->policy;
	uint32_t number = 0;

	free(core->resolved);
	core->resolved = calloc(policy->pool_count + 1, sizeof(*core->resolved));
	if (!core->resolved)
		abort();
	for (size_t p = 0; p < policy->pool_count; p++) {
		const struct pool *pool = &policy->pools[p];

		if (!pool->dns)
			continue;
		to[number] = (struct edge_name){.server = pool->server,
						.port = pool->server_port,
						.families = families_of(pool),
						.every_ms = pool->every_ms,
						.timeout_ms = pool->timeout_ms};
		snprintf(to[number].name, sizeof(to[number].name), "%s", pool->dns);
		core->resolved[number++] = p;
	}
	core->resolved_count = number;
	return number;
}

static void collect(struct pool_state *state, const struct edge_fact *fact)
{
	size_t first = (size_t)fact->number;

	if (!first)
		state->address_count = 0;
	/* A part is missing: the edge tells all of them again with the next list, or next time. */
	if (first != state->address_count || first + EDGE_ADDRESSES > POOL_ADDRESSES_ROOM)
		return;
	if (!state->addresses)
		state->addresses = calloc(POOL_ADDRESSES_ROOM, sizeof(*state->addresses));
	if (!state->addresses)
		abort();
	memcpy(state->addresses + first, fact->addresses, sizeof(fact->addresses));
	state->address_count = first + EDGE_ADDRESSES;
}

void core_pools_fact(struct core *core, const struct edge_fact *fact)
{
	struct pool_state *state;
	char text[CAUSE_TEXT];
	size_t number;

	if (fact->round != core->watch_round || fact->target >= core->resolved_count)
		return;
	number = core->resolved[fact->target];
	state = &core->standing.pools->items[number];
	state->heard = false;
	if (fact->kind == EDGE_FACT_ADDRESSES) {
		collect(state, fact);
	} else if (!fact->up) {
		refuse(core, number, "%.253s: %.200s", core->policy->pools[number].dns,
		       cause_print((struct cause){(enum cause_kind)fact->cause, fact->number}, NULL, text));
	} else if ((size_t)fact->number <= state->address_count) {
		state->address_count = (size_t)fact->number;
		state->heard = true;
	}
}

/* What DNS has said, judged once it may be. */
static void look_at_addresses(struct core *core, size_t number)
{
	struct pool_state *state = &core->standing.pools->items[number];
	_cleanup_(member_list_free) struct member_list named = {0};
	char sentence[MEMBER_SENTENCE];

	if (!state->heard || state->retry_at > clock_monotonic())
		return;
	if (members_of_addresses(core->policy, &core->policy->pools[number], state->addresses, state->address_count,
				 sentence, &named)) {
		state->heard = false;
		refuse(core, number, "%.200s: %s", core->policy->pools[number].dns, sentence);
	} else if (!follow(core, number, &named)) {
		core->standing.pools->items[number].heard = false;
	}
}

/* ---- ticks --------------------------------------------------------------------------------------------------- */

void core_pools_tick(struct core *core)
{
	int64_t now = clock_monotonic();

	/* While the facts of the start are waited for, those who were there last stay. */
	for (size_t i = 0; core->policy && !core->patience && i < core->standing.pools->count; i++) {
		expire(core, i);
		look_at_addresses(core, i);
		if (!core->policy->pools[i].file || core->standing.pools->items[i].look_at > now)
			continue;
		look_at_file(core, i);
		core->standing.pools->items[i].look_at = now + core->policy->pools[i].every_ms * CLOCK_MILLISECOND;
	}
}
