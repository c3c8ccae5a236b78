// SPDX-License-Identifier: GPL-2.0-only
/*
 * The loaded program against the model: random policies, random packets, verdict, reason, backend and bytes.
 *
 *   model.test                                  MODEL_POLICIES (500) policies, MODEL_PACKETS (10000) packets each
 *   model.test SEED                             that policy alone, as the message of a failure says
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway.h"
#include "packet_generator.h"
#include "policy_generator.h"
#include "property.h"

#define SEGMENTS 4 /* publishes of one seed: the policy changes while its flows are open */
#define FAILURES_MAX 5
#define STALLS_MAX 20 /* of one seed */

struct tally {
	uint64_t received[USHER_SERVICES_MAX + 1];
	uint64_t verdicts[USHER_SERVICES_MAX + 1][USHER_REASON_MAX];
};

struct trial {
	struct kernel *kernel;
	struct gateway gateway;
	struct tally expected, before;
	bool known[USHER_SERVICES_MAX + 1]; /* numbers that a policy of this seed has given */
	struct kernel_run run;
	struct expectation expectation;
	uint64_t seed;
	bool stalled; /* so long that the clock had a say */
	uint64_t packets, policies, reasons[USHER_REASON_MAX];
	char *text; /* of the policy, with its geography files */
	size_t length;
};

/* ---- telling ------------------------------------------------------------------------------------------------- */

static void print_frame(const char *what, const struct frame *frame)
{
	printf("#   %s (%zu):", what, frame->length);
	for (size_t i = 0; i < frame->length; i++)
		printf("%s%02x", i % 4 ? "" : " ", frame->bytes[i]);
	putchar('\n');
}

static bool differ(const struct trial *trial, uint64_t packet, const struct frame *frame, const char *what)
{
	const struct expectation *expected = &trial->expectation;
	const char *folder = getenv("MODEL_FOLDER");

	printf("#   seed %" PRIu64 ", packet %" PRIu64 ": %s\n", trial->seed, packet, what);
	printf("#   model: action %d reason %u service %u; program: action %d, %zu records, the first with reason %d\n",
	       expected->action, expected->reason, expected->service, trial->run.action, trial->run.event_count,
	       trial->run.event_count ? trial->run.events[0].reason : -1);
	print_frame("in", frame);
	print_frame("model", &expected->output);
	print_frame("program", &trial->run.output);
	printf("#   again: build/tests/model.test %" PRIu64 "\n", trial->seed);
	if (folder) {
		char path[4096];
		FILE *file;

		snprintf(path, sizeof(path), "%s/%" PRIu64 ".json", folder, trial->seed);
		file = fopen(path, "w");
		if (file) {
			fwrite(trial->text, 1, trial->length, file);
			fclose(file);
		}
	}
	return false;
}

/* ---- one policy ---------------------------------------------------------------------------------------------- */

/* Of numbers of their own, so that a seed has the policies and packets that it had before there were quarantines. */
static void quarantine(const struct random *random, struct ref_policy *policy)
{
	struct random apart = {.state = random->state ^ 0x71756172616e7469ULL};

	if (!random_chance(&apart, 40))
		return;
	for (size_t i = 0; i < policy->version_count; i++)
		policy->versions[i].quarantined = random_chance(&apart, 10);
	for (size_t i = 0; i < policy->backend_count; i++)
		policy->backends[i].quarantined = random_chance(&apart, 5);
}

static uint32_t random_share(struct random *random, uint32_t chance)
{
	return random_chance(random, chance) ? random_between(random, 1, 99) : 0;
}

/* The same of gates. */
static void gate(const struct random *random, struct ref_policy *policy)
{
	struct random apart = {.state = random->state ^ 0x6761746573ULL};

	if (!random_chance(&apart, 40))
		return;
	for (size_t i = 0; i < policy->version_count; i++) {
		policy->versions[i].gated = random_chance(&apart, 10);
		policy->versions[i].share = random_share(&apart, 25);
	}
	for (size_t i = 0; i < policy->backend_count; i++) {
		policy->backends[i].gated = random_chance(&apart, 5);
		policy->backends[i].share = random_share(&apart, 15);
	}
	for (size_t i = 0; i < policy->service_count; i++)
		policy->services[i].rerouted = random_chance(&apart, 10);
}

/* And of who serves what it should. */
static void verify(const struct random *random, struct ref_policy *policy)
{
	struct random apart = {.state = random->state ^ 0x766572696679ULL};

	for (size_t i = 0; i < policy->backend_count; i++)
		policy->backends[i].verified = random_chance(&apart, 80);
}

