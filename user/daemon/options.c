// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/options.h"

#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "audit/approvers.h"
#include "base/log.h"
#include "daemon/protocol.h"
#include "ship/credentials.h"

#define PIN_DIR PROGRAM_PIN_DIR
#define STATE_DIR OPTIONS_STATE_DIR
#define AUDIT_DIR "/var/log/usher"
#define POOL_DIR "/etc/usher/pools"
#define METRICS_ADDRESS "127.0.0.1"
#define METRICS_PORT 9464
#define PRIORITY_DEFAULT 50 /* libxdp's own */
#define PRIORITY_MAX 65535
#define HALF_OPEN_DEFAULT 65536
#define REPLIES_DEFAULT 1000
#define RECORDS_DEFAULT 10000
#define SHIP_FACILITY_DEFAULT 16 /* local0 */

static const char usage[] =
	"usage: usherd --interface IF [--policy FILE] [OPTION...]\n"
	"       usherd --detach [--pin-dir DIR] [--state-dir DIR] [--interface IF]\n"
	"\n"
	"  --interface IF     where packets come in and go out; several, for clients on one and backends on another\n"
	"  --policy FILE      the policy to start with; if FILE is what the last start was given, the policy that was "
	"in\n"
	"                     force last comes back instead, whatever was applied since\n"
	"  --approvers DIR    public keys, NAME.pem, of those who approve policies: from now on none comes into force "
	"that\n"
	"                     too few of them have signed; those of FILE are in FILE.NAME.sig\n"
	"  --approvals N      how many of them have to\n"
	"  --socket PATH      control socket (" PROTOCOL_SOCKET ")\n"
	"  --state-dir DIR    what survives a reboot (" STATE_DIR ")\n"
	"  --audit-dir DIR    the record of decisions (" AUDIT_DIR ")\n"
	"  --audit-segment-size SIZE\n"
	"                     its files end at that: 1M to 1G (64M)\n"
	"  --audit-segment-age DURATION\n"
	"                     or at that: 1m to 365d (24h); closed ones are compressed\n"
	"  --audit-sync WHEN  when it is brought to the disk: batch, second or never by usherd (second)\n"
	"  --audit-flow-ends  record how each flow ended, and its packets and bytes; of a program that is taken over "
	"it is as\n"
	"                     it was\n"
	"  --witness-file FILE\n"
	"                     each signature of it is appended there as well, best on another host's disk\n"
	"  --ship DESTINATION records are sent there as well, each at least once; up to 8 of them: journald,\n"
	"                     syslog+tls://HOST:PORT, syslog+tcp://HOST:PORT, kafka+tls://BROKER:PORT[,...]/TOPIC,\n"
	"                     or kafka://... without TLS\n"
	"  --ship-ca FILE     certificates, PEM, that TLS with them trusts (" CREDENTIALS_CA_FILE ")\n"
	"  --ship-cert FILE, --ship-key FILE\n"
	"                     who usherd is by TLS, PEM\n"
	"  --ship-facility NAME\n"
	"                     of syslog messages: local0 to local7, audit, authpriv, daemon, ... (local0)\n"
	"  --pool-dir DIR     files that say who is in the pools of the policy (" POOL_DIR ")\n"
	"  --pin-dir DIR      where program, link and maps are pinned (" PIN_DIR ")\n"
	"  --mode MODE        auto, native or generic XDP (auto: native, or else generic)\n"
	"  --dispatcher       share the interface through libxdp's dispatcher, also if no other program is there yet\n"
	"  --xdp-priority N   there, 0 to 65535: lower ones see a packet first (50)\n"
	"  --flows N          lines of the flow table, a power of two from 1024 to 8388608 (1048576)\n"
	"  --half-open N      half-open flows of one tenant (65536)\n"
	"  --replies N        resets and ICMP answers a second for one class of clients and CPU (1000)\n"
	"  --records N        new flows of one tenant that are recorded one by one in a second, and as many proven\n"
	"                     handshakes, and a tenth of it refusals; what comes beyond is recorded together (10000)\n"
	"  --metrics ADDR:PORT|off\n"
	"                     where /metrics is served (127.0.0.1:9464)\n"
	"  --ca-file FILE     certificates, PEM, that probes by https trust (" EDGE_CA_FILE ")\n"
	"  --detach           take the program off, remove what is pinned, and end\n"
	"  --version, --help\n"
	"\n"
	"When usherd ends, traffic goes on as the policy in force says; --detach ends it, as `usher detach` does, and "
	"takes\n"
	"the addresses off that usherd has put on the interfaces.\n";

