// SPDX-License-Identifier: GPL-2.0-only
/* usherd: starts everything in order, then goes round its loop until it is told to end. Traffic does not need it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "kernel/flows.h"
#include "daemon/approval.h"
#include "daemon/change.h"
#include "daemon/core.h"
#include "daemon/gather.h"
#include "daemon/loop.h"
#include "daemon/notify.h"
#include "daemon/removal.h"
#include "daemon/sandbox.h"
#include "policy/bundle.h"

/* ---- start ---------------------------------------------------------------------------------------------------- */

static void note_damage(void *context, const char *sentence)
{
	core_problem(context, "%s", sentence);
}

static int fail(const struct problem *problem, int error)
{
	log_error("%s", *problem->text ? problem->text : strerror(-error));
	return error;
}

/* Before all else, the edge as well, which then has nothing of it: those who send records elsewhere are other processes. */
static int start_ship(struct core *core)
{
	struct problem problem = {0};
	int error = ship_start(&core->options->ship, &problem, &core->ship);

	return error ? fail(&problem, error) : 0;
}

/* From here on the edge is another process. */
static int start_edge(struct core *core)
{
	struct problem problem = {0};
	int error = edge_start(&core->options->edge, &problem, &core->edge);

	return error ? fail(&problem, error) : 0;
}

static int start_kernel(struct core *core, struct problem *problem)
{
	char names[INTERFACES_TEXT];
	int error = program_load(&core->options->program, problem, &core->program);

	if (!error)
		error = publisher_open(core->program, problem, &core->publisher);
	if (!error)
		error = balance_open(core->program, problem, &core->balance);
	if (error)
		return error;
	error = injector_open(core->program, &core->injector);
	if (!error)
		error = neighbours_open(&core->options->program.interfaces, &core->neighbours);
	if (!error)
		error = addresses_open(&core->options->program.interfaces, &core->addresses);
	core->paths_error = paths_open(&core->paths);
	return error ? problem_set(problem, error, "cannot watch %s: %s",
				   interfaces_print(&core->options->program.interfaces, names), strerror(-error))
		     : 0;
}

static void say_damage(struct core *core, const struct journal_damage *damage, const char *key, const char *client_keys)
{
	if (damage->log)
		core_problem(core, "the audit log in %s is not as it was written: usher audit verify says where",
			     core->options->audit_dir);
	if (damage->key)
		core_problem(core,
			     "%s was damaged, and was renamed to .damaged: the audit log is signed with a new key",
			     key);
	if (damage->client_keys)
		core_problem(core, "%s was damaged, and was renamed to .damaged: its pseudonyms are nobody's now",
			     client_keys);
}

static int open_journal(struct core *core, const char *key, const char *client_keys, struct problem *problem)
{
	const struct journal_options options = {.folder = core->options->audit_dir,
						.key = key,
						.client_keys = client_keys,
						.limits = core->options->audit_limits,
						.sync = core->options->audit_sync,
						.witness = core->options->witness_file};

	return journal_open(core->program, core->publisher, &options, problem, &core->journal);
}

static int start_records(struct core *core, struct problem *problem)
{
	int error = state_open(core->options->state_dir, note_damage, core, problem, &core->state);
	_cleanup_free_ char *key = NULL;
	_cleanup_free_ char *client_keys = NULL;

	if (!error && (asprintf(&key, "%s/" AUDIT_KEY_FILE, core->options->state_dir) < 0 ||
		       asprintf(&client_keys, "%s/" CLIENT_KEYS_FILE, core->options->state_dir) < 0))
		abort();
	if (!error)
		error = open_journal(core, key, client_keys, problem);
	if (!error)
		error = revisions_open(core, problem);
	if (!error)
		say_damage(core, journal_damage(core->journal), key, client_keys);
	if (!error && core->state->damage)
		core_record_damage(core, "state.json", core->state->damage);
	if (!error)
		error = core_gates_open(core, problem);
	if (!error)
		error = core_rollouts_open(core, problem);
	if (!error)
		error = core_surges_open(core, problem);
	if (!error)
		error = core_ejections_open(core, problem);
	if (!error)
		error = core_pools_open(core, problem);
	return error;
}

/* Flows name backends by number and incarnation: neither may come to mean another backend, even if the state is lost. */
static int keep_incarnations(struct core *core)
{
	_cleanup_free_ uint16_t *found = calloc(USHER_BACKENDS_MAX, sizeof(*found));
	struct identities *identities = NULL;
	int error = found ? 0 : -ENOMEM;

	if (core->state->identities || !core->program->adopted)
		return error;
	if (!error)
		error = flows_incarnations(core->program, found);
	if (!error)
		error = identities_new(&identities);
	for (size_t b = 0; !error && b < USHER_BACKENDS_MAX; b++)
		identities->backends.items[b].incarnation = found[b];
	core->state->identities = identities;
	return error;
}

