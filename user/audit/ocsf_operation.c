// SPDX-License-Identifier: GPL-2.0-only
#include "audit/ocsf_operation.h"

#include <stdio.h>
#include <string.h>

#include "audit/ocsf_parts.h"
#include "audit/retention.h"
#include "base/array.h"

#define CLASS 3004
#define KEY_ROOM 64

static const struct ocsf_caption_text update = {3, "Update"}, deleted = {4, "Delete"}, activate = {10, "Activate"},
				      deactivate = {11, "Deactivate"}, suspend = {12, "Suspend"},
				      resume = {13, "Resume"}, other = {99, "Other"};
static const struct ocsf_caption_text informational = {1, "Informational"}, low = {2, "Low"}, medium = {3, "Medium"},
				      high = {4, "High"};
static const struct ocsf_caption_text success = {1, "Success"}, failure = {2, "Failure"};

/* What an activity is done to; key: what the record calls that by. */
static const struct kind {
	const char *activity;
	const struct ocsf_caption_text *what, *severity, *status;
	const char *type, *key;
} kinds[] = {
	{"apply", &update, &informational, &success, "policy", "file"},
	{"rollback", &update, &informational, &success, "policy", "file"},
	{"confirm", &update, &informational, &success, "policy", "file"},
	{"policy-refused", &update, &low, &failure, "policy", "file"},
	{"policy-deleted", &deleted, &informational, &success, "policy", "file"},
	{"quarantine", &suspend, &medium, &success, "backend", "backend"},
	{"release", &resume, &informational, &success, "backend", "backend"},
	{"drain", &deactivate, &informational, &success, "backend", "backend"},
	{"undrain", &activate, &informational, &success, "backend", "backend"},
	{"ejection", &update, &informational, &success, "backend", "backend"},
	{"verification", &update, &informational, &success, "backend", "backend"},
	{"gate", &update, &informational, &success, "gate", "gate"},
	{"rollout", &update, &informational, &success, "rollout", "rollout"},
	{"surge", &update, &informational, &success, "service", "service"},
	{"pool", &update, &informational, &success, "pool", "pool"},
	{"start", &activate, &informational, &success, "daemon", "interface"},
	{"adopt", &activate, &informational, &success, "daemon", "interface"},
	{"stop", &deactivate, &informational, &success, "daemon", "interface"},
	{"key-rotated", &update, &informational, &success, "signing key", "new_key"},
	{"client-keys", &update, &informational, &success, "pseudonym keys", NULL},
	{RETENTION_ACTIVITY, &deleted, &informational, &success, "log segment", "name"},
	{"segment-lost", &deleted, &high, &success, "log segment", "name"},
	{"log-mended", &update, &medium, &success, "audit log", NULL},
	{"damage", &update, &medium, &success, "state file", "file"},
};
static const struct kind any = {"", &other, &informational, &success, "usher", NULL};

static const struct kind *kind_of(const struct fields *fields)
{
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
		if (fields_is(fields, FIELDS_ACTIVITY, kinds[i].activity))
			return &kinds[i];
	return &any;
}

static bool is_filled(struct line_value value)
{
	return value.at && value.length > 2 && *value.at == '"';
}

/* A version of a model, where it is none of a backend's. */
static bool is_version(const struct kind *kind, const struct fields *fields)
{
	return kind->key && !strcmp(kind->key, "backend") && !fields->values[FIELDS_BACKEND].at &&
	       is_filled(fields->values[FIELDS_MODEL]);
}

/* The policy itself, also of a daemon that starts with one. */
static bool is_policy(const struct kind *kind, const struct fields *fields)
{
	return !strcmp(kind->type, "policy") ||
	       (!strcmp(kind->type, "daemon") && is_filled(fields->values[FIELDS_POLICY_DIGEST]));
}

static void add_entity(struct json *to, const struct kind *kind, struct line_value record, const struct fields *fields)
{
	struct line_value name = {0}, revision = fields->values[FIELDS_POLICY_REVISION];
	bool policy = is_policy(kind, fields), version = is_version(kind, fields);

	if (version)
		name = fields->values[FIELDS_MODEL];
	else if (policy)
		name = fields->values[FIELDS_FILE];
	else if (kind->key)
		line_find(record, kind->key, &name);
	json_object_begin(to, "entity");
	if (is_filled(name))
		ocsf_add(to, "name", name);
	else
		json_string(to, "name", "usher");
	json_string(to, "type", version ? "model version" : policy ? "policy" : kind->type);
	if (policy && is_filled(fields->values[FIELDS_POLICY_DIGEST]))
		ocsf_add(to, "uid", fields->values[FIELDS_POLICY_DIGEST]);
	if (policy && revision.at)
		json_format(to, "version", "%.*s", (int)revision.length, revision.at);
	else if (version && is_filled(fields->values[FIELDS_VERSION]))
		ocsf_add(to, "version", fields->values[FIELDS_VERSION]);
	json_object_end(to);
}

static void add_actor(struct json *to, const struct fields *fields)
{
	struct line_value uid = fields_inside(fields, FIELDS_ACTOR, "uid"),
			  user = fields_inside(fields, FIELDS_ACTOR, "user"),
			  pid = fields_inside(fields, FIELDS_ACTOR, "pid");

	json_object_begin(to, "actor");
	if (uid.at) {
		json_object_begin(to, "user");
		if (is_filled(user))
			ocsf_add(to, "name", user);
		json_format(to, "uid", "%.*s", (int)uid.length, uid.at);
		json_object_end(to);
	} else {
		json_string(to, "app_name", "usher");
	}
	if (pid.at) {
		json_object_begin(to, "process");
		ocsf_add(to, "pid", pid);
		json_object_end(to);
	}
	json_object_end(to);
}

/* What has a place of its own above is left out. */
static void add_unmapped(struct json *to, struct line_value record)
{
	static const char *const placed[] = {"time", "type", "activity", "actor", "why"};
	struct line_value key, value;
	struct line line;

	json_object_begin(to, "unmapped");
	line_begin(record, &line);
	while (line_next(&line, &key, &value)) {
		char name[KEY_ROOM];
		bool known = line_text(key, sizeof(name), name) != 0;

		for (size_t i = 0; i < ARRAY_COUNT(placed) && !known; i++)
			known = !strcmp(name, placed[i]);
		if (!known)
			ocsf_add(to, name, value);
	}
	json_object_end(to);
}

bool ocsf_operation(struct json *to, const char *line, size_t length, const struct fields *fields,
		    const char *product_version)
{
	const struct kind *kind = kind_of(fields);
	struct line_value record = {line, length};
	int64_t ms;

	if (ocsf_time(fields->values[FIELDS_TIME], &ms) || !is_filled(fields->values[FIELDS_ACTIVITY]))
		return false;
	json_object_begin(to, NULL);
	json_integer(to, "time", ms);
	ocsf_add_class(to, CLASS, "Entity Management", "Identity & Access Management", kind->what);
	ocsf_add_caption(to, "severity_id", "severity", kind->severity);
	ocsf_add_caption(to, "status_id", "status", kind->status);
	if (is_filled(fields->values[FIELDS_WHY]))
		ocsf_add(to, "comment", fields->values[FIELDS_WHY]);
	add_entity(to, kind, record, fields);
	add_actor(to, fields);
	json_object_begin(to, "metadata");
	ocsf_add_source(to, product_version);
	ocsf_add(to, "event_code", fields->values[FIELDS_ACTIVITY]);
	ocsf_add(to, "original_time", fields->values[FIELDS_TIME]);
	json_object_end(to);
	add_unmapped(to, record);
	json_object_end(to);
	json_newline(to);
	return true;
}
