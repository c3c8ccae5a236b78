// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packet vectors through the loaded program: what goes in, what becomes of it, for which reason, and the bytes that come out.
 *
 * A file is a list of lines:
 *   backend NAME up|draining|down|lost|quarantined|gated|unverified|ejected
 *                           what is known of it, from the next policy on; at first they are all up
 *   shed N                  so many priorities of tenants, from the next policy on
 *   policy FILE [closed]    published from here on; closed: no route leads anywhere, as after a policy that is not valid any more
 *   scene NAME              no flow is open any more
 *   deadline passed|ahead   of the controller
 *   room N|all              bytes that the driver leaves in front of a frame
 *   lines locked|free       another CPU is inserting at each of them, as it seems
 *   later N                 the last packet of every open flow was N ticks longer ago
 *   v DESCRIPTION           the vector that the next two lines are
 *   < FRAME                 see description.h
 *   again N                 that frame, N times, whatever becomes of it
 *   ports N [acknowledged]  the same, once from each of N source ports, beginning with its own; after each an ACK from there
 *   > pass|drop|tx REASON [FRAME]   what becomes of it; pass, drop: unchanged, unless another frame is given
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "../unit/kernel/conservation.h"
#include "coverage.h"
#include "description.h"
#include "judge.h"
#include "room.h"
#include "stage.h"

#define FLAG_ACK 0x10 /* TCP */
#define FOLDER "tests/vectors/"

static const char *const reason_labels[USHER_REASON_MAX] = {
#define X(number, name, verdict, label, text) [number] = label,
	USHER_REASONS(X)
#undef X
};

static const uint8_t reason_verdicts[USHER_REASON_MAX] = {
#define X(number, name, verdict, label, text) [number] = USHER_VERDICT_##verdict,
	USHER_REASONS(X)
#undef X
};

static struct {
	struct vector_stage stage;
	int program; /* that gets the frames */
	uint64_t counted[USHER_REASON_MAX];
	unsigned int done, failed, described, series, cuts;
	char description[1100];
	struct vector_frame in;
	struct vector_context context;
} bench;

static bool find_mac(const char *name, uint8_t mac[6])
{
	return stage_mac(&bench.stage, name, mac);
}

/* ---- counters ------------------------------------------------------------------------------------------------ */

static void count_anew(void)
{
	for (uint32_t r = 0; r < USHER_REASON_MAX; r++)
		bench.counted[r] = stage_counted(&bench.stage, r);
}

/* The reason that was counted since this was asked last, or -1: none, or several. */
static int counted_reason(void)
{
	int found = -1;

	for (uint32_t r = 0; r < USHER_REASON_MAX; r++) {
		uint64_t sum = stage_counted(&bench.stage, r);

		if (sum == bench.counted[r])
			continue;
		found = found < 0 && sum == bench.counted[r] + 1 ? (int)r : -2;
		bench.counted[r] = sum;
	}
	return found;
}

/* ---- vectors ------------------------------------------------------------------------------------------------- */

static void verdict(bool good, const char *what)
{
	bench.done++;
	bench.failed += !good;
	printf("%s %u - %s\n", good ? "ok" : "not ok", bench.done, bench.description);
	if (!good)
		printf("#   %s\n", what);
}

static void cut_verdict(const char *fault, unsigned int tried)
{
	bench.done++;
	bench.series++;
	bench.failed += !!*fault;
	printf("%s %u - cut at every length (%u pieces): %s\n", *fault ? "not ok" : "ok", bench.done, tried,
	       bench.description);
	if (*fault)
		printf("#   %s\n", fault);
}

static void print_bytes(const char *what, const uint8_t *bytes, size_t length)
{
	printf("#   %s (%zu) ", what, length);
	for (size_t i = 0; i < length; i++)
		printf("%02x", bytes[i]);
	putchar('\n');
}

/* The NAT port shows as the source port of what is sent to a backend; each flow that begins gets another. */
static void learn_nat_port(const struct vector_frame *output)
{
	if (!bench.context.nat_port)
		bench.context.nat_port = judge_source_port(output);
}