enum letter {
	INTERFACE = 256,
	POLICY,
	APPROVERS,
	APPROVALS,
	SOCKET,
	STATE,
	AUDIT,
	SEGMENT_SIZE,
	SEGMENT_AGE,
	SYNC,
	FLOW_ENDS,
	WITNESS,
	SHIP,
	SHIP_CA,
	SHIP_CERT,
	SHIP_KEY,
	SHIP_FACILITY,
	POOLS,
	PIN,
	MODE,
	DISPATCHER,
	PRIORITY,
	FLOWS,
	HALF_OPEN,
	REPLIES,
	RECORDS,
	METRICS,
	CA_FILE,
	DETACH,
	VERSION,
	HELP
};

static const struct option long_options[] = {
	{"interface", required_argument, NULL, INTERFACE},
	{"policy", required_argument, NULL, POLICY},
	{"approvers", required_argument, NULL, APPROVERS},
	{"approvals", required_argument, NULL, APPROVALS},
	{"socket", required_argument, NULL, SOCKET},
	{"state-dir", required_argument, NULL, STATE},
	{"audit-dir", required_argument, NULL, AUDIT},
	{"audit-segment-size", required_argument, NULL, SEGMENT_SIZE},
	{"audit-segment-age", required_argument, NULL, SEGMENT_AGE},
	{"audit-sync", required_argument, NULL, SYNC},
	{"audit-flow-ends", no_argument, NULL, FLOW_ENDS},
	{"witness-file", required_argument, NULL, WITNESS},
	{"ship", required_argument, NULL, SHIP},
	{"ship-ca", required_argument, NULL, SHIP_CA},
	{"ship-cert", required_argument, NULL, SHIP_CERT},
	{"ship-key", required_argument, NULL, SHIP_KEY},
	{"ship-facility", required_argument, NULL, SHIP_FACILITY},
	{"pool-dir", required_argument, NULL, POOLS},
	{"pin-dir", required_argument, NULL, PIN},
	{"mode", required_argument, NULL, MODE},
	{"dispatcher", no_argument, NULL, DISPATCHER},
	{"xdp-priority", required_argument, NULL, PRIORITY},
	{"flows", required_argument, NULL, FLOWS},
	{"half-open", required_argument, NULL, HALF_OPEN},
	{"replies", required_argument, NULL, REPLIES},
	{"records", required_argument, NULL, RECORDS},
	{"metrics", required_argument, NULL, METRICS},
	{"ca-file", required_argument, NULL, CA_FILE},
	{"detach", no_argument, NULL, DETACH},
	{"version", no_argument, NULL, VERSION},
	{"help", no_argument, NULL, HELP},
	{0},
};

static const char *option_name(enum letter letter)
{
	for (size_t i = 0; long_options[i].name; i++)
		if (long_options[i].val == (int)letter)
			return long_options[i].name;
	return "";
}

/* Says what the value would have to be. Returns -EINVAL. */
static int refuse(enum letter letter, const char *value, const char *choices)
{
	log_error("--%s cannot be %s: it is %s", option_name(letter), value, choices);
	return -EINVAL;
}

static int parse_number(const char *text, unsigned long min, unsigned long max, uint32_t *ret_number)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno || !*text || *end || strspn(text, "0123456789") != strlen(text) || number < min || number > max)
		return -EINVAL;
	*ret_number = (uint32_t)number;
	return 0;
}

static int take_number(enum letter letter, const char *value, unsigned long min, unsigned long max,
		       uint32_t *ret_number)
{
	char choices[64];

	snprintf(choices, sizeof(choices), "a number from %lu to %lu", min, max);
	return parse_number(value, min, max, ret_number) ? refuse(letter, value, choices) : 0;
}

static int take_flows(const char *value, uint32_t *ret_lines)
{
	char choices[64];

	if (!parse_number(value, USHER_FLOW_LINES_MIN, USHER_FLOW_LINES_MAX, ret_lines) &&
	    !(*ret_lines & (*ret_lines - 1)))
		return 0;
	snprintf(choices, sizeof(choices), "a power of two from %u to %u", USHER_FLOW_LINES_MIN, USHER_FLOW_LINES_MAX);
	return refuse(FLOWS, value, choices);
}

/* A whole number with one letter of `units` behind it. Returns 0 or -EINVAL. */
static int parse_measure(const char *text, const char *units, const uint64_t *factors, uint64_t *ret_value)
{
	size_t digits = strspn(text, "0123456789");
	const char *unit = text[digits] ? strchr(units, text[digits]) : NULL;

	if (!digits || digits > 9 || !unit || text[digits + 1])
		return -EINVAL;
	*ret_value = strtoull(text, NULL, 10) * factors[unit - units];
	return 0;
}

