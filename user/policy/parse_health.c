// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "policy/parse.h"

#define JITTER_MAX 0.5
#define STATUS_MIN 200 /* of a final answer */
#define STATUS_MAX 599
#define LABEL_MAX 63 /* RFC 1035 */

enum {
	HTTP,
	HTTPS,
	PORT,
	HOST,
	STATUS,
	VERIFY,
	INTERVAL,
	TIMEOUT,
	RISE,
	FALL,
	JITTER,
	FIELDS,
};

/* What may stand in a path and a query (RFC 3986), percent signs included. */
bool is_path(const char *text)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@%/?";
	size_t length = strlen(text);

	return *text == '/' && length <= USHER_HEALTH_PATH_MAX && strspn(text, allowed) == length;
}

void read_path(struct document *document, struct node node, const char **ret_path)
{
	const char *path;

	if (read_string(document, node, &path))
		return;
	if (is_path(path))
		*ret_path = path;
	else
		node_error(
			document, node,
			"expected a path such as \"/v2/health/ready\", of at most %d characters that need no escaping, "
			"got %s",
			USHER_HEALTH_PATH_MAX, node_describe(document, node));
}

/* Labels of letters, digits and dashes (RFC 1123). */
static bool is_host_name(const char *text)
{
	size_t label = 0;

	if (strlen(text) > USHER_HEALTH_HOST_MAX)
		return false;
	for (const char *at = text;; at++) {
		if (isalnum((unsigned char)*at) || (*at == '-' && label)) {
			if (++label > LABEL_MAX)
				return false;
			continue;
		}
		if (!label || at[-1] == '-')
			return false;
		if (!*at)
			return true;
		if (*at != '.')
			return false;
		label = 0;
	}
}

void read_host_name(struct document *document, struct node node, const char **ret_host)
{
	const char *host;

	if (read_string(document, node, &host))
		return;
	if (is_host_name(host))
		*ret_host = host;
	else
		node_error(document, node, "expected a host name such as \"scorer.example.com\", got %s",
			   node_describe(document, node));
}

static void read_status_list(struct document *document, struct node node, struct health *health)
{
	uint16_t *codes = arena_array(document->arena, USHER_HEALTH_STATUS_MAX, sizeof(*codes));
	struct node *items = &node;
	size_t count = 1;
	uint32_t code;

	if (node_type(node) == json_type_array && read_list(document, node, 1, USHER_HEALTH_STATUS_MAX, &items, &count))
		return;
	health->status = codes;
	for (size_t i = 0; i < count; i++) {
		size_t k = 0;

		if (read_count(document, items[i], STATUS_MIN, STATUS_MAX, &code))
			continue;
		while (k < health->status_count && codes[k] != code)
			k++;
		if (k < health->status_count)
			node_error(document, items[i], "%u is in this list twice", code);
		else
			codes[health->status_count++] = (uint16_t)code;
	}
}

/* Which of them make sense beside each other. */
static void judge_probe(struct document *document, const struct field *fields)
{
	if (fields[HTTP].given && fields[HTTPS].given)
		key_error(document, fields[HTTPS].value, "there is \"http\" as well; a backend is probed in one way");
	for (int i = HOST; i <= STATUS; i++)
		if (fields[i].given && !fields[HTTP].given && !fields[HTTPS].given)
			key_error(document, fields[i].value, "only probes by \"http\" and \"https\" have it");
	if (fields[VERIFY].given && !fields[HTTPS].given)
		key_error(document, fields[VERIFY].value, "only probes by \"https\" have it");
}

static void read_question(struct document *document, const struct field *fields, struct health *health)
{
	uint32_t port;

	for (int i = HTTP; i <= HTTPS; i++)
		if (fields[i].given) {
			health->probe = i == HTTP ? HEALTH_PROBE_HTTP : HEALTH_PROBE_HTTPS;
			read_path(document, fields[i].value, &health->path);
		}
	if (fields[PORT].given && !read_count(document, fields[PORT].value, 1, 65535, &port))
		health->port = (uint16_t)port;
	if (fields[HOST].given)
		read_host_name(document, fields[HOST].value, &health->host);
	if (fields[STATUS].given)
		read_status_list(document, fields[STATUS].value, health);
	if (fields[VERIFY].given)
		read_boolean(document, fields[VERIFY].value, &health->verify);
	judge_probe(document, fields);
}

void read_health(struct document *document, struct node node, struct health *health)
{
	struct field fields[FIELDS] = {
		[HTTP] = {.key = "http"},     [HTTPS] = {.key = "https"},	[PORT] = {.key = "port"},
		[HOST] = {.key = "host"},     [STATUS] = {.key = "status"},	[VERIFY] = {.key = "verify"},
		[RISE] = {.key = "rise"},     [INTERVAL] = {.key = "interval"}, [TIMEOUT] = {.key = "timeout"},
		[JITTER] = {.key = "jitter"}, [FALL] = {.key = "fall"},
	};
	double jitter;

	if (node_type(node) == json_type_boolean && !node_is_bad(document, node)) {
		if (json_object_get_boolean(node.json))
			node_error(document, node, "expected false or an object; probes are made unless it says false");
		health->probe = HEALTH_PROBE_NONE;
		return;
	}
	if (read_object(document, node, fields, FIELDS))
		return;
	read_question(document, fields, health);
	if (fields[INTERVAL].given)
		read_duration(document, fields[INTERVAL].value, 100, 3600000, &health->interval_ms);
	if (fields[TIMEOUT].given)
		read_duration(document, fields[TIMEOUT].value, 50, 60000, &health->timeout_ms);
	if (fields[RISE].given)
		read_count(document, fields[RISE].value, 1, 100, &health->rise);
	if (fields[FALL].given)
		read_count(document, fields[FALL].value, 1, 100, &health->fall);
	if (fields[JITTER].given && !read_number(document, fields[JITTER].value, 0, JITTER_MAX, &jitter))
		health->jitter = (uint32_t)lround(jitter * 1000);
	if (health->timeout_ms > health->interval_ms)
		node_error(document, fields[TIMEOUT].given ? fields[TIMEOUT].value : fields[INTERVAL].value,
			   "the timeout (%u ms) is longer than the interval (%u ms)", health->timeout_ms,
			   health->interval_ms);
}
