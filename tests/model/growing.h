/* SPDX-License-Identifier: GPL-2.0-only */
/* A policy while it is being generated: what later sections need to know of earlier ones. */
#ifndef USHER_MODEL_GROWING_H
#define USHER_MODEL_GROWING_H

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "policy_generator.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NAME_SIZE 48

#define TENANTS_MAX 8
#define MODELS_MAX 3
#define VERSIONS_MAX 4
#define SERVICES_MAX 10
#define BACKENDS_MAX 20
#define PREFIXES_MAX 64

#define GROWN_PLACES 12
#define GROWN_SETS 5
#define GROWN_STAGES 4
#define GROWN_LABELS 3
extern const char *const grown_places[GROWN_PLACES];
extern const char *const grown_sets[GROWN_SETS];
extern const char *const grown_stages[GROWN_STAGES];
extern const char *const grown_labels[GROWN_LABELS];

struct growing {
	const struct recipe *recipe;
	json_object *root;
	FILE *files; /* geography files, as a bundle has them */
	size_t set_count, tenant_count, model_count, service_count, backend_count;
	size_t version_count[MODELS_MAX];
	size_t service_model[SERVICES_MAX];
	bool service_udp[SERVICES_MAX];
	bool service_owned[SERVICES_MAX];
	uint16_t model_port[MODELS_MAX]; /* of its services and backends: direct return cannot change it */
};

void tenant_name(size_t i, char name[NAME_SIZE]);
void version_name(size_t i, char name[NAME_SIZE]);
void backend_name(size_t i, char name[NAME_SIZE]);
void service_name(size_t i, char name[NAME_SIZE]);

void add_text(json_object *to, const char *key, const char *text);
void append_text(json_object *to, const char *text);
json_object *new_member(json_object *to, const char *key);
const char *pick_text(struct random *random, const char *const *texts, size_t count);
struct random section_random(const struct growing *growing, enum recipe_section section);
/* One to three places, sets or, where it may stand, `unknown`. */
json_object *region_list(const struct growing *growing, struct random *random, bool may_be_unknown);

void grow_tenants(struct growing *growing);
void grow_rules(struct growing *growing);

#endif