static int take_segment_size(const char *text, uint64_t *ret_bytes)
{
	static const uint64_t factors[] = {1u << 20, 1u << 30};
	uint64_t bytes;

	if (parse_measure(text, "MG", factors, &bytes) || bytes < 1u << 20 || bytes > 1u << 30)
		return refuse(SEGMENT_SIZE, text, "a size from 1M to 1G");
	*ret_bytes = bytes;
	return 0;
}

static int take_segment_age(const char *text, int64_t *ret_age)
{
	static const uint64_t factors[] = {1, 60, 3600, 86400};
	uint64_t seconds;

	if (parse_measure(text, "smhd", factors, &seconds) || seconds < 60 || seconds > 365 * 86400)
		return refuse(SEGMENT_AGE, text, "a duration from 1m to 365d");
	*ret_age = (int64_t)seconds * CLOCK_SECOND;
	return 0;
}

static int take_mode(const char *text, enum attach_mode *ret_mode)
{
	static const char *const names[] = {
		[ATTACH_AUTO] = "auto", [ATTACH_NATIVE] = "native", [ATTACH_GENERIC] = "generic"};

	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		if (!strcmp(text, names[i])) {
			*ret_mode = (enum attach_mode)i;
			return 0;
		}
	return refuse(MODE, text, "auto, native or generic");
}

static int take_sync(const char *text, enum outbox_sync *ret_sync)
{
	static const char *const names[] = {
		[OUTBOX_SYNC_SECOND] = "second", [OUTBOX_SYNC_BATCH] = "batch", [OUTBOX_SYNC_NEVER] = "never"};

	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		if (!strcmp(text, names[i])) {
			*ret_sync = (enum outbox_sync)i;
			return 0;
		}
	return refuse(SYNC, text, "batch, second or never");
}

static int take_metrics(const char *text, struct edge_options *edge)
{
	const char *colon = strrchr(text, ':');
	uint32_t port;

	edge->address[0] = '\0';
	if (!strcmp(text, "off"))
		return 0;
	if (!colon || (size_t)(colon - text) >= sizeof(edge->address) || parse_number(colon + 1, 1, 65535, &port))
		return refuse(METRICS, text, "ADDRESS:PORT, or off");
	memcpy(edge->address, text, (size_t)(colon - text));
	edge->address[colon - text] = '\0';
	edge->port = (uint16_t)port;
	return 0;
}

static int take_destination(const char *text, struct ship_options *ship)
{
	struct destination destination;

	if (destination_parse(text, &destination))
		return refuse(SHIP, text, DESTINATION_CHOICES);
	for (size_t i = 0; i < ship->count; i++)
		if (!strcmp(ship->destinations[i].text, text))
			return refuse(SHIP, text, "each destination once");
	if (ship->count == SHIP_DESTINATIONS_MAX)
		return refuse(SHIP, text, "up to 8 destinations");
	ship->destinations[ship->count++] = destination;
	return 0;
}

static int take_facility(const char *name, uint8_t *ret_facility)
{
	return destination_facility(name, ret_facility)
		       ? refuse(SHIP_FACILITY, name,
				"a facility of syslog: local0 to local7, audit, authpriv, daemon, ...")
		       : 0;
}

static int take_interface(const char *name, struct interfaces *interfaces)
{
	uint32_t index = if_nametoindex(name);
	char choices[64];

	if (strlen(name) < IF_NAMESIZE && interfaces->count < USHER_INTERFACES_MAX &&
	    !(index && interfaces_have(interfaces, index))) {
		strcpy(interfaces->items[interfaces->count].name, name);
		interfaces->items[interfaces->count++].index = index;
		return 0;
	}
	snprintf(choices, sizeof(choices), "a name of up to %d bytes, up to %d of them, each once", IF_NAMESIZE - 1,
		 USHER_INTERFACES_MAX);
	return refuse(INTERFACE, name, choices);
}

