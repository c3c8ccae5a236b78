/* SPDX-License-Identifier: GPL-2.0-only */
/* What events of any class (ocsf.h) are made of. */
#ifndef USHER_AUDIT_OCSF_PARTS_H
#define USHER_AUDIT_OCSF_PARTS_H

#include "audit/fields.h"
#include "base/json.h"

/* An identifier of the schema's and its caption. */
struct ocsf_caption_text {
	unsigned int id;
	const char *text;
};

void ocsf_add(struct json *to, const char *key, struct line_value value);
void ocsf_add_caption(struct json *to, const char *id, const char *text, const struct ocsf_caption_text *caption);
/* Of a class: what kind of event it is, by its activity. */
void ocsf_add_class(struct json *to, unsigned int class, const char *class_name, const char *category_name,
		    const struct ocsf_caption_text *activity);
/* Of metadata, which has been begun: what wrote it. */
void ocsf_add_source(struct json *to, const char *product_version);
/* In ms, as it is in records that we write: 0, or -1. */
int ocsf_time(struct line_value value, int64_t *ret_ms);

#endif