/* The XDP action, or -errno. */
static int pass(const struct vector_frame *frame, struct vector_frame *ret_output)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame->bytes, .data_size_in = (__u32)frame->length,
		    .data_out = ret_output->bytes, .data_size_out = sizeof(ret_output->bytes), .repeat = 1);

	if (bpf_prog_test_run_opts(bench.program, &run))
		return -errno;
	ret_output->length = run.data_size_out;
	return (int)run.retval;
}

/* ---- pieces -------------------------------------------------------------------------------------------------- */

static bool is_unchanged(const struct vector_frame *before, const struct vector_frame *after)
{
	return before->length == after->length && !memcmp(before->bytes, after->bytes, before->length);
}

/* reason: JUDGE_ICMP, too: it may go on, as long as it is. */
static void try_cut(const struct vector_frame *cut, int reason, char fault[128])
{
	struct vector_frame output;
	int action = pass(cut, &output);
	bool may_pass = reason < USHER_REASON_ADMITTED, may_drop = reason >= USHER_REASON_ADMITTED;

	if (reason == JUDGE_ICMP)
		may_drop = true;
	if (action == XDP_TX && reason == JUDGE_ICMP) {
		if (output.length < cut->length)
			snprintf(fault, 128, "%zu bytes: sent on as %zu", cut->length, output.length);
	} else if (!(action == XDP_PASS && may_pass) && !(action == XDP_DROP && may_drop)) {
		snprintf(fault, 128, "%zu bytes: action %d", cut->length, action);
	} else if (!is_unchanged(cut, &output)) {
		snprintf(fault, 128, "%zu bytes: changed, though not sent", cut->length);
	}
}

/* What was counted since is what was expected, and of ICMP as much as there were packets. */
static void check_counted(const uint64_t expected[USHER_REASON_MAX], uint64_t icmp, char fault[128])
{
	for (uint32_t r = 0; r < USHER_REASON_MAX; r++) {
		uint64_t more;

		bench.counted[r] = stage_counted(&bench.stage, r);
		more = bench.counted[r] - expected[r];
		if (r == USHER_REASON_ICMP_TO_HOST || r == USHER_REASON_ICMP_RELAYED ||
		    r == USHER_REASON_ICMP_UNJUDGED || (r == USHER_REASON_TTL_EXPIRED && more <= icmp))
			icmp -= more;
		else if (!*fault && more)
			snprintf(fault, 128, "reason %u: %llu more than expected", r, (unsigned long long)more);
	}
	if (!*fault && icmp)
		snprintf(fault, 128, "ICMP: %llu for another reason", (unsigned long long)icmp);
}

/*
 * The frame that is to be sent next, cut at every length: once as it is, and once with an IP header that knows. Each
 * piece gets its reason, and none leaves a trace that the whole frame would meet. Not between the packets of a flood and the
 * one after it: buckets fill with time.
 */
static void cut_everywhere(void)
{
	uint64_t expected[USHER_REASON_MAX], icmp = 0;
	char fault[128] = "";
	unsigned int tried = 0;

	memcpy(expected, bench.counted, sizeof(expected));
	for (size_t length = 14; !*fault && length < bench.in.length; length++)
		for (int shrunk = 0; !*fault && shrunk < 2; shrunk++) {
			struct vector_frame cut = bench.in;
			int reason;

			cut.length = length;
			if (shrunk)
				judge_shrink(&cut);
			reason = judge_cut(&cut, &bench.stage.places);
			if (reason == JUDGE_WHOLE)
				continue;
			tried++;
			if (reason == JUDGE_ICMP)
				icmp++;
			else
				expected[reason]++;
			try_cut(&cut, reason, fault);
		}
	check_counted(expected, icmp, fault);
	bench.cuts += tried;
	cut_verdict(fault, tried);
}

/* ---- whole frames -------------------------------------------------------------------------------------------- */

/* What is sent on is as wrong as it came; what usher says itself is right. */
static bool sums_hold(int reason, const struct vector_frame *output)
{
	if (reason_verdicts[reason] == USHER_VERDICT_FORWARD)
		return judge_sums_kept(&bench.in, output);
	return judge_checksums(output);
}

