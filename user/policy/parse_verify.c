// SPDX-License-Identifier: GPL-2.0-only
/* Of a backend: how it says what it serves. */
#include <errno.h>
#include <string.h>

#include "base/array.h"

#include "policy/parse.h"

#define EVERY_MS 5000
#define TIMEOUT_MS 2000
#define STALE_AFTER 12 /* answers that may fail: a minute */

enum { PRESET, HTTP, HTTPS, JSON, EQUALS, PORT, HOST, VERIFY, EVERY, TIMEOUT, STALE, FIELDS };

/* Whose answers they are. What they say is documented by each of them. */
static const struct {
	const char *path, *pointer;
} presets[] = {
	{"/v1/models", "/data/0/id"},	       /* OpenAI's list of models: vLLM, SGLang, llama.cpp, TensorRT-LLM */
	{"/v2/models/{model}", "/versions/0"}, /* the open inference protocol's metadata: Triton, KServe */
	{"/info", "/model_sha"},	       /* TGI */
};
static const char *const preset_words[] = {"openai", "kserve", "tgi"};

/* RFC 6901: "" or parts that begin with a slash, in which ~ is followed by 0 or 1. */
static bool is_pointer(const char *text)
{
	if (strlen(text) > USHER_POINTER_MAX || (*text && *text != '/'))
		return false;
	for (const char *at = text; *at; at++)
		if (*at == '~' && at[1] != '0' && at[1] != '1')
			return false;
	return true;
}

static void read_pointer(struct document *document, struct node node, const char **ret_pointer)
{
	const char *pointer;

	if (read_string(document, node, &pointer))
		return;
	if (is_pointer(pointer))
		*ret_pointer = pointer;
	else
		node_error(document, node,
			   "expected a JSON pointer such as \"/data/0/id\", of at most %d bytes, got %s",
			   USHER_POINTER_MAX, node_describe(document, node));
}

/* With {model}, {version} and {digest} replaced by those of the version. NULL, reported: it has no digest, or there is no such word. */
static const char *fill_in(struct document *document, struct node node, const struct policy *policy, size_t number,
			   const char *text)
{
	const struct version *version = &policy->versions[number];
	const struct {
		const char *word, *means;
	} words[] = {{"{model}", policy->models[version->model].name},
		     {"{version}", version->name},
		     {"{digest}", version->digest}};
	const char *filled = "";

	while (*text) {
		size_t plain = strcspn(text, "{"), w = 0;

		filled = arena_printf(document->arena, "%s%.*s", filled, (int)plain, text);
		text += plain;
		if (!*text)
			break;
		while (w < ARRAY_COUNT(words) && strncmp(text, words[w].word, strlen(words[w].word)) != 0)
			w++;
		if (w == ARRAY_COUNT(words) || !words[w].means) {
			node_error(document, node, "nothing stands for what begins at \"%.20s\"%s", text,
				   w == ARRAY_COUNT(words) ? "" : ": the version has no digest");
			return NULL;
		}
		filled = arena_printf(document->arena, "%s%s", filled, words[w].means);
		text += strlen(words[w].word);
	}
	return filled;
}

static void read_what(struct document *document, struct node node, const struct field *fields,
		      const struct policy *policy, size_t version, struct verify *verify)
{
	const char *equals = "{version}";
	struct node place = fields[EQUALS].given ? fields[EQUALS].value : node;
	size_t preset;

	if (fields[PRESET].given &&
	    !read_choice(document, fields[PRESET].value, preset_words, ARRAY_COUNT(preset_words), &preset)) {
		verify->pointer = presets[preset].pointer;
		verify->path = fill_in(document, fields[PRESET].value, policy, version, presets[preset].path);
	}
	if (fields[JSON].given)
		read_pointer(document, fields[JSON].value, &verify->pointer);
	else if (!fields[PRESET].given)
		node_error(document, node,
			   "says neither whose answers they are (\"preset\") nor where in them to look "
			   "(\"json\")");
	if (fields[EQUALS].given && read_string(document, fields[EQUALS].value, &equals))
		return;
	verify->equals = fill_in(document, place, policy, version, equals);
	if (verify->equals && strlen(verify->equals) > USHER_IDENTITY_MAX)
		node_error(document, place, "what a backend says of itself is compared up to %d bytes",
			   USHER_IDENTITY_MAX);
}

static void read_where(struct document *document, struct node node, const struct field *fields, struct verify *verify)
{
	uint32_t port;

	if (fields[HTTP].given && fields[HTTPS].given)
		key_error(document, fields[HTTPS].value, "there is \"http\" as well; it is asked in one way");
	if (!fields[HTTP].given && !fields[HTTPS].given && !fields[PRESET].given)
		node_error(document, node, "says nowhere what to ask for: \"http\", \"https\" or \"preset\"");
	if (fields[VERIFY].given && !fields[HTTPS].given)
		key_error(document, fields[VERIFY].value, "only \"https\" has it");
	verify->tls = fields[HTTPS].given;
	for (int i = HTTP; i <= HTTPS; i++)
		if (fields[i].given)
			read_path(document, fields[i].value, &verify->path);
	if (fields[PORT].given && !read_count(document, fields[PORT].value, 1, 65535, &port))
		verify->port = (uint16_t)port;
	if (fields[HOST].given)
		read_host_name(document, fields[HOST].value, &verify->host);
	if (fields[VERIFY].given)
		read_boolean(document, fields[VERIFY].value, &verify->certificate);
}

static void read_times(struct document *document, struct node node, const struct field *fields, struct verify *verify)
{
	const struct pace pace = {.every = &fields[EVERY],
				  .timeout = &fields[TIMEOUT],
				  .stale_after = &fields[STALE],
				  .every_min = 500,
				  .stale_min = 500,
				  .stale_max = 604800000,
				  .every_ms = EVERY_MS,
				  .timeout_ms = TIMEOUT_MS,
				  .intervals = STALE_AFTER,
				  .what = "answer"};

	read_pace(document, node, &pace, &verify->every_ms, &verify->timeout_ms, &verify->stale_after_ms);
}

void read_verify(struct document *document, struct node node, const struct policy *policy, size_t version,
		 struct verify *verify)
{
	struct field fields[FIELDS] = {
		[PRESET] = {.key = "preset"},	[HTTP] = {.key = "http"},	  [HTTPS] = {.key = "https"},
		[JSON] = {.key = "json"},	[EQUALS] = {.key = "equals"},	  [PORT] = {.key = "port"},
		[HOST] = {.key = "host"},	[VERIFY] = {.key = "verify"},	  [EVERY] = {.key = "every"},
		[TIMEOUT] = {.key = "timeout"}, [STALE] = {.key = "stale_after"},
	};

	*verify = (struct verify){.given = true, .certificate = true};
	if (read_object(document, node, fields, FIELDS) || version == POLICY_NONE)
		return;
	read_what(document, node, fields, policy, version, verify);
	read_where(document, node, fields, verify);
	read_times(document, node, fields, verify);
}