/* And of how far services give way to load. */
static void surge(const struct random *random, struct ref_policy *policy)
{
	struct random apart = {.state = random->state ^ 0x7375726765ULL};

	for (size_t i = 0; i < policy->service_count; i++) {
		struct ref_service *service = &policy->services[i];

		service->open = service->tier_count ? random_below(&apart, service->tier_count + 1) : 0;
		service->shed = random_chance(&apart, 15) ? random_between(&apart, 1, 3) : 0;
		service->shed_part = random_chance(&apart, 20) ? random_between(&apart, 1, 99) : 0;
	}
}

/* And of who is an outlier, in any order. */
static void eject(const struct random *random, struct ref_policy *policy)
{
	struct random apart = {.state = random->state ^ 0x656a656374ULL};

	for (size_t i = 0; i < policy->backend_count; i++)
		if (policy->backends[i].version->outliers && random_chance(&apart, 30))
			policy->backends[i].ejected = (uint32_t)(1 + (i * 37 + random_below(&apart, 2) * 64) % 128);
}

static void make_world(struct random *random, struct ref_policy *policy)
{
	quarantine(random, policy);
	gate(random, policy);
	verify(random, policy);
	surge(random, policy);
	eject(random, policy);
	for (size_t i = 0; i < policy->backend_count; i++) {
		struct ref_backend *backend = &policy->backends[i];

		backend->draining = random_chance(random, 8);
		backend->down = random_chance(random, 8);
		backend->unreachable = random_chance(random, 6);
		backend->mtu = random_chance(random, 20) ? 0 : (uint16_t)random_between(random, 300, 1500);
		memcpy(backend->mac, (const uint8_t[]){2, 0, 0, 2, 0, (uint8_t)i}, 6);
		memcpy(backend->own_mac, (const uint8_t[]){2, 0, 0, 0, 0, 1}, 6);
	}
}

static void read_tally(const struct trial *trial, struct tally *tally)
{
	for (uint32_t s = 0; s <= USHER_SERVICES_MAX; s++) {
		if (!trial->known[s])
			continue;
		tally->received[s] = kernel_received(trial->kernel, s);
		for (uint8_t r = 0; r < USHER_REASON_MAX; r++)
			tally->verdicts[s][r] = kernel_verdicts(trial->kernel, s, r);
	}
}

/* Reasons and conservation: what was counted is what the model expected, service by service. */
static bool check_tally(struct trial *trial)
{
	static struct tally now;
	bool good = true;

	memset(&now, 0, sizeof(now));
	read_tally(trial, &now);
	for (uint32_t s = 0; s <= USHER_SERVICES_MAX; s++) {
		uint64_t sum = 0;

		if (!trial->known[s])
			continue;
		for (uint8_t r = 0; r < USHER_REASON_MAX; r++) {
			uint64_t counted = now.verdicts[s][r] - trial->before.verdicts[s][r];

			sum += counted;
			if (counted != trial->expected.verdicts[s][r]) {
				printf("#   seed %" PRIu64 ": service %u reason %u: counted %" PRIu64
				       ", expected %" PRIu64 "\n",
				       trial->seed, s, r, counted, trial->expected.verdicts[s][r]);
				good = false;
			}
			trial->reasons[r] += counted;
		}
		if (sum != now.received[s] - trial->before.received[s]) {
			printf("#   seed %" PRIu64 ": service %u: received %" PRIu64 ", verdicts %" PRIu64 "\n",
			       trial->seed, s, now.received[s] - trial->before.received[s], sum);
			good = false;
		}
	}
	trial->before = now;
	memset(&trial->expected, 0, sizeof(trial->expected));
	return good;
}

/* An adopted flow is heard in another second than before, half of the time. */
static void let_pass(struct trial *trial, struct random *random, const struct frame *frame)
{
	struct ref_flow *flow = gateway_unproven(&trial->gateway, frame);
	bool later = random_chance(random, 50);

	if (!flow)
		return;
	flow->later = later;
	if (flow->later)
		kernel_let_pass(trial->kernel, flow->line);
}