static void run(const char *expected_text)
{
	static const char *const actions[] = {[XDP_DROP] = "drop", [XDP_PASS] = "pass", [XDP_TX] = "tx"};
	char action[8] = "", reason[32] = "", fault[128] = "";
	struct vector_frame output = {0}, wanted = bench.in;
	int used = 0, why, got;
	bool changes;

	bench.described++;
	sscanf(expected_text, "%7s %31s%n", action, reason, &used);
	changes = expected_text[used] != '\0';
	stage_soil(&bench.stage);
	got = pass(&bench.in, &output);
	why = counted_reason();
	if (!strcmp(action, "tx")) {
		if (!strcmp(reason, "admitted"))
			bench.context.nat_port = 0;
		if (strstr(expected_text, "NAT"))
			learn_nat_port(&output);
	}
	bench.context.quoted = &bench.in;
	if (changes && vector_describe(expected_text + used, &bench.context, &wanted, fault)) {
		verdict(false, fault);
		return;
	}
	if (got < 0 || got > XDP_TX || strcmp(actions[got] ? actions[got] : "", action) != 0)
		snprintf(fault, sizeof(fault), "action %d", got);
	else if (why < 0 || strcmp(reason_labels[why], reason) != 0)
		snprintf(fault, sizeof(fault), "reason %s", why < 0 ? "not one" : reason_labels[why]);
	else if (!is_unchanged(&wanted, &output))
		snprintf(fault, sizeof(fault), "other bytes");
	else if (got == XDP_TX && !sums_hold(why, &output))
		snprintf(fault, sizeof(fault), "a wrong checksum");
	if (!*fault)
		coverage_note((uint32_t)why);
	verdict(!*fault, fault);
	if (*fault) {
		print_bytes("in     ", bench.in.bytes, bench.in.length);
		print_bytes("wanted ", wanted.bytes, wanted.length);
		print_bytes("got    ", output.bytes, output.length);
	}
}

static void send_again(long times)
{
	struct vector_frame output;

	for (long i = 0; i < times; i++)
		if (pass(&bench.in, &output) < 0)
			verdict(false, strerror(errno));
	count_anew();
}

static void send_from_ports(const char *words)
{
	const uint8_t *first = bench.in.bytes + bench.in.transport;
	struct vector_frame frame = bench.in, output;
	unsigned int port = (unsigned int)first[0] << 8 | first[1], count = 0;
	uint8_t *flags = frame.bytes + frame.transport + 13;

	sscanf(words, "%u", &count);
	for (unsigned int i = 0; i < count; i++) {
		frame.bytes[frame.transport] = (uint8_t)((port + i) >> 8);
		frame.bytes[frame.transport + 1] = (uint8_t)(port + i);
		*flags = first[13];
		if (pass(&frame, &output) < 0)
			verdict(false, strerror(errno));
		*flags = FLAG_ACK;
		if (strstr(words, "acknowledged") && pass(&frame, &output) < 0)
			verdict(false, strerror(errno));
	}
	count_anew();
}

/* ---- lines of a file ----------------------------------------------------------------------------------------- */

static void publish_file(char *words)
{
	char path[1100], *closed = strstr(words, " closed");

	snprintf(bench.description, sizeof(bench.description), "%s is published", words);
	if (closed)
		*closed = '\0';
	snprintf(path, sizeof(path), FOLDER "%s", words);
	verdict(!stage_publish(&bench.stage, path, closed), "it is not");
	count_anew();
}

static bool know_backend(char *words)
{
	char *state = strchr(words, ' ');

	if (!state)
		return false;
	*state++ = '\0';
	return stage_backend_is(&bench.stage, words, state);
}

static void begin_scene(void)
{
	stage_forget(&bench.stage);
	bench.context.nat_port = 0;
}

static void leave_room(const char *words)
{
	bench.program = strcmp(words, "all") ? room_program((unsigned int)strtoul(words, NULL, 10))
					     : program_xdp(&bench.stage.program);
}

