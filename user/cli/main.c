// SPDX-License-Identifier: GPL-2.0-only
/* usher [-j] [-s SOCKET] VERB …: finds the verb in the table and runs it. Bare `usher` is `usher show`. */
#include <stdio.h>
#include <string.h>

#include "cli/audit_filter.h"
#include "cli/verbs.h"
#include "daemon/options.h"

struct verb {
	const char *name;
	const char *arguments;
	const char *help;   /* one line */
	const char *detail; /* what `usher help VERB` adds */
	int (*run)(int argc, char **argv);
};

static const struct verb verbs[] = {
	{"check", "FILE [--statement] [--signature SIG... --approvers DIR]", "parse, validate and compile a policy",
	 "Prints every error and warning as FILE:LINE:COLUMN: PATH: what is wrong.\n"
	 "Needs no daemon and no privilege. FILE may be - for standard input.\n"
	 "  --statement      print what an approver of it signs, and nothing else:\n"
	 "                   openssl pkeyutl -sign -rawin -inkey KEY -in STATEMENT -out SIG\n"
	 "  --signature SIG  is it a signature of it by one of those whose keys, NAME.pem, are in DIR?\n"
	 "Exit status: 0 good, 3 refused.",
	 cli_check},
	{"diff", "FILE [--against REVISION]", "what a policy would change",
	 "Compares FILE (or - for standard input) with the policy that is in force: objects added, removed and\n"
	 "changed, and for each service and class the backends gained and lost.\n"
	 "  --against REVISION  with one that was in force, by its revision or the first 4 or more digits of its "
	 "digest\n"
	 "Exit status: 0 nothing would change, 1 it differs, 3 refused.",
	 cli_diff},
	{"apply", "FILE [--dry-run] [--confirm-within TIME] [--why TEXT] [--signature SIG]...", "publish a policy",
	 "FILE may be - for standard input.\n"
	 "  --dry-run              do everything but publish\n"
	 "  --confirm-within TIME  go back to the policy before it unless `usher confirm` follows in time (60s, 5m)\n"
	 "  --why TEXT             one line, for the record; needed where policies have to be approved\n"
	 "  --signature SIG        file with an approver's signature of what `usher check --statement` prints\n"
	 "Exit status: 0 in force, 3 refused.",
	 cli_apply},
	{"confirm", "", "keep a policy that was applied with --confirm-within",
	 "Exit status: 0 it stays, 1 nothing waits for it, 6 too late: the policy before it is back.", cli_confirm},
	{"rollback", "[REVISION] [--why TEXT] [--signature SIG]... | [REVISION] --statement",
	 "go back to the policy before, or to a revision of it",
	 "REVISION is a number from `usher history`, or the first 4 or more digits of a digest.\n"
	 "  --why TEXT       one line, for the record; needed where policies have to be approved\n"
	 "  --signature SIG  file with an approver's signature of what --statement prints\n"
	 "  --statement      print what an approver of this going back signs: it is good for once",
	 cli_rollback},
	{"history", "[REVISION [--document]]", "policies that were applied: when, by whom, why, how it ended",
	 "REVISION, a number or the first 4 or more digits of a digest: what is known of one that was in force. It is "
	 "kept\n"
	 "as long as a record can name it.\n"
	 "  --document  its text instead, byte for byte\n"
	 "Exit status: 0 here it is, 1 none is kept that is called so.",
	 cli_history},
	{"show",
	 "[services|tenants|models|backends|routes|quarantines|gates|evaluators|surges|rollouts|ejections|pools|"
	 "shipping|"
	 "flows|facts|stats|generation]",
	 "what is in force, live",
	 "Without a word: an overview.\n"
	 "  --service NAME  of routes and flows, only those of this service\n"
	 "  --limit N       of routes and flows, at most so many (1000)",
	 cli_show},
	{"explain", "CLIENT SERVICE", "what would happen to a new connection, and which rule decides",
	 "CLIENT is an address, with a port if you like; SERVICE is a name, or ADDRESS:PORT; either may\n"
	 "end in /tcp or /udp.\n"
	 "The verdict is that of the program in the kernel, asked with a packet of its own.\n"
	 "Exit status: 0 admitted, 1 refused.",
	 cli_explain},
	{"drain", "BACKEND", "give a backend no new flows; open ones go on", "", cli_drain},
	{"undrain", "BACKEND", "end a drain", "", cli_undrain},
	{"quarantine", "MODEL@VERSION | --backend NAME --why TEXT",
	 "take a version, or a backend, out at once: open flows are cut",
	 "Whatever the policy says, nobody is answered by it until it is released; that survives restarts and "
	 "policies.\n"
	 "  --backend NAME  one backend instead of all that serve a version\n"
	 "  --why TEXT      one line, for the record and for whoever asks\n"
	 "Exit status: 0 it is in quarantine, by this or already.",
	 cli_quarantine},
	{"release", "MODEL@VERSION | --backend NAME --why TEXT", "end a quarantine",
	 "Also of what the policy does not have any more.\n"
	 "  --backend NAME  one backend, not a version\n"
	 "  --why TEXT      one line, for the record\n"
	 "Exit status: 0 it is in no quarantine, by this or before.",
	 cli_release},
	{"rollout", "pause|resume|promote|abort NAME --why TEXT", "stop a roll-out, take it on, or take it back",
	 "  pause        it keeps the share that it has\n"
	 "  resume       it goes on; one that was rolled back or aborted begins anew\n"
	 "  promote      the next step at once, whatever is missing for it; a paused one stays paused\n"
	 "  abort        the new version gets nothing any more\n"
	 "  --why TEXT   one line, for the record and for whoever asks\n"
	 "`usher show rollouts` says where each stands and what it waits for.\n"
	 "Exit status: 0 it is so, by this or already; 1 it cannot be: it is over, or a gate that it needs is "
	 "breached.",
	 cli_rollout},
	{"doctor", "telemetry|pools|audit|shipping",
	 "what keeps usher from knowing the load of backends or who they are, its record from the disk, or records "
	 "from "
	 "others",
	 "shipping: destinations of --ship that get no records, or did not get all of them.\n"
	 "pools: those whose source cannot be had, or says what the policy does not allow: their members are kept.\n"
	 "telemetry: of each backend whose metrics the policy has read: pages that cannot be had, series that are "
	 "missing or "
	 "have\n"
	 "other names now, counters and percentages where they do not belong.\n"
	 "audit: a log that cannot be written, waits for its disk, is short of room, or has lost something.\n"
	 "Exit status: 0 nothing, 1 something.",
	 cli_doctor},
	{"detach", "[--stop] [--interface IF] [--pin-dir DIR] [--state-dir DIR]",
	 "take the program off the interface, and all else that outlives the daemon",
	 "Link or place in libxdp's dispatcher, pins, and the addresses that usherd has put on. Needs no daemon, and\n"
	 "refuses while one lives. History, policies and records stay.\n"
	 "  --stop           end the daemon first\n"
	 "  --interface IF   where the addresses are (where the program is)\n"
	 "  --pin-dir DIR    as usherd was told (" PROGRAM_PIN_DIR ")\n"
	 "  --state-dir DIR  the same (" OPTIONS_STATE_DIR ")",
	 cli_detach},
	{"simulate", "FILE [FILTER]... [--dir DIR]", "what another policy would have made of the decisions on record",
	 "Who was allowed and would be denied, who was denied and would be allowed, whose backend would get no new\n"
	 "connections any more: by tenant, region and service, with the rule responsible and examples. Needs no\n"
	 "daemon. Every backend of FILE counts as healthy and free; refusals that came of the moment (drains, probes,\n"
	 "gates, limits, ...) are counted apart. What cannot be known is not counted: which of the backends that "
	 "still\n"
	 "get new connections a client would get once their shares, capacities or rings change.\n"
	 "FILTER, of which all have to hold:\n" AUDIT_DECISION_HELP "  --dir DIR       where the record is\n"
	 "Exit status: 0 nothing would change, 1 something would.",
	 cli_simulate},
	{"audit",
	 "tail [-f] [-n N] [FILTER]... | query [--limit N] [FILTER]... | verify [EVIDENCE] [--key FILE]... [--witness "
	 "FILE]... [--segments N[-M]] | "
	 "export [--format FORM] [--output FILE] [FILTER]... | report [FILTER]... [--html] [--output FILE] | "
	 "key | "
	 "checkpoint, [--dir DIR] | client ADDRESS [--client-keys FILE] | rotate-key --why TEXT",
	 "read the record of decisions, and prove it",
	 "tail: the last records.\n"
	 "  -f, --follow    go on as records are written, across files\n"
	 "  -n, --lines N   the last N records that match (10)\n"
	 "query: all records that match, the oldest first.\n"
	 "  --limit N       at most so many\n"
	 "FILTER, of which all have to hold:\n" AUDIT_FILTER_HELP
	 "verify: has anybody edited it? Works every seal out anew and says what does not hold, and where.\n"
	 "  --key FILE      the public key that is believed; without one those that lie beside the record are, where "
	 "whoever\n"
	 "                  can edit it could have put them\n"
	 "  --witness FILE  checkpoints that were kept elsewhere, one a line: what is older was not written anew "
	 "since\n"
	 "  --segments N-M  only these files, by their numbers\n"
	 "  EVIDENCE        a file that export has made, instead of the record: its keys are believed where none is "
	 "given\n"
	 "export: records that match, the oldest first, for other programs.\n"
	 "  --format FORM   jsonl (as they are written), csv (RFC 4180), ocsf (OCSF 1.3.0: decisions are of class "
	 "4001,\n"
	 "                  operations of class 3004), or\n"
	 "                  evidence: the part of the log from --since to --until, which `usher audit verify FILE` "
	 "proves "
	 "anywhere\n"
	 "  --output FILE   whole or not at all; standard output\n"
	 "  --sign FILE     evidence: a private key that also signs who has made it\n"
	 "  --state-dir DIR  evidence: where the policies are kept that its records name (" OPTIONS_STATE_DIR ")\n"
	 "report: who was answered by which version, under which rule and policy, who applied and approved that and "
	 "why; who\n"
	 "was refused and cut off; what else was changed, by whom; gaps; and whether the record is as it was written. "
	 "Markdown;\n"
	 "-j for programs. FILTER, but for --type, narrows answers, denials, revocations and ends.\n"
	 "  --html          a page that needs nothing else, and prints well\n"
	 "  --key FILE, --witness FILE, --output FILE  as above\n"
	 "key: the public key that it is signed with. checkpoint: the last signature, for a witness to keep.\n"
	 "client: the pseudonyms that stand for an address, by each key that has not been destroyed.\n"
	 "rotate-key: the daemon signs with a new key from now on, and the old one signs that; the record says who and "
	 "why.\n"
	 "  --dir DIR           where the record is\n"
	 "  --client-keys FILE  the daemon's keys of pseudonyms, in its state folder\n"
	 "Exit status of query and export: 0 some match, 1 none. Of verify and report: 0 it is as it was written, 1 it "
	 "is not.",
	 cli_audit},
};