static bool try_packet(struct trial *trial, struct random *random, uint64_t number)
{
	const struct expectation *expected = &trial->expectation;
	struct frame frame;
	int error;

	packet_generate(random, &trial->gateway, &frame);
	if (frame.length < 14) /* what BPF_PROG_TEST_RUN does not take */
		return true;
	let_pass(trial, random, &frame);
	error = kernel_packet(trial->kernel, &frame, &trial->run);
	trial->stalled = error == -ETIME;
	if (trial->stalled)
		return false;
	if (error)
		return differ(trial, number, &frame, "the program did not run");
	gateway_packet(&trial->gateway, &frame, &trial->run, &trial->expectation);
	if (expected->otherwise && kernel_verdicts(trial->kernel, expected->service, expected->otherwise) >
					   trial->before.verdicts[expected->service][expected->otherwise] +
						   trial->expected.verdicts[expected->service][expected->otherwise])
		trial->expectation.reason = expected->otherwise;
	trial->expected.verdicts[expected->service][expected->reason]++;
	trial->packets++;
	if (expected->fault[0])
		return differ(trial, number, &frame, expected->fault);
	if (expected->action != trial->run.action)
		return differ(trial, number, &frame, "another action");
	if (expected->action == XDP_TX &&
	    (expected->output.length != trial->run.output.length ||
	     memcmp(expected->output.bytes, trial->run.output.bytes, expected->output.length)))
		return differ(trial, number, &frame, "other bytes");
	if (expected->action != XDP_TX &&
	    (frame.length != trial->run.output.length || memcmp(frame.bytes, trial->run.output.bytes, frame.length)))
		return differ(trial, number, &frame, "a packet that is not sent was changed");
	return true;
}

/* Loads near each other, so that what is opened matters; often the same ones; counts that are about to wrap; and backends of which nothing was told. */
static void make_loads(struct trial *trial, uint64_t seed)
{
	struct random random = {.state = seed ^ 0x6c6f616473};
	struct gateway *gateway = &trial->gateway;
	bool coarse = random_chance(&random, 50);

	for (size_t i = 0; i < gateway->policy->backend_count; i++) {
		struct ref_load *load = &gateway->loads[i];

		gateway->numbers[i] = USHER_NONE;
		for (uint16_t n = 0; n < USHER_BACKENDS_MAX; n++)
			if (gateway->catalog->backends[n].name &&
			    !strcmp(gateway->catalog->backends[n].name, gateway->policy->backends[i].name))
				gateway->numbers[i] = n;
		*load = (struct ref_load){.share = coarse ? random_below(&random, 4) << 12
							  : random_below(&random, 1u << 16),
					  .opened = random_chance(&random, 30) ? UINT32_MAX - random_below(&random, 50)
									       : random_below(&random, 1000),
					  .cost = coarse ? 1u << 12 : random_between(&random, 1, 1u << 12)};
		if (random_chance(&random, 10))
			load->cost = 0;
		load->then = load->opened - random_below(&random, 40);
		kernel_tell(trial->kernel, gateway->numbers[i],
			    &(struct usher_load){.told = USHER_LOAD_TELL(load->share, load->then),
						 .opened = load->opened,
						 .cost = load->cost});
	}
}

/* What has been opened is what the model has seen begin on services that are balanced by load. */
static bool check_opened(const struct trial *trial)
{
	const struct gateway *gateway = &trial->gateway;

	for (size_t i = 0; i < gateway->policy->backend_count; i++)
		if (kernel_opened(trial->kernel, gateway->numbers[i]) != gateway->loads[i].opened) {
			printf("#   seed %" PRIu64 ": backend %s: %u opened, and not %u\n", trial->seed,
			       gateway->policy->backends[i].name, kernel_opened(trial->kernel, gateway->numbers[i]),
			       gateway->loads[i].opened);
			return false;
		}
	return true;
}

/* Puts the recipe's policy in force, under a world of its own. */
static bool publish_recipe(struct trial *trial, const struct recipe *recipe, struct random *random,
			   struct ref_policy **policy)
{
	char fault[160] = "";
	struct ref_policy *next;
	size_t length;
	char *text = policy_generate(recipe, &length);

	free(trial->text);
	trial->text = text;
	trial->length = length;
	next = ref_policy_read(text, length, GENERATED_TODAY);
	make_world(random, next);
	if (kernel_publish(trial->kernel, text, length, next)) {
		printf("#   seed %" PRIu64 ": the policy is not taken\n", trial->seed);
		ref_policy_free(next);
		return false;
	}
	ref_policy_free(*policy);
	*policy = next;
	trial->policies++;
	trial->gateway.policy = next;
	for (uint32_t s = 0; s < USHER_SERVICES_MAX; s++)
		trial->known[s] |= kernel_catalog(trial->kernel)->services[s].name != NULL;
	read_tally(trial, &trial->before); /* nothing has come since the last check */
	trial->gateway.catalog = kernel_catalog(trial->kernel);
	make_loads(trial, random->state);
	trial->gateway.epoch = kernel_epoch(trial->kernel);
	trial->gateway.generation = kernel_generation(trial->kernel);
	ring_cache_begin(trial->gateway.rings, next, kernel_ring_max(trial->kernel));
	trial->gateway.deadline_passed = random_chance(random, 10);
	kernel_deadline(trial->kernel, trial->gateway.deadline_passed);
	if (gateway_published(&trial->gateway, fault))
		return true;
	printf("#   seed %" PRIu64 ": %s\n", trial->seed, fault);
	return false;
}