/* Returns 0, or -EINVAL once it has said what the option can be. */
static int take(enum letter letter, const char *value, struct options *options)
{
	switch (letter) {
	case INTERFACE:
		return take_interface(value, &options->program.interfaces);
	case POLICY:
		options->policy = value;
		return 0;
	case APPROVERS:
		options->approvers = value;
		return 0;
	case APPROVALS:
		return take_number(letter, value, 1, APPROVERS_MAX, &options->approvals);
	case SOCKET:
		options->socket = value;
		return 0;
	case STATE:
		options->state_dir = value;
		return 0;
	case AUDIT:
		options->audit_dir = value;
		return 0;
	case SEGMENT_SIZE:
		return take_segment_size(value, &options->audit_limits.bytes);
	case SEGMENT_AGE:
		return take_segment_age(value, &options->audit_limits.age);
	case SYNC:
		return take_sync(value, &options->audit_sync);
	case FLOW_ENDS:
		options->program.flow_ends = true;
		return 0;
	case WITNESS:
		options->witness_file = value;
		return 0;
	case SHIP:
		return take_destination(value, &options->ship);
	case SHIP_CA:
		options->ship.ca_file = value;
		return 0;
	case SHIP_CERT:
		options->ship.cert_file = value;
		return 0;
	case SHIP_KEY:
		options->ship.key_file = value;
		return 0;
	case SHIP_FACILITY:
		return take_facility(value, &options->ship.facility);
	case POOLS:
		options->pool_dir = value;
		return 0;
	case PIN:
		options->program.pin_dir = value;
		return 0;
	case MODE:
		return take_mode(value, &options->program.mode);
	case DISPATCHER:
		options->program.dispatcher = true;
		return 0;
	case PRIORITY:
		return take_number(letter, value, 0, PRIORITY_MAX, &options->program.priority);
	case FLOWS:
		return take_flows(value, &options->program.flow_lines);
	case HALF_OPEN:
		return take_number(letter, value, 1, USHER_FLOW_LINES_MAX, &options->program.half_open_max);
	case REPLIES:
		return take_number(letter, value, 0, 1000000, &options->program.replies_max);
	case RECORDS:
		return take_number(letter, value, 10, 1000000, &options->program.records_max);
	case METRICS:
		return take_metrics(value, &options->edge);
	case CA_FILE:
		options->edge.ca_file = value;
		return 0;
	case DETACH:
		options->detach = true;
		return 0;
	default:
		return -EINVAL;
	}
}

static int check(const struct options *options)
{
	const struct interfaces *interfaces = &options->program.interfaces;

	if (options->detach) /* those that the program is attached to, whatever has become of them */
		return 0;
	if (!options->approvers != !options->approvals) {
		log_error("--approvers DIR says who approves policies, and --approvals N how many of them have to: one "
			  "needs the other");
		return -EINVAL;
	}
	if (!options->ship.cert_file != !options->ship.key_file) {
		log_error("--ship-cert and --ship-key go together");
		return -EINVAL;
	}
	if (!interfaces->count)
		log_error("--interface is missing; usherd --help lists what there is");
	for (size_t i = 0; i < interfaces->count; i++)
		if (!interfaces->items[i].index) {
			log_error("there is no interface %s", interfaces->items[i].name);
			return -ENODEV;
		}
	return interfaces->count ? 0 : -EINVAL;
}

int options_parse(int argc, char **argv, struct options *ret_options, int *ret_status)
{
	struct options options = {
		.socket = PROTOCOL_SOCKET,
		.state_dir = STATE_DIR,
		.audit_dir = AUDIT_DIR,
		.audit_limits = {STORE_SEGMENT_BYTES, STORE_SEGMENT_AGE},
		.pool_dir = POOL_DIR,
		.program = {.pin_dir = PIN_DIR,
			    .mode = ATTACH_AUTO,
			    .priority = PRIORITY_DEFAULT,
			    .flow_lines = USHER_FLOW_LINES_DEFAULT,
			    .half_open_max = HALF_OPEN_DEFAULT,
			    .replies_max = REPLIES_DEFAULT,
			    .records_max = RECORDS_DEFAULT},
		.edge = {.address = METRICS_ADDRESS, .port = METRICS_PORT},
		.ship = {.facility = SHIP_FACILITY_DEFAULT},
	};
	int letter;

	*ret_status = 2;
	while ((letter = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (letter == '?')
			return -1; /* getopt has said what */
		if (letter == HELP || letter == VERSION) {
			fputs(letter == HELP ? usage : "usherd " USHER_VERSION "\n", stdout);
			*ret_status = 0;
			return -1;
		}
		if (take((enum letter)letter, optarg, &options))
			return -1;
	}
	if (optind < argc) {
		log_error("what is %s for? usherd --help lists what there is", argv[optind]);
		return -1;
	}
	if (check(&options))
		return -1;
	options.ship.audit_dir = options.audit_dir;
	options.ship.state_dir = options.state_dir;
	*ret_options = options;
	return 0;
}