/* ---- the first policy ----------------------------------------------------------------------------------------- */

static int read_start_policy(struct core *core, char **ret_text, size_t *ret_length, char digest[SHA256_HEX])
{
	int error = file_read(core->options->policy, BUNDLE_BYTES_MAX, ret_text, ret_length);

	if (error) {
		core_problem(core, "%s cannot be read: %s", core->options->policy, strerror(-error));
		return error;
	}
	gather(core->options->policy, ret_text, ret_length);
	sha256_hex(*ret_text, *ret_length, digest);
	return 0;
}

static void save(struct core *core)
{
	int error = state_save(core->state);

	if (error)
		core_problem(core, "cannot write the state folder %s: %s", core->options->state_dir, strerror(-error));
}

/* The policy of --policy. */
static int load_given(struct core *core, const char *text, size_t length, const char *digest)
{
	struct diagnostics diagnostics = {.file = core->options->policy};
	struct problem problem = {0};
	int error = change_start(core, core->options->policy, text, length, &diagnostics, &problem);

	if (error) {
		diagnostics_print(&diagnostics, stderr);
		core_problem(core, "%s is not in force: %s", core->options->policy,
			     diagnostics.errors ? "it has errors" : problem.text);
	} else {
		memcpy(core->state->start_digest, digest, SHA256_HEX);
		save(core);
	}
	diagnostics_free(&diagnostics);
	return error;
}

/* The policy that was in force last. */
static int load_last(struct core *core)
{
	const struct state_entry *entry = &core->state->history[0];
	struct diagnostics diagnostics = {0};
	struct problem problem = {0};
	struct core_result result;
	struct approval approval = entry->approval;
	_cleanup_free_ char *text = NULL;
	size_t length;
	int error;

	approval.kept = true;
	if (!core->state->history_count)
		return -ENOENT;
	error = state_read_policy(core->state, entry->bytes_digest, &text, &length);
	if (error) {
		core_problem(core, "policy-%s.json in %s: %s", entry->bytes_digest, core->options->state_dir,
			     error == -EBADMSG ? "it is damaged, and was renamed to .damaged" : strerror(-error));
		return error;
	}
	diagnostics.file = entry->file;
	error = core_load(core, entry->file, text, length, &approval, false, &diagnostics, &problem, &result);
	if (error == -EKEYREJECTED)
		approval_refused(core, "restore", NULL, entry->file, text, length, &problem);
	if (!error)
		revisions_note(core);
	if (error) {
		diagnostics_print(&diagnostics, stderr);
		core_problem(core, "the last policy, %s, is not in force: %s", entry->file,
			     diagnostics.errors ? "it has errors" : problem.text);
	}
	diagnostics_free(&diagnostics);
	return error;
}

static void load_first(struct core *core)
{
	_cleanup_free_ char *text = NULL;
	char digest[SHA256_HEX] = "";
	size_t length = 0;
	bool given = core->options->policy && !read_start_policy(core, &text, &length, digest);
	int error = -ENOENT;

	core->patience = clock_monotonic() + START_PATIENCE;
	/* What was applied since the last start is newer than the file of that start. */
	if (!given || !strcmp(digest, core->state->start_digest))
		error = load_last(core);
	if (error && given)
		error = load_given(core, text, length, digest);
	if (error && given && strcmp(digest, core->state->start_digest) != 0)
		error = load_last(core);
	if (!error)
		return;
	core->patience = 0;
	if (core->program->adopted && publisher_active(core->publisher)->number) {
		core->closed = true;
		core_problem(
			core,
			"no policy could be read: the generation in the kernel stays in force until one is applied");
	} else {
		core_close_services(core);
	}
}

/* ---- life ----------------------------------------------------------------------------------------------------- */

/* Whose approval counts from now on. */
static void record_approvers(const struct approvers *approvers, struct json *record)
{
	json_array_begin(record, "approvers");
	for (size_t i = 0; approvers && i < approvers_count(approvers); i++)
		json_string(record, NULL, approvers_name(approvers, i));
	json_array_end(record);
	json_unsigned(record, "approvals_needed", approvers ? approvers_needed(approvers) : 0);
}

