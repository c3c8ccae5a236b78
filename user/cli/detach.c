// SPDX-License-Identifier: GPL-2.0-only
/* usher detach: take off what keeps traffic going without a daemon. Asks no daemon, and refuses while one lives. */
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "cli/field.h"
#include "cli/verbs.h"
#include "daemon/options.h"
#include "daemon/protocol.h"
#include "daemon/removal.h"

enum letter { INTERFACE = 256, PIN, STATE, STOP };

static void print(const struct removed *removed)
{
	char names[INTERFACES_TEXT];

	interfaces_print(&removed->interfaces, names);
	if (cli_json) {
		struct json_object *answer = json_object_new_object();

		json_object_object_add(answer, "interface", *names ? json_object_new_string(names) : NULL);
		json_object_object_add(answer, "addresses", json_object_new_int64((int64_t)removed->addresses));
		tree_print(answer);
		json_object_put(answer);
	} else if (!*names && !removed->addresses) {
		puts("nothing was attached");
	} else {
		printf("detached from %s, %zu addresses taken off\n", *names ? names : "nothing", removed->addresses);
	}
}

int cli_detach(int argc, char **argv)
{
	static const struct option options[] = {{"interface", required_argument, NULL, INTERFACE},
						{"pin-dir", required_argument, NULL, PIN},
						{"state-dir", required_argument, NULL, STATE},
						{"stop", no_argument, NULL, STOP},
						{NULL, 0, NULL, 0}};
	struct removal removal = {.pin_dir = PROGRAM_PIN_DIR, .state_dir = OPTIONS_STATE_DIR};
	struct problem problem = {0};
	struct removed removed;
	bool stop = false;
	int letter, status;

	while ((letter = cli_option(argc, argv, options)) != -1) {
		switch (letter) {
		case INTERFACE:
			if (strlen(optarg) >= IF_NAMESIZE || !if_nametoindex(optarg) ||
			    removal.interfaces.count == USHER_INTERFACES_MAX)
				return cli_misuse("there is no interface %s", optarg);
			strcpy(removal.interfaces.items[removal.interfaces.count].name, optarg);
			removal.interfaces.items[removal.interfaces.count++].index = if_nametoindex(optarg);
			break;
		case PIN:
			removal.pin_dir = optarg;
			break;
		case STATE:
			removal.state_dir = optarg;
			break;
		case STOP:
			stop = true;
			break;
		default:
			return CLI_USAGE;
		}
	}
	status = cli_operands(argc, 0, NULL);
	if (status)
		return status;
	if (geteuid())
		return cli_fail(CLI_SYSTEM, "only root can take the program off");
	if (stop)
		removal.socket = cli_socket ? cli_socket : PROTOCOL_SOCKET;
	if (removal_run(&removal, &problem, &removed))
		return cli_fail(CLI_SYSTEM, "%s", problem.text);
	print(&removed);
	return CLI_OK;
}