static bool try_once(struct trial *trial, uint64_t seed, uint64_t packets)
{
	struct random random = {.state = seed * 0x9e3779b97f4a7c15ULL + 1};
	struct recipe recipe = {.seed = seed};
	struct ref_policy *policy = NULL;
	bool good = true;

	trial->seed = seed;
	trial->stalled = false;
	kernel_forget(trial->kernel);
	trial->gateway.flow_count = 0;
	memset(trial->known, 0, sizeof(trial->known));
	trial->known[USHER_SERVICE_NONE] = true;
	memset(&trial->expected, 0, sizeof(trial->expected));
	for (int segment = 0; good && segment < SEGMENTS; segment++) {
		if (segment)
			recipe_mutate(&recipe, &random);
		good = publish_recipe(trial, &recipe, &random, &policy);
		for (uint64_t i = 0; good && i < packets / SEGMENTS; i++)
			good = try_packet(trial, &random, (uint64_t)segment * (packets / SEGMENTS) + i);
		if (good)
			good = check_tally(trial) && check_opened(trial);
	}
	ref_policy_free(policy);
	return good;
}

/* A machine that stood still in the middle of a packet says nothing about the program: that seed again. */
static bool try_seed(struct trial *trial, uint64_t seed, uint64_t packets)
{
	for (int stalls = 0; stalls < STALLS_MAX; stalls++) {
		bool good = try_once(trial, seed, packets);

		if (!trial->stalled)
			return good;
		printf("# seed %" PRIu64 ": held up in the middle of a packet: again\n", seed);
	}
	printf("#   seed %" PRIu64 ": held up %d times\n", seed, STALLS_MAX);
	return false;
}

/* Three more rules, one after the other, and a quarantine beside each, which may all only take away. */
static bool try_property(uint64_t seed)
{
	struct random random = {.state = seed ^ 0x70726f7065727479ULL};
	struct recipe recipe = {.seed = seed};
	char fault[160] = "";

	for (recipe.extra_count = 0; recipe.extra_count < 3; recipe.extra_count++) {
		if (!property_narrows(&recipe, &random, fault) ||
		    !property_quarantine_narrows(&recipe, random.state, fault)) {
			printf("#   seed %" PRIu64 ": %s\n", seed, fault);
			return false;
		}
		recipe.extra_seed[recipe.extra_count] = random_next(&random);
	}
	return true;
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
	static struct trial trial;
	uint64_t count = setting("MODEL_POLICIES", 500), packets = setting("MODEL_PACKETS", 10000), first = 1,
		 failures = 0, broken = 0;

	if (argc > 1) {
		first = strtoull(argv[1], NULL, 10);
		count = 1;
	}
	trial.gateway.rings = ring_cache_new();
	if (kernel_open(&trial.kernel)) {
		puts("not ok 1 - the program is loaded");
		puts("1..1");
		return EXIT_FAILURE;
	}
	for (uint64_t seed = first; seed < first + count && failures < FAILURES_MAX; seed++)
		failures += !try_seed(&trial, seed, packets);
	printf("# %" PRIu64 " packets under %" PRIu64 " generations\n", trial.packets, trial.policies);
	for (uint8_t r = 0; r < USHER_REASON_MAX; r++)
		if (trial.reasons[r])
			printf("#   reason %2u: %" PRIu64 " packets\n", r, trial.reasons[r]);
	printf("%s 1 - program and model agree on verdict, reason, backend and bytes\n", failures ? "not ok" : "ok");
	for (uint64_t seed = first; seed < first + count && broken < FAILURES_MAX; seed++)
		broken += !try_property(seed);
	printf("%s 2 - a require, a deny or a quarantine more never gives anyone a backend\n",
	       broken ? "not ok" : "ok");
	puts("1..2");
	free(trial.text);
	kernel_close(trial.kernel);
	ring_cache_free(trial.gateway.rings);
	return failures || broken ? EXIT_FAILURE : EXIT_SUCCESS;
}
