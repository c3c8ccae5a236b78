// SPDX-License-Identifier: GPL-2.0-only
#include "growing.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const grown_places[GROWN_PLACES] = {"DE",	 "DE-HE", "DE-BY", "FR", "FR-IDF", "US",
						"US-CA", "US-NY", "CH",	   "JP", "GB",	   "IS"};
const char *const grown_sets[GROWN_SETS] = {"EEA", "EEA+CH", "AMERICAS", "WEST", "PARTS"};
const char *const grown_stages[GROWN_STAGES] = {"development", "canary", "production", "archived"};
const char *const grown_labels[GROWN_LABELS] = {"gdpr", "hipaa", "signed"};
static const char *const dates[] = {"2026-06-14", "2026-06-15", "2026-06-16", "2024-02-29", "2031-01-01"};

struct random section_random(const struct growing *growing, enum recipe_section section)
{
	struct random random = {growing->recipe->seed ^ ((uint64_t)section << 56)};

	random.state = random_next(&random) + growing->recipe->salt[section];
	return random;
}

void add_text(json_object *to, const char *key, const char *text)
{
	json_object_object_add(to, key, json_object_new_string(text));
}

void append_text(json_object *to, const char *text)
{
	json_object_array_add(to, json_object_new_string(text));
}

json_object *new_member(json_object *to, const char *key)
{
	json_object *object = json_object_new_object();

	json_object_object_add(to, key, object);
	return object;
}

const char *pick_text(struct random *random, const char *const *texts, size_t count)
{
	return texts[random_below(random, count)];
}

/* ---- regions ----------------------------------------------------------------------------------------------- */

static void grow_regions(struct growing *growing, struct random *random)
{
	json_object *regions = new_member(growing->root, "regions");

	growing->set_count = random_below(random, GROWN_SETS + 1);
	for (size_t i = 0; i < growing->set_count; i++) {
		json_object *set = new_member(regions, grown_sets[i]), *countries = json_object_new_array();
		uint32_t used = 0;

		for (size_t n = random_between(random, 1, 4); n; n--)
			used |= 1u << random_below(random, GROWN_PLACES);
		for (size_t p = 0; p < GROWN_PLACES; p++)
			if (used >> p & 1)
				append_text(countries, grown_places[p]);
		json_object_object_add(set, "countries", countries);
		if (i && random_chance(random, 50)) {
			json_object *include = json_object_new_array();

			append_text(include, grown_sets[random_below(random, i)]);
			json_object_object_add(set, "include", include);
		}
		if (random_chance(random, 20))
			add_text(set, "basis", "adequacy decision");
		if (random_chance(random, 20))
			add_text(set, "recheck_by", pick_text(random, dates, COUNT(dates)));
	}
}

/* One to three places, sets or, where it may stand, `unknown`. */
json_object *region_list(const struct growing *growing, struct random *random, bool may_be_unknown)
{
	json_object *list = json_object_new_array();
	size_t n = GROWN_PLACES + growing->set_count + (may_be_unknown ? 1 : 0);
	uint32_t used = 0;

	for (size_t count = random_between(random, 1, 3); count; count--)
		used |= 1u << random_below(random, n);
	for (size_t i = 0; i < n; i++) {
		if (!(used >> i & 1))
			continue;
		if (i < GROWN_PLACES)
			append_text(list, grown_places[i]);
		else if (i < GROWN_PLACES + growing->set_count)
			append_text(list, grown_sets[i - GROWN_PLACES]);
		else
			append_text(list, "unknown");
	}
	return list;
}

/* ---- tenants ----------------------------------------------------------------------------------------------- */

void tenant_name(size_t i, char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, "tenant-%zu", i);
}

/* ---- models ------------------------------------------------------------------------------------------------ */

void version_name(size_t i, char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, "%zu.%zu.0", i / 2 + 1, i % 2);
}

static void grow_version(struct random *random, json_object *version)
{
	json_object *claims;

	/* Mostly fit to serve: otherwise nothing would ever be admitted. */
	add_text(version, "stage",
		 random_chance(random, 60) ? "production" : pick_text(random, grown_stages, GROWN_STAGES));
	if (random_chance(random, 20))
		add_text(version, "digest", "sha256:aa01aa01aa01aa01aa01aa01aa01aa01aa01aa01aa01aa01aa01aa01aa01aa01");
	claims = new_member(version, "labels");
	for (size_t i = 0; i < GROWN_LABELS; i++) {
		if (!random_chance(random, 60))
			continue;
		json_object *claim = new_member(claims, grown_labels[i]);

		add_text(claim, "evidence", "dpia-2026-014");
		add_text(claim, "expires",
			 random_chance(random, 70) ? "2031-01-01" : pick_text(random, dates, COUNT(dates)));
	}
	if (random_chance(random, 60)) {
		json_object *validation = new_member(version, "validation");

		json_object_object_add(validation, "score",
				       json_object_new_double((double)random_below(random, 1001) / 1000));
		json_object_object_add(validation, "samples",
				       json_object_new_int((int)random_below(random, 50000) + 1));
		add_text(validation, "expires",
			 random_chance(random, 80) ? "2031-01-01" : pick_text(random, dates, COUNT(dates)));
	}
}

