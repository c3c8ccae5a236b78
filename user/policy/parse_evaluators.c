// SPDX-License-Identifier: GPL-2.0-only
/* The section `telemetry`: where figures are read that gates judge. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/address.h"

#include "policy/parse.h"

#define EVERY_MS 30000
#define TIMEOUT_MS 5000
#define STALE_AFTER 5 /* readings that may fail */

static const struct naming evaluator_naming = {"evaluator", NAME_FORM, is_name};

enum { URL, PROMETHEUS, HOST, VERIFY, EVERY, TIMEOUT, STALE, FIELDS };

static bool can_be_asked(const struct usher_address *address)
{
	static const struct usher_address none;
	unsigned int length;
	const uint8_t *bytes = address_bytes(address, &length);
	bool multicast = length == 4 ? bytes[0] >= 224 : bytes[0] == 0xff;
	bool unspecified = length == 4 ? bytes[0] == 0 : address_equal(address, &none);

	return !multicast && !unspecified;
}

/* http://ADDRESS[:PORT][/PATH]. Returns 0, or -EINVAL if that is not what it is. */
static int split_url(struct document *document, const char *url, struct evaluator *evaluator)
{
	static const char http[] = "http://", https[] = "https://";
	const char *at = url, *slash;
	char *endpoint;

	evaluator->tls = !strncmp(at, https, sizeof(https) - 1);
	if (!evaluator->tls && strncmp(at, http, sizeof(http) - 1) != 0)
		return -EINVAL;
	at += evaluator->tls ? sizeof(https) - 1 : sizeof(http) - 1;
	slash = strchrnul(at, '/');
	endpoint = arena_strndup(&document->scratch, at, (size_t)(slash - at));
	if (endpoint_parse(endpoint, &evaluator->address, &evaluator->port) || !can_be_asked(&evaluator->address))
		return -EINVAL;
	/* Port 0 is one that was not given, or one that nobody listens at. */
	if (!evaluator->port && strlen(endpoint) > 2 && !strcmp(endpoint + strlen(endpoint) - 2, ":0"))
		return -EINVAL;
	if (!evaluator->port)
		evaluator->port = evaluator->tls ? 443 : 80;
	if (*slash && !is_path(slash))
		return -EINVAL;
	evaluator->path = slash;
	return 0;
}

/* What is appended to a server's own path ends where its slash would be. */
static const char *base_of(struct document *document, const char *path)
{
	size_t length = strlen(path);

	while (length && path[length - 1] == '/')
		length--;
	return arena_strndup(document->arena, path, length);
}

static void read_url(struct document *document, struct node node, struct evaluator *evaluator)
{
	const char *url;

	if (read_string(document, node, &url))
		return;
	if (split_url(document, url, evaluator)) {
		node_error(document, node,
			   "expected \"http://ADDRESS:PORT/PATH\" or the same with https, in which the address is in "
			   "digits (no name is resolved), got %s",
			   node_describe(document, node));
		return;
	}
	if (evaluator->protocol == EVALUATOR_PAGE) {
		if (!*evaluator->path)
			evaluator->path = "/metrics";
		return;
	}
	evaluator->path = base_of(document, evaluator->path);
	if (strchr(evaluator->path, '?'))
		node_error(document, node, "a Prometheus server's address has no query");
}

static void read_times(struct document *document, struct node node, const struct field *fields,
		       struct evaluator *evaluator)
{
	const struct pace pace = {.every = &fields[EVERY],
				  .timeout = &fields[TIMEOUT],
				  .stale_after = &fields[STALE],
				  .every_min = 1000,
				  .stale_min = 1000,
				  .stale_max = 604800000,
				  .every_ms = EVERY_MS,
				  .timeout_ms = TIMEOUT_MS,
				  .intervals = STALE_AFTER,
				  .what = "reading"};

	read_pace(document, node, &pace, &evaluator->every_ms, &evaluator->timeout_ms, &evaluator->stale_after_ms);
}

static void read_evaluator(struct document *document, struct node node, struct evaluator *evaluator)
{
	struct field fields[FIELDS] = {
		[URL] = {.key = "url"},		  [PROMETHEUS] = {.key = "prometheus"}, [HOST] = {.key = "host"},
		[VERIFY] = {.key = "verify"},	  [EVERY] = {.key = "every"},		[TIMEOUT] = {.key = "timeout"},
		[STALE] = {.key = "stale_after"},
	};

	evaluator->place = node_place(document, node);
	evaluator->verify = true;
	if (read_object(document, node, fields, FIELDS))
		return;
	if (fields[URL].given == fields[PROMETHEUS].given)
		node_error(document, node,
			   "says %s where it is: one of \"url\" (a page of metrics) and \"prometheus\" (a server's "
			   "query API)",
			   fields[URL].given ? "twice" : "nowhere");
	evaluator->protocol = fields[PROMETHEUS].given ? EVALUATOR_PROMETHEUS : EVALUATOR_PAGE;
	for (int i = URL; i <= PROMETHEUS; i++)
		if (fields[i].given)
			read_url(document, fields[i].value, evaluator);
	if (fields[HOST].given)
		read_host_name(document, fields[HOST].value, &evaluator->host);
	if (fields[VERIFY].given && !read_boolean(document, fields[VERIFY].value, &evaluator->verify) &&
	    !evaluator->tls && evaluator->port)
		key_error(document, fields[VERIFY].value, "only https has it");
	read_times(document, node, fields, evaluator);
}

void parse_evaluators(struct document *document, struct node node, struct policy *policy)
{
	struct member *members;
	size_t count;

	if (read_named(document, node, &evaluator_naming, USHER_EVALUATORS_MAX, &members, &count))
		return;
	policy->evaluators = arena_array(document->arena, count, sizeof(*policy->evaluators));
	policy->evaluator_count = count;
	for (size_t i = 0; i < count; i++) {
		policy->evaluators[i].name = arena_strndup(document->arena, members[i].key, strlen(members[i].key));
		read_evaluator(document, members[i].value, &policy->evaluators[i]);
	}
}
