// SPDX-License-Identifier: GPL-2.0-only
#include "cli/signatures.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/utf8.h"
#include "cli/verbs.h"
#include "daemon/protocol.h"

int signature_take(const char *path, struct approval *approval)
{
	_cleanup_free_ char *bytes = NULL;
	size_t length = 0;
	int error;

	if (approval->count == APPROVERS_MAX)
		return cli_misuse("takes up to %d signatures", APPROVERS_MAX);
	error = file_read(path, SIGNATURE_FILE_MAX, &bytes, &length);
	if (error && error != -EFBIG)
		return cli_fail(CLI_USAGE, "%s: %s", path, strerror(-error));
	if (error || signature_parse(bytes, length, approval->signatures[approval->count].bytes))
		return cli_fail(CLI_USAGE, "%s is no Ed25519 signature: it has neither 64 bytes nor those in base64",
				path);
	approval->count++;
	return CLI_OK;
}

int reasons_take(int letter, const char *value, struct reasons *reasons)
{
	if (letter == 'g')
		return signature_take(value, &reasons->approval);
	if (!utf8_is_line(value, PROTOCOL_WHY_MAX))
		return cli_misuse("--why takes one line of 1 to %d bytes of UTF-8, without control characters",
				  PROTOCOL_WHY_MAX);
	reasons->why = value;
	return CLI_OK;
}

void reasons_add(const struct reasons *reasons, struct json_object *request)
{
	struct json_object *list;
	char text[SIGNATURE_TEXT];

	if (reasons->why)
		json_object_object_add(request, "why", json_object_new_string(reasons->why));
	if (!reasons->approval.count)
		return;
	list = json_object_new_array();
	for (size_t i = 0; i < reasons->approval.count; i++) {
		signature_print(reasons->approval.signatures[i].bytes, text);
		json_object_array_add(list, json_object_new_string(text));
	}
	json_object_object_add(request, "signatures", list);
}