static void record_life(struct core *core, const char *activity)
{
	struct json *record = journal_operation(core->journal, activity, NULL);
	char names[INTERFACES_TEXT];

	json_string(record, "version", USHER_VERSION);
	json_integer(record, "pid", getpid());
	json_string(record, "interface", interfaces_print(&core->options->program.interfaces, names));
	json_unsigned(record, "generation", publisher_active(core->publisher)->number);
	record_approvers(core->approvers, record);
	if (journal_operation_end(core->journal))
		core_problem(core, "the audit log in %s cannot be written", core->options->audit_dir);
}

static int attach(struct core *core, struct problem *problem)
{
	struct problem note = {0};
	int error = program_attach(core->program, core->options->program.mode, &note, problem);

	if (!error && *note.text)
		core_problem(core, "%s", note.text);
	return error;
}

static void say_approvers(const struct core *core)
{
	if (core->approvers)
		log_info("a policy comes into force here once %u of the %zu approvers in %s have signed it",
			 approvers_needed(core->approvers), approvers_count(core->approvers), core->options->approvers);
}

static void notify_ready(void)
{
	int error = notify_manager("READY=1");

	if (error)
		log_warning("cannot tell the service manager that usherd runs: %s", strerror(-error));
}

static int run(struct core *core, struct loop *loop)
{
	struct problem problem = {0};
	int error = start_kernel(core, &problem);

	if (!error)
		error = start_records(core, &problem);
	if (!error)
		error = keep_incarnations(core);
	if (!error)
		error = loop_open(core, &problem, loop);
	if (error)
		return fail(&problem, error);
	ship_begin(core->ship);
	record_life(core, core->program->adopted ? "adopt" : "start");
	load_first(core);
	error = attach(core, &problem);
	if (!error)
		error = sandbox_enter(&problem);
	if (error)
		return fail(&problem, error);
	for (size_t i = 0; i < core->program->attachment_count; i++) {
		const struct attachment *at = &core->program->attachments[i];

		log_info("running on %s (%s XDP%s), generation %llu%s", at->name, attach_mode_name(at->mode),
			 at->shared ? ", under libxdp's dispatcher" : "",
			 (unsigned long long)publisher_active(core->publisher)->number,
			 core->program->adopted ? ", taken over" : "");
	}
	say_approvers(core);
	if (core->options->program.flow_ends != core->program->boot.flow_ends)
		log_info("ends of flows are %srecorded, as the program that was taken over was started; "
			 "--audit-flow-ends "
			 "counts after `usher detach`",
			 core->program->boot.flow_ends ? "" : "not ");
	notify_ready();
	loop_run(loop);
	core_gates_save(core);
	core_rollouts_save(core);
	core_verify_save(core);
	core_surges_save(core);
	core_ejections_save(core);
	core_pools_save(core);
	notify_manager("STOPPING=1");
	record_life(core, "stop");
	log_info("ends; traffic goes on as the policy in force says");
	return 0;
}

static void let_go(struct core *core)
{
	journal_close(core->journal);
	ship_close(core->ship);
	core_free_policy(core);
	standing_release(&core->standing);
	compile_memory_free(&core->memory);
	free(core->watched);
	free(core->scraped);
	free(core->resolved);
	state_close(core->state);
	revisions_free(&core->revisions);
	approvers_close(core->approvers);
	paths_close(core->paths);
	addresses_close(core->addresses);
	neighbours_close(core->neighbours);
	injector_close(core->injector);
	balance_close(core->balance);
	publisher_close(core->publisher);
	program_free(core->program);
	edge_close(core->edge);
	for (size_t i = 0; i < core->problem_count; i++)
		free(core->problems[i]);
}

static int detach(const struct options *options)
{
	const struct removal removal = {.pin_dir = options->program.pin_dir,
					.state_dir = options->state_dir,
					.interfaces = options->program.interfaces};
	struct problem problem = {0};
	struct removed removed;
	int error = removal_run(&removal, &problem, &removed);

	return error ? fail(&problem, error) : 0;
}

int main(int argc, char **argv)
{
	struct core core = {.started = clock_realtime(), .started_monotonic = clock_monotonic()};
	struct loop loop = {.epoll = -1, .timer = -1, .signals = -1};
	struct problem problem = {0};
	struct options options;
	int status, error;

	log_name("usherd");
	if (options_parse(argc, argv, &options, &status))
		return status;
	if (options.detach)
		return detach(&options) ? 5 : 0;
	core.options = &options;
	if (options.approvers) {
		error = approvers_open(options.approvers, options.approvals, &problem, &core.approvers);
		if (error) {
			fail(&problem, error);
			return 2;
		}
	}
	error = start_ship(&core);
	if (!error)
		error = start_edge(&core);
	if (!error)
		error = run(&core, &loop);
	loop_close(&loop);
	let_go(&core);
	return error ? 5 : 0;
}
