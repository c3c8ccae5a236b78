// SPDX-License-Identifier: GPL-2.0-only
/* usher audit client: what stands for an address on record, by each key that there still is. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "audit/veil.h"
#include "base/address.h"
#include "base/clock.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "cli/audit.h"
#include "cli/ink.h"
#include "cli/verbs.h"

static void print(const struct veil_keys *keys, const struct usher_address *address)
{
	char pseudonym[VEIL_PSEUDONYM], made[CLOCK_TEXT], destroyed[CLOCK_TEXT];
	struct json to = {0};

	json_array_begin(&to, NULL);
	for (size_t i = 0; i < keys->count; i++) {
		const struct veil_key *key = &keys->items[i];

		veil_pseudonym(key, address, pseudonym);
		clock_print(key->created * CLOCK_SECOND, made);
		clock_print(key->destroy * CLOCK_SECOND, destroyed);
		if (!cli_json)
			printf("%s  key %s, made %s, to be destroyed %s\n", pseudonym, key->id, made, destroyed);
		json_object_begin(&to, NULL);
		json_string(&to, "pseudonym", pseudonym);
		json_string(&to, "key", key->id);
		json_string(&to, "made", made);
		json_string(&to, "destroyed", destroyed);
		json_object_end(&to);
	}
	json_array_end(&to);
	json_newline(&to);
	if (cli_json)
		fwrite(to.bytes, 1, to.length, stdout);
	json_free(&to);
}

int audit_client(int argc, char **argv)
{
	static const struct option options[] = {{"client-keys", required_argument, NULL, 'k'}, {0}};
	_cleanup_(veil_keys_release) struct veil_keys keys = {0};
	const char *path = AUDIT_CLIENT_KEYS;
	struct usher_address address;
	int letter, status, error;

	while ((letter = cli_option(argc, argv, options)) != -1) {
		if (letter != 'k')
			return CLI_USAGE;
		path = optarg;
	}
	status = cli_operands(argc, 2, "client ADDRESS");
	if (status)
		return status;
	if (address_parse(argv[optind + 1], &address))
		return cli_misuse("that is no address: %s", argv[optind + 1]);
	error = veil_keys_read(path, &keys);
	if (error)
		return cli_fail(CLI_SYSTEM, "%s: %s", path, error == -EBADMSG ? "it is damaged" : strerror(-error));
	print(&keys, &address);
	return keys.count ? CLI_OK : CLI_NO;
}
