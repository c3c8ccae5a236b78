// SPDX-License-Identifier: GPL-2.0-only
#include "shipping.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/ledger.h"
#include "base/cleanup.h"
#include "receiver.h"
#include "ship/ship.h"

#define RECORDS 6
#define LARGE (400u << 10) /* bytes of one: more than a datagram may have */
#define PATIENCE (12 * CLOCK_SECOND)

char receiver_path[96];

static struct ship_options options;
static char audit_dir[96], state_dir[96];

/* No two of a run of the test begin with the same. */
static int write_records(struct ledger *ledger, const struct record_stamp *stamp, uint64_t first)
{
	_cleanup_free_ char *text = malloc(LARGE + 256), *filling = malloc(LARGE + 1);
	int error = text && filling ? 0 : -1;

	if (filling)
		memset(filling, 'x', LARGE);
	for (uint64_t i = 0; i < RECORDS && !error; i++) {
		int length =
			snprintf(text, LARGE + 256,
				 "{\"time\":\"2026-03-01T12:00:00.123Z\",\"type\":\"decision\",\"sequence\":%" PRIu64
				 ",\"filling\":\"%.*s\"}\n",
				 first + i, i == RECORDS / 2 ? (int)LARGE : 0, filling);

		error = ledger_append(ledger, stamp, text, (size_t)length, 1, NULL, 0);
	}
	return error ? error : ledger_checkpoint(ledger, stamp);
}

static bool has_all(const struct receiver *receiver, uint64_t first)
{
	for (int kind = 0; kind < RECEIVERS; kind++)
		for (uint64_t i = 0; i < RECORDS; i++)
			if (!receiver_has(receiver, (enum receiver_kind)kind, first + i))
				return false;
	return true;
}

static int begin(const struct receiver *receiver, struct ledger **ret_ledger, struct record_stamp *stamp)
{
	struct problem problem = {0};
	struct ledger_found found;
	char text[64];

	snprintf(audit_dir, sizeof(audit_dir), "%s/audit", folder);
	snprintf(state_dir, sizeof(state_dir), "%s/state", folder);
	options = (struct ship_options){.count = RECEIVERS, .audit_dir = audit_dir, .state_dir = state_dir};
	snprintf(text, sizeof(text), "syslog+tcp://127.0.0.1:%u", receiver->port);
	*stamp = (struct record_stamp){.realtime = clock_realtime(), .boot_id = 1};
	if (destination_parse(text, &options.destinations[RECEIVER_SYSLOG]) ||
	    destination_parse("journald", &options.destinations[RECEIVER_JOURNALD]) || mkdir(folder, 0750) ||
	    mkdir(state_dir, 0700))
		return -1;
	return ledger_open(audit_dir, key_path, stamp, &problem, ret_ledger, &found);
}

static int ship(const struct receiver *receiver, struct told *told)
{
	int64_t deadline = clock_monotonic() + PATIENCE;
	struct problem problem = {0};
	struct ship_status status;
	struct ship *ship;

	if (ship_start(&options, &problem, &ship))
		return WRITER_NOT_OPENED;
	ship_begin(ship);
	while (!has_all(receiver, told->first) && clock_monotonic() < deadline)
		usleep(10000);
	for (size_t i = 0; i < options.count; i++) {
		ship_status(ship, i, &status);
		told->errors += status.errors;
	}
	told->ended = true;
	ship_close(ship);
	return 0;
}

int write_shipped(struct told *told)
{
	const struct receiver *receiver = receiver_map(receiver_path);
	struct record_stamp stamp;
	struct ledger *ledger;
	int status;

	if (!receiver || begin(receiver, &ledger, &stamp))
		return WRITER_NOT_OPENED;
	told->opened = true;
	told->first = (uint64_t)clock_realtime() / RECEIVER_NUMBERS * RECEIVER_NUMBERS;
	if (write_records(ledger, &stamp, told->first))
		told->errors++;
	else
		told->acknowledged = RECORDS;
	status = ship(receiver, told);
	ledger_close(ledger, &stamp);
	return status;
}

bool look_at_shipped(const struct told *told)
{
	static const char *const names[RECEIVERS] = {[RECEIVER_SYSLOG] = "syslog", [RECEIVER_JOURNALD] = "journald"};
	const struct receiver *receiver = receiver_map(receiver_path);

	for (int kind = 0; kind < RECEIVERS && told->ended; kind++)
		for (uint64_t i = 0; i < told->acknowledged; i++)
			if (!receiver || !receiver_has(receiver, (enum receiver_kind)kind, told->first + i))
				say("# %s has not got record %" PRIu64 "\n", names[kind], i);
	return !*said;
}