/* Returns false at a line that means nothing. */
static bool follow(char *line)
{
	char fault[128] = "", *words;

	line[strcspn(line, "\n")] = '\0';
	if (!*line || *line == '#')
		return true;
	words = strchr(line, ' ');
	if (!words)
		return false;
	*words++ = '\0';
	if (!strcmp(line, "policy")) {
		publish_file(words);
	} else if (!strcmp(line, "backend")) {
		return know_backend(words);
	} else if (!strcmp(line, "shed")) {
		bench.stage.shed = (uint32_t)strtoul(words, NULL, 10);
	} else if (!strcmp(line, "scene")) {
		begin_scene();
	} else if (!strcmp(line, "deadline")) {
		publisher_deadline(bench.stage.publisher, strcmp(words, "passed") ? 0 : 1);
	} else if (!strcmp(line, "room")) {
		leave_room(words);
	} else if (!strcmp(line, "lines")) {
		stage_lock(&bench.stage, !strcmp(words, "locked"));
	} else if (!strcmp(line, "later")) {
		stage_let_pass(&bench.stage, (unsigned int)strtoul(words, NULL, 10));
	} else if (!strcmp(line, "v")) {
		snprintf(bench.description, sizeof(bench.description), "%s", words);
	} else if (!strcmp(line, "<")) {
		if (vector_describe(words, &bench.context, &bench.in, fault))
			verdict(false, fault);
		else
			cut_everywhere();
	} else if (!strcmp(line, "again")) {
		send_again(strtol(words, NULL, 10));
	} else if (!strcmp(line, "ports")) {
		send_from_ports(words);
	} else if (!strcmp(line, ">")) {
		run(words);
	} else {
		return false;
	}
	return true;
}

static void follow_file(const char *name)
{
	char path[1100], line[1024];
	unsigned int number = 0;
	FILE *file;

	snprintf(path, sizeof(path), FOLDER "%s", name);
	file = fopen(path, "re");
	snprintf(bench.description, sizeof(bench.description), "%s can be read", name);
	if (!file) {
		verdict(false, strerror(errno));
		return;
	}
	while (fgets(line, sizeof(line), file)) {
		number++;
		if (!follow(line)) {
			snprintf(bench.description, sizeof(bench.description), "%s:%u means something", name, number);
			verdict(false, line);
		}
	}
	fclose(file);
}

static void check_conservation(void)
{
	char fault[128] = "";

	snprintf(bench.description, sizeof(bench.description), "received = sum of verdicts, for each service");
	verdict(conservation_holds(&bench.stage.program, fault), fault);
}

static void check_coverage(void)
{
	char fault[256];

	coverage_check(fault);
	snprintf(bench.description, sizeof(bench.description), "every reason is met, here or where it is said");
	verdict(!*fault, fault);
}

int main(void)
{
	static const char *const files[] = {
		"nat.vectors",	   "direct.vectors",	"vlan.vectors",	   "tunnel.vectors", "relay.vectors",
		"refused.vectors", "malformed.vectors", "revoked.vectors", "modes.vectors",  "errors.vectors",
		"answers.vectors", "classes.vectors",	"headers.vectors", "tcp.vectors",    "limits.vectors",
		"nobody.vectors",  "sums.vectors",	"full.vectors"};
	int error;

	bench.context.mac = find_mac;
	error = stage_open(&bench.stage);
	if (!error)
		error = room_open(program_xdp(&bench.stage.program));
	if (error) {
		printf("not ok 1 - the program is loaded\n#   %s\n1..1\n", strerror(-error));
		return EXIT_FAILURE;
	}
	bench.context.hash_key = bench.stage.program.boot.hash_key;
	bench.program = program_xdp(&bench.stage.program);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		follow_file(files[i]);
	check_conservation();
	check_coverage();
	printf("# %u described vectors; besides them %u series of cuts, of %u pieces of frames\n1..%u\n",
	       bench.described, bench.series, bench.cuts, bench.done);
	return bench.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