static void model_name(size_t i, char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, "model-%zu", i);
}

/* Of numbers of its own. */
static void grow_outlier(const struct random *random, size_t model, json_object *value)
{
	struct random apart = {random->state ^ (0x656a656374ULL + model)};
	json_object *outlier;

	if (!random_chance(&apart, 40))
		return;
	outlier = new_member(value, "outlier");
	if (random_chance(&apart, 70))
		json_object_object_add(outlier, "most", json_object_new_int((int)random_between(&apart, 1, 100)));
}

static void grow_models(struct growing *growing)
{
	struct random random = section_random(growing, RECIPE_MODELS);
	struct random shape = {growing->recipe->seed + 2};
	json_object *models = new_member(growing->root, "models");

	growing->model_count = random_between(&shape, 1, MODELS_MAX);
	for (size_t m = 0; m < growing->model_count; m++) {
		char name[NAME_SIZE];

		model_name(m, name);
		json_object *model = new_member(models, name), *versions = new_member(model, "versions");

		grow_outlier(&random, m, model);
		growing->model_port[m] = (uint16_t)(8000 + m);
		growing->version_count[m] = random_between(&shape, 1, VERSIONS_MAX);
		for (size_t v = 0; v < growing->version_count[m]; v++) {
			version_name(v, name);
			grow_version(&random, new_member(versions, name));
		}
	}
}

/* ---- backends and services --------------------------------------------------------------------------------- */

/* Every backend has its own address; those that are not behind NAT answer at the port of the model's services. */
static void grow_backend(struct growing *growing, struct random *random, size_t i, json_object *backend)
{
	size_t model = random_below(random, growing->model_count);
	char name[NAME_SIZE], version[NAME_SIZE], text[2 * NAME_SIZE + 1];
	bool l2 = random_chance(random, 40);
	uint16_t port = l2 || random_chance(random, 50) ? growing->model_port[model]
							: (uint16_t)random_between(random, 1, 65535);

	if (random_chance(random, 45))
		snprintf(text, sizeof(text), "[2001:db8:77::%zx]:%u", i + 1, port);
	else
		snprintf(text, sizeof(text), "10.77.%zu.%zu:%u", i / 200, i % 200 + 1, port);
	add_text(backend, "address", text);
	model_name(model, name);
	version_name(random_below(random, growing->version_count[model]), version);
	snprintf(text, sizeof(text), "%s@%s", name, version);
	add_text(backend, "serves", text);
	add_text(backend, "region", pick_text(random, grown_places, GROWN_PLACES));
	json_object_object_add(
		backend, "capacity",
		json_object_new_int((int)random_between(random, 1, random_chance(random, 10) ? 10000 : 50)));
	if (l2)
		add_text(backend, "forward", (const char *const[]){"l2", "l2", "ipip", "gue"}[random_below(random, 4)]);
	else if (random_chance(random, 30))
		add_text(backend, "forward", "nat");
}

/* Some are asked what they serve. Of numbers of their own, as what the world does to them. */
static void grow_verify(struct random *apart, json_object *backend)
{
	json_object *verify;

	if (!random_chance(apart, 30))
		return;
	verify = new_member(backend, "verify");
	add_text(verify, "http", "/v1/models");
	add_text(verify, "json", "/data/0/version");
}

void backend_name(size_t i, char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, "backend-%zu", i);
}

static void grow_backends(struct growing *growing)
{
	struct random random = section_random(growing, RECIPE_BACKENDS);
	struct random shape = {growing->recipe->seed + 3}, apart = {random.state ^ 0x766572696679ULL};
	json_object *backends = new_member(growing->root, "backends");

	growing->backend_count = random_chance(&shape, 5) ? 0 : random_between(&shape, 1, BACKENDS_MAX);
	for (size_t i = 0; i < growing->backend_count; i++) {
		char name[NAME_SIZE];

		backend_name(i, name);
		grow_backend(growing, &random, i, new_member(backends, name));
		grow_verify(&apart, json_object_object_get(backends, name));
	}
}

void service_name(size_t i, char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, "service-%zu", i);
}

/* Tiers of some regions each. Of numbers of its own. */
static void grow_overflow(const struct random *random, json_object *service)
{
	struct random apart = {random->state ^ 0x7375726765ULL};
	json_object *tiers;

	if (!random_chance(&apart, 25))
		return;
	tiers = json_object_new_array();
	for (size_t i = random_between(&apart, 1, 3); i; i--) {
		json_object *tier = json_object_new_object(), *regions = json_object_new_array();

		append_text(regions, pick_text(&apart, grown_places, GROWN_PLACES));
		json_object_object_add(tier, "region", regions);
		json_object_array_add(tiers, tier);
	}
	json_object_object_add(service, "overflow", tiers);
}

