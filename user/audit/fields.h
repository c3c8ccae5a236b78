/* SPDX-License-Identifier: GPL-2.0-only */
/* The values of a record by its keys, where they stand in its line (line.h): for who puts records into another form. */
#ifndef USHER_AUDIT_FIELDS_H
#define USHER_AUDIT_FIELDS_H

#include "audit/line.h"

/* Keys of records (record.h), in the order in which a decision has them: enum, key. */
#define FIELDS(X)                                                                                                      \
	X(TIME, "time")                                                                                                \
	X(TYPE, "type")                                                                                                \
	X(BOOT, "boot")                                                                                                \
	X(CPU, "cpu")                                                                                                  \
	X(RING, "ring")                                                                                                \
	X(SEQUENCE, "sequence")                                                                                        \
	X(VERDICT, "verdict")                                                                                          \
	X(REASON, "reason")                                                                                            \
	X(GENERATION, "generation")                                                                                    \
	X(RULE, "rule")                                                                                                \
	X(POLICY_DIGEST, "policy_digest")                                                                              \
	X(POLICY_REVISION, "policy_revision")                                                                          \
	X(TENANT, "tenant")                                                                                            \
	X(CLIENT_REGION, "client_region")                                                                              \
	X(SERVICE, "service")                                                                                          \
	X(TARGET, "target")                                                                                            \
	X(MODEL, "model")                                                                                              \
	X(VERSION, "version")                                                                                          \
	X(BACKEND, "backend")                                                                                          \
	X(BACKEND_REGION, "backend_region")                                                                            \
	X(BACKEND_ENDPOINT, "backend_endpoint")                                                                        \
	X(CLIENT, "src_endpoint")                                                                                      \
	X(CALLED, "dst_endpoint")                                                                                      \
	X(NAT, "nat_endpoint")                                                                                         \
	X(COUNT, "count")                                                                                              \
	X(START_TIME, "start_time")                                                                                    \
	X(END_TIME, "end_time")                                                                                        \
	X(CONNECTION, "connection_info")                                                                               \
	X(NUMBERS, "numbers")                                                                                          \
	X(FIRST, "first")                                                                                              \
	X(LAST, "last")                                                                                                \
	X(ACTIVITY, "activity")                                                                                        \
	X(ACTOR, "actor")                                                                                              \
	X(WHY, "why")                                                                                                  \
	X(GATE, "gate")                                                                                                \
	X(ROLLOUT, "rollout")                                                                                          \
	X(CHANGE, "change")                                                                                            \
	X(WAS, "was")                                                                                                  \
	X(STATE, "state")                                                                                              \
	X(FROM, "from")                                                                                                \
	X(TO, "to")                                                                                                    \
	X(SHARE_BEFORE, "share_before")                                                                                \
	X(SHARE, "share")                                                                                              \
	X(VALUE, "value")                                                                                              \
	X(LOW, "low")                                                                                                  \
	X(HIGH, "high")                                                                                                \
	X(SAMPLES, "samples")                                                                                          \
	X(FILE, "file")                                                                                                \
	X(ENDED, "ended")                                                                                              \
	X(DURATION, "duration")                                                                                        \
	X(SIDES, "sides")                                                                                              \
	X(TRAFFIC, "traffic")                                                                                          \
	X(OPENED_GENERATION, "opened_generation")                                                                      \
	X(APPROVALS, "approvals")                                                                                      \
	X(PROBLEM, "problem")

#define FIELDS_ENUM(name, key) FIELDS_##name,
enum fields_key { FIELDS(FIELDS_ENUM) FIELDS_ALL };
#undef FIELDS_ENUM

/* at NULL: there is none, or it is null. */
struct fields {
	struct line_value values[FIELDS_ALL];
};

/* line: JSON, without what ends it. */
void fields_read(const char *line, size_t length, struct fields *ret_fields);
/* A value inside of one that is an object. */
struct line_value fields_inside(const struct fields *fields, enum fields_key key, const char *name);
/* Is it this text? */
bool fields_is(const struct fields *fields, enum fields_key key, const char *text);
/* 0 if it is no number. */
uint64_t fields_number(const struct fields *fields, enum fields_key key);

#endif
