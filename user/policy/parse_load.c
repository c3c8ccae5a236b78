// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "policy/parse.h"

#define EVERY_MS 5000
#define TIMEOUT_MS 2000
#define STALE_AFTER 3 /* scrapes that may fail */

enum {
	PRESET,
	WAITING,
	RUNNING,
	USE,
	USE_PERCENT,
	HTTP,
	HTTPS,
	PORT,
	HOST,
	VERIFY,
	EVERY,
	TIMEOUT,
	STALE,
	FIELDS,
};

const char *const load_server_words[LOAD_SERVERS_COUNT] = {
#define X(name, word, port, path) [LOAD_##name] = (word),
	LOAD_SERVERS(X)
#undef X
};

static const uint16_t ports[LOAD_SERVERS_COUNT] = {
#define X(name, word, port, path) [LOAD_##name] = (port),
	LOAD_SERVERS(X)
#undef X
};

static const char *const paths[LOAD_SERVERS_COUNT] = {
#define X(name, word, port, path) [LOAD_##name] = (path),
	LOAD_SERVERS(X)
#undef X
};

static int read_server(struct document *document, struct node node, enum load_server *ret_server)
{
	const char *words[LOAD_SERVERS_COUNT];
	enum load_server servers[LOAD_SERVERS_COUNT];
	size_t count = 0, choice;

	for (size_t i = 0; i < LOAD_SERVERS_COUNT; i++)
		if (load_server_words[i]) {
			servers[count] = (enum load_server)i;
			words[count++] = load_server_words[i];
		}
	if (read_choice(document, node, words, count, &choice))
		return -EINVAL;
	*ret_server = servers[choice];
	return 0;
}

/* https://prometheus.io/docs/concepts/data_model/ */
static bool is_metric(const char *text)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_:0123456789";
	size_t length = strlen(text);

	return length <= USHER_METRIC_NAME_MAX && strspn(text, allowed) == length && !strchr("0123456789", *text);
}

int read_metric_name(struct document *document, struct node node, const char **ret_name)
{
	const char *name;

	if (read_string(document, node, &name))
		return -EINVAL;
	if (!is_metric(name)) {
		node_error(document, node,
			   "expected the name of a series such as \"vllm:num_requests_waiting\", of at most %d "
			   "characters, got %s",
			   USHER_METRIC_NAME_MAX, node_describe(document, node));
		return -EINVAL;
	}
	*ret_name = name;
	return 0;
}

static void read_metric(struct document *document, const struct field *field, const char **ret_name)
{
	if (field->given)
		read_metric_name(document, field->value, ret_name);
}

/* A preset, or the names of series. */
static void read_meaning(struct document *document, struct node node, struct field *fields, struct load_source *load)
{
	bool named = false;

	for (int i = WAITING; i <= USE_PERCENT; i++) {
		named |= fields[i].given;
		if (fields[i].given && fields[PRESET].given)
			key_error(document, fields[i].value,
				  "there is \"preset\" as well, which says what the series are called");
	}
	if (fields[USE].given && fields[USE_PERCENT].given)
		key_error(document, fields[USE_PERCENT].value,
			  "there is \"use\" as well; one of them says how full it is");
	if (fields[PRESET].given) {
		if (read_server(document, fields[PRESET].value, &load->server))
			load->server = LOAD_AUTO; /* reported */
		return;
	}
	load->server = LOAD_OWN;
	load->use_percent = fields[USE_PERCENT].given;
	read_metric(document, &fields[WAITING], &load->waiting);
	read_metric(document, &fields[RUNNING], &load->running);
	read_metric(document, &fields[load->use_percent ? USE_PERCENT : USE], &load->use);
	if (!named)
		node_error(document, node,
			   "says neither whose metrics they are (\"preset\") nor which series to read (\"waiting\", "
			   "\"running\", "
			   "\"use\" or \"use_percent\")");
}

static void read_where(struct document *document, const struct field *fields, struct load_source *load)
{
	uint32_t port;

	if (fields[HTTP].given && fields[HTTPS].given)
		key_error(document, fields[HTTPS].value, "there is \"http\" as well; metrics are read in one way");
	if (fields[VERIFY].given && !fields[HTTPS].given)
		key_error(document, fields[VERIFY].value, "only \"https\" has it");
	load->tls = fields[HTTPS].given;
	for (int i = HTTP; i <= HTTPS; i++)
		if (fields[i].given)
			read_path(document, fields[i].value, &load->path);
	if (fields[PORT].given && !read_count(document, fields[PORT].value, 1, 65535, &port))
		load->port = (uint16_t)port;
	if (fields[HOST].given)
		read_host_name(document, fields[HOST].value, &load->host);
	if (fields[VERIFY].given)
		read_boolean(document, fields[VERIFY].value, &load->verify);
}

static void read_times(struct document *document, struct node node, const struct field *fields,
		       struct load_source *load)
{
	const struct pace pace = {.every = &fields[EVERY],
				  .timeout = &fields[TIMEOUT],
				  .stale_after = &fields[STALE],
				  .every_min = 500,
				  .stale_min = 500,
				  .stale_max = 86400000,
				  .every_ms = EVERY_MS,
				  .timeout_ms = TIMEOUT_MS,
				  .intervals = STALE_AFTER,
				  .what = "scrape"};

	read_pace(document, node, &pace, &load->every_ms, &load->timeout_ms, &load->stale_after_ms);
}

void read_load(struct document *document, struct node node, struct load_source *load)
{
	struct field fields[FIELDS] = {
		[PRESET] = {.key = "preset"},	  [WAITING] = {.key = "waiting"},
		[RUNNING] = {.key = "running"},	  [USE] = {.key = "use"},
		[HTTP] = {.key = "http"},	  [USE_PERCENT] = {.key = "use_percent"},
		[HTTPS] = {.key = "https"},	  [PORT] = {.key = "port"},
		[HOST] = {.key = "host"},	  [VERIFY] = {.key = "verify"},
		[EVERY] = {.key = "every"},	  [TIMEOUT] = {.key = "timeout"},
		[STALE] = {.key = "stale_after"},
	};

	*load = (struct load_source){.verify = true,
				     .every_ms = EVERY_MS,
				     .timeout_ms = TIMEOUT_MS,
				     .stale_after_ms = EVERY_MS * STALE_AFTER};
	if (node_type(node) == json_type_string) {
		if (read_server(document, node, &load->server))
			return;
	} else {
		if (read_object(document, node, fields, FIELDS))
			return;
		read_meaning(document, node, fields, load);
		read_where(document, fields, load);
		read_times(document, node, fields, load);
	}
	if (!load->port)
		load->port = ports[load->server];
	if (!load->path)
		load->path = paths[load->server];
}