#define VERBS (sizeof(verbs) / sizeof(*verbs))

static const struct verb *find(const char *name)
{
	for (size_t i = 0; i < VERBS; i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

static void overview(FILE *to)
{
	fputs("usage: usher [-j] [-s SOCKET] VERB ...\n\n", to);
	for (size_t i = 0; i < VERBS; i++)
		fprintf(to, "  %-10s %s\n", verbs[i].name, verbs[i].help);
	fputs("  help       this list, or one verb's usage: usher help VERB\n\n"
	      "  -j, --json           JSON for programs\n"
	      "  -s, --socket SOCKET  where the daemon listens\n\n"
	      "Exit status: 0 yes; 1 a negative answer; 2 usage; 3 policy refused; 4 daemon not reachable;\n"
	      "5 kernel or permission; 6 applied but not confirmed in time.\n",
	      to);
}

static int usage(const struct verb *verb)
{
	printf("usage: usher [-j] %s%s%s\n\n%s.\n", verb->name, *verb->arguments ? " " : "", verb->arguments,
	       verb->help);
	if (*verb->detail)
		printf("\n%s\n", verb->detail);
	return CLI_OK;
}

static int help(const char *name)
{
	const struct verb *verb = name ? find(name) : NULL;

	if (verb)
		return usage(verb);
	if (name)
		return cli_misuse("no verb is called %s", name);
	overview(stdout);
	return CLI_OK;
}

static bool asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"socket", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	static char *show[] = {"show", NULL};
	const struct verb *verb;
	int letter;

	/* The plus sign stops at the verb: what follows it is the verb's own. */
	while ((letter = getopt_long(argc, argv, "+:js:h", options, NULL)) != -1) {
		switch (letter) {
		case 'j':
			cli_json = true;
			break;
		case 's':
			cli_socket = optarg;
			break;
		case 'h':
			return help(NULL);
		case ':':
			return cli_misuse("%s needs a value", argv[optind - 1]);
		default:
			return cli_misuse_option(argv);
		}
	}
	argc -= optind;
	argv += optind;
	optind = 0; /* makes the verb's getopt start afresh */

	if (argc == 0)
		return cli_show(1, show);
	if (!strcmp(argv[0], "help"))
		return help(argv[1]);
	verb = find(argv[0]);
	if (!verb)
		return cli_misuse("no verb is called %s", argv[0]);
	if (asks_for_help(argc, argv))
		return usage(verb);
	cli_verb = verb->name;
	return verb->run(argc, argv);
}