/* Services of one model differ in address or protocol; several of different models share an address. */
static void grow_service(struct growing *growing, struct random *random, size_t i, json_object *service)
{
	size_t model = growing->service_model[i], host = i / growing->model_count + 1;
	char text[64], name[NAME_SIZE];
	json_object *addresses = json_object_new_array();

	if (random_chance(random, 85)) {
		snprintf(text, sizeof(text), "198.51.100.%zu:%u", host, growing->model_port[model]);
		append_text(addresses, text);
	}
	if (random_chance(random, 30)) {
		snprintf(text, sizeof(text), "198.51.101.%zu:%u", host, growing->model_port[model]);
		append_text(addresses, text);
	}
	if (random_chance(random, 85) || !json_object_array_length(addresses)) {
		snprintf(text, sizeof(text), "[2001:db8:100::%zx]:%u", host, growing->model_port[model]);
		append_text(addresses, text);
	}
	if (json_object_array_length(addresses) == 1 && random_chance(random, 50)) {
		add_text(service, "address", json_object_get_string(json_object_array_get_idx(addresses, 0)));
		json_object_put(addresses);
	} else {
		json_object_object_add(service, "address", addresses);
	}
	add_text(service, "protocol", growing->service_udp[i] ? "udp" : "tcp");
	model_name(model, name);
	add_text(service, "model", name);
	if (random_chance(random, 40))
		add_text(service, "sticky", "client");
	/* Of numbers of its own, so that a seed's policy is otherwise what it was before there was a choice. */
	struct random apart = {random->state ^ 0x6c6f6164};

	if ((int)random_chance(random, 30) | (int)random_chance(&apart, 40))
		add_text(service, "balance", random_chance(&apart, 60) ? "least-load" : "maglev");
	grow_overflow(random, service);
	if (growing->service_owned[i]) {
		tenant_name(random_below(random, growing->tenant_count), name);
		add_text(service, "tenant", name);
	}
}

static void grow_services(struct growing *growing)
{
	struct random random = section_random(growing, RECIPE_SERVICES);
	struct random shape = {growing->recipe->seed + 4};
	json_object *services = new_member(growing->root, "services");

	growing->service_count = random_between(&shape, 1, SERVICES_MAX);
	for (size_t i = 0; i < growing->service_count; i++) {
		char name[NAME_SIZE];

		service_name(i, name);
		growing->service_model[i] = i % growing->model_count;
		growing->service_udp[i] = random_chance(&shape, 30);
		growing->service_owned[i] = random_chance(&shape, 20);
		grow_service(growing, &random, i, new_member(services, name));
	}
}

/* ---- the whole --------------------------------------------------------------------------------------------- */

/* The document, a NUL, and what policy/bundle.h puts behind it. */
static char *with_files(const char *document, const char *files, size_t files_length, size_t *ret_length)
{
	size_t length = strlen(document);
	char *text = malloc(length + 1 + files_length);

	if (!text)
		abort();
	memcpy(text, document, length + 1);
	memcpy(text + length + (files_length ? 0 : 1), files, files_length);
	*ret_length = length + files_length;
	return text;
}

char *policy_generate(const struct recipe *recipe, size_t *ret_length)
{
	struct growing growing = {.recipe = recipe, .root = json_object_new_object()};
	struct random random = {recipe->seed + 1};
	json_object *nat = json_object_new_array();
	size_t files_length = 0;
	char *text, *files = NULL;

	growing.files = open_memstream(&files, &files_length);
	add_text(growing.root, "apiVersion", "usher/v1");
	add_text(new_member(growing.root, "metadata"), "name", "generated");
	grow_regions(&growing, &random);
	grow_tenants(&growing);
	grow_models(&growing);
	grow_backends(&growing);
	grow_services(&growing);
	grow_rules(&growing);
	for (size_t i = random_between(&random, 1, 3); i; i--) {
		char address[64];

		snprintf(address, sizeof(address), "10.66.0.%zu", i);
		append_text(nat, address);
		snprintf(address, sizeof(address), "2001:db8:66::%zx", i);
		append_text(nat, address);
	}
	json_object_object_add(new_member(growing.root, "nat"), "addresses", nat);
	if (random_chance(&random, 20))
		add_text(new_member(growing.root, "audit"), "record",
			 random_chance(&random, 50) ? "required" : "every-flow");
	if (random_chance(&random, 30)) {
		json_object *loss = new_member(growing.root, "controller_loss");

		add_text(loss, "after", "30s");
		add_text(loss, "then", random_chance(&random, 50) ? "deny-new" : "hold");
	}
	fclose(growing.files);
	text = with_files(json_object_to_json_string_ext(growing.root, JSON_C_TO_STRING_PRETTY), files, files_length,
			  ret_length);
	json_object_put(growing.root);
	free(files);
	return text;
}

void recipe_mutate(struct recipe *recipe, struct random *random)
{
	if (random_chance(random, 60))
		recipe->rule_salt[random_below(random, GENERATED_RULES_MAX)] = (uint32_t)random_next(random);
	else
		recipe->salt[random_below(random, RECIPE_SECTIONS)] = (uint32_t)random_next(random);
}
