// SPDX-License-Identifier: GPL-2.0-only
#include "cli/audit_filter.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "audit/community_id.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "cli/audit.h"
#include "cli/verbs.h"
#include "usher/reasons.h"

#define LABEL(number, name, label, text) label,
static const char *const verdicts[] = {USHER_VERDICTS(LABEL) "unknown"};
#undef LABEL

#define LABEL(number, name, verdict, label, text) label,
static const char *const reasons[] = {USHER_REASONS(LABEL) "unknown"};
#undef LABEL

static const char *const types[] = {"decision", "flow", "operation", "gap"};

/* Of the one filter that a command has. */
static const char *client_keys;
static char pseudonyms[VEIL_KEYS_MAX][VEIL_PSEUDONYM], pseudonym_keys[VEIL_KEYS_MAX][VEIL_ID];

static bool among(const char *text, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(words[i], text))
			return true;
	return false;
}

int audit_filter_take(int letter, const char *text, struct filter *filter)
{
	static const struct {
		char letter;
		enum filter_text text;
	} texts[] = {{'t', FILTER_TENANT},  {'e', FILTER_SERVICE}, {'m', FILTER_MODEL},
		     {'o', FILTER_VERSION}, {'b', FILTER_BACKEND}, {'v', FILTER_VERDICT},
		     {'r', FILTER_REASON},  {'u', FILTER_RULE},	   {'y', FILTER_TYPE}};

	/* A word that no record can have is a slip, not a question. */
	if (letter == 'v' && !among(text, verdicts, ARRAY_COUNT(verdicts)))
		return cli_misuse("--verdict takes pass, forward, refuse, drop or revoke: %s", text);
	if (letter == 'r' && !among(text, reasons, ARRAY_COUNT(reasons)))
		return cli_misuse("there is no such --reason: %s", text);
	if (letter == 'y' && !among(text, types, ARRAY_COUNT(types)))
		return cli_misuse("--type takes decision, flow, operation or gap: %s", text);
	if (letter == 'K') {
		client_keys = text;
		return CLI_OK;
	}
	if (letter == 'F') {
		if (strlen(text) != COMMUNITY_ID - 1 || strncmp(text, "1:", 2) != 0)
			return cli_misuse("--flow takes a Community ID such as 1:LQU9qZlK+B5F3KDmev6m5PMibrg=: %s",
					  text);
		filter->flow = text;
		return CLI_OK;
	}
	if (letter == 'c')
		return filter_set_client(filter, text) ? cli_misuse("--client takes an address or a prefix: %s", text)
						       : CLI_OK;
	if (letter == 'a' && filter_set_since(filter, text))
		return cli_misuse("--since takes a day or a time such as 2026-03-01T12:00:00Z: %s", text);
	if (letter == 'z' && filter_set_until(filter, text))
		return cli_misuse("--until takes a day or a time such as 2026-03-01T12:00:00Z: %s", text);
	if (letter == 'a' || letter == 'z')
		return CLI_OK;
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		if (texts[i].letter != letter)
			continue;
		filter->texts[texts[i].text] = text;
		return CLI_OK;
	}
	return CLI_USAGE;
}

/* Without being told where, it is no error if they are not there, or not for us. */
static int find_pseudonyms(struct filter *filter)
{
	_cleanup_(veil_keys_release) struct veil_keys keys = {0};
	const char *path = client_keys ? client_keys : AUDIT_CLIENT_KEYS;
	struct usher_address address;
	int error = veil_keys_read(path, &keys);

	if (error && client_keys)
		return cli_fail(CLI_SYSTEM, "%s: %s", path, error == -EBADMSG ? "it is damaged" : strerror(-error));
	memcpy(&address, filter->client, sizeof(address));
	for (size_t i = 0; i < keys.count; i++) {
		veil_pseudonym(&keys.items[i], &address, pseudonyms[i]);
		memcpy(pseudonym_keys[i], keys.items[i].id, VEIL_ID);
	}
	filter->pseudonyms = pseudonyms;
	filter->pseudonym_keys = pseudonym_keys;
	filter->pseudonym_count = keys.count;
	return CLI_OK;
}

int audit_filter_check(struct filter *filter)
{
	if (filter->by_client && filter->client_bits == 128) {
		int status = find_pseudonyms(filter);

		if (status)
			return status;
	}
	if (filter->since[0] && filter->until[0] && strcmp(filter->since, filter->until) >= 0)
		return cli_misuse("nothing is since %s and before %s", filter->since, filter->until);
	return CLI_OK;
}

int audit_filter_rest(const char *folder, const struct query_totals *totals)
{
	if (totals->damaged)
		return cli_fail(CLI_SYSTEM,
				"%s: not all of it can be read: usher audit verify says where it is damaged", folder);
	if (totals->unknown)
		return cli_fail(CLI_SYSTEM,
				"%s: of %" PRIu64 " records more nobody can tell whether they are this client's: they "
				"have his network only, a pseudonym whose key is not at hand (--client-keys) or that "
				"says nothing of prefixes, or were counted together",
				folder, totals->unknown);
	return CLI_OK;
}
