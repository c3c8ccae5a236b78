// SPDX-License-Identifier: GPL-2.0-only
#include "audit/ocsf_parts.h"

#include "audit/ocsf.h"
#include "base/clock.h"
#include "base/moment.h"

void ocsf_add(struct json *to, const char *key, struct line_value value)
{
	if (value.at)
		json_value(to, key, value.at, value.length);
}

void ocsf_add_caption(struct json *to, const char *id, const char *text, const struct ocsf_caption_text *caption)
{
	json_unsigned(to, id, caption->id);
	json_string(to, text, caption->text);
}

void ocsf_add_class(struct json *to, unsigned int class, const char *class_name, const char *category_name,
		    const struct ocsf_caption_text *activity)
{
	ocsf_add_caption(to, "activity_id", "activity_name", activity);
	json_unsigned(to, "category_uid", class / 1000);
	json_string(to, "category_name", category_name);
	json_unsigned(to, "class_uid", class);
	json_string(to, "class_name", class_name);
	json_unsigned(to, "type_uid", class * 100 + activity->id);
	json_format(to, "type_name", "%s: %s", class_name, activity->text);
}

void ocsf_add_source(struct json *to, const char *product_version)
{
	json_string(to, "version", OCSF_VERSION);
	json_object_begin(to, "product");
	json_string(to, "name", "usher");
	json_string(to, "vendor_name", "usher");
	json_string(to, "version", product_version);
	json_object_end(to);
	json_string(to, "log_name", "audit");
	json_string(to, "log_provider", "usher");
}

int ocsf_time(struct line_value value, int64_t *ret_ms)
{
	char text[CLOCK_TEXT];
	int64_t moment;

	if (!value.at || line_text(value, sizeof(text), text) || moment_parse(text, false, &moment))
		return -1;
	*ret_ms = moment / CLOCK_MILLISECOND;
	return 0;
}
