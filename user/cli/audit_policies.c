// SPDX-License-Identifier: GPL-2.0-only
#include "cli/audit_policies.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "daemon/kept.h"
#include "daemon/revisions.h"
#include "daemon/state.h"
#include "policy/bundle.h"

int audit_policies_open(const char *folder, struct audit_policies *ret_policies)
{
	_cleanup_free_ char *bytes = NULL, *name = strdup(folder);
	const struct state state = {.folder = name};
	struct json_tokener *tokener;
	struct json_object *list;
	const char *text;
	size_t length;
	int error = name ? state_read_sealed(&state, REVISIONS_FILE, &bytes, &text, &length) : -ENOMEM;

	if (error)
		return error;
	tokener = json_tokener_new();
	if (!tokener)
		return -ENOMEM;
	list = length < INT_MAX ? json_tokener_parse_ex(tokener, text, (int)length) : NULL;
	json_tokener_free(tokener);
	if (!json_object_is_type(list, json_type_array)) {
		json_object_put(list);
		return -EBADMSG;
	}
	*ret_policies = (struct audit_policies){folder, list};
	return 0;
}

void audit_policies_close(struct audit_policies *policies)
{
	json_object_put(policies->list);
	*policies = (struct audit_policies){0};
}

/* What lies there by the name of its bytes' digest, if it is that. */
static int read_text(const char *folder, const char *bytes_digest, char **ret_bytes, size_t *ret_length)
{
	_cleanup_free_ char *bytes = NULL;
	char path[PATH_MAX], found[SHA256_HEX];
	size_t length;
	int error;

	if (strspn(bytes_digest, "0123456789abcdef") != SHA256_HEX - 1)
		return -EBADMSG;
	if (snprintf(path, sizeof(path), "%s/policy-%s.json", folder, bytes_digest) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	error = file_read(path, BUNDLE_BYTES_MAX, &bytes, &length);
	if (error)
		return error;
	sha256_hex(bytes, length, found);
	if (strcmp(found, bytes_digest) != 0)
		return -EBADMSG;
	*ret_bytes = TAKE_PTR(bytes);
	*ret_length = length;
	return 0;
}

/* Texts may differ, and mean the same: any of them will do. */
int audit_policies_text(const char digest[SHA256_HEX], void *context, char **ret_bytes, size_t *ret_length)
{
	const struct audit_policies *policies = context;
	int error = -ENOENT;

	for (size_t i = json_object_array_length(policies->list); error && i-- > 0;) {
		struct json_object *item = json_object_array_get_idx(policies->list, i);
		char of[SHA256_HEX], bytes_digest[SHA256_HEX];

		if (json_object_is_type(item, json_type_object) && !kept_text(item, "digest", of, sizeof(of)) &&
		    !strcmp(of, digest) && !kept_text(item, "bytes_digest", bytes_digest, sizeof(bytes_digest)))
			error = read_text(policies->folder, bytes_digest, ret_bytes, ret_length);
	}
	return error;
}
