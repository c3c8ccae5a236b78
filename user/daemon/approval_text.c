// SPDX-License-Identifier: GPL-2.0-only
/* Approvals as JSON: in records and answers, and in the state, which takes them back. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/approval_text.h"
#include "daemon/kept.h"

void approval_print(struct json *to, const struct approval *approval)
{
	char text[SIGNATURE_TEXT];

	json_array_begin(to, "approvals");
	for (size_t i = 0; i < approval->count; i++) {
		signature_print(approval->signatures[i].bytes, text);
		json_object_begin(to, NULL);
		json_string(to, "approver", approval->signatures[i].by[0] ? approval->signatures[i].by : NULL);
		json_string(to, "signature", text);
		json_object_end(to);
	}
	json_array_end(to);
	if (approval->instead_of)
		json_unsigned(to, "instead_of", approval->instead_of);
}

static int parse_signature(struct json_object *object, struct approval *approval)
{
	char text[SIGNATURE_TEXT];
	size_t i = approval->count;

	if (kept_text(object, "signature", text, sizeof(text)) ||
	    signature_parse(text, strlen(text), approval->signatures[i].bytes))
		return -EINVAL;
	if (kept_text(object, "approver", approval->signatures[i].by, APPROVER_NAME))
		approval->signatures[i].by[0] = '\0';
	approval->count++;
	return 0;
}

int approval_parse(struct json_object *object, struct approval *ret_approval)
{
	struct json_object *list = kept_member(object, "approvals", json_type_array);
	size_t count = list ? json_object_array_length(list) : 0;
	struct approval approval = {.kept = true};
	int64_t instead_of;

	if (count > APPROVERS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < count; i++)
		if (parse_signature(json_object_array_get_idx(list, i), &approval))
			return -EINVAL;
	if (!kept_integer(object, "instead_of", INT64_MAX, &instead_of))
		approval.instead_of = (uint64_t)instead_of;
	*ret_approval = approval;
	return 0;
}
