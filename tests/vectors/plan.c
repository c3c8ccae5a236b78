// SPDX-License-Identifier: GPL-2.0-only
#include "plan.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int plan_read_addresses(const char *word, struct plan *plan)
{
	char text[100], *arrow;
	int family = plan->ipv6 ? AF_INET6 : AF_INET;

	snprintf(text, sizeof(text), "%s", word);
	arrow = strchr(text, '>');
	if (!arrow)
		return -1;
	*arrow = '\0';
	return inet_pton(family, text, plan->source) == 1 && inet_pton(family, arrow + 1, plan->destination) == 1 ? 0
														  : -1;
}

static uint16_t read_port(const char *text, const struct vector_context *context)
{
	return strncmp(text, "NAT", 3) ? (uint16_t)strtoul(text, NULL, 10) : context->nat_port;
}

static int read_ports(const char *word, const struct vector_context *context, struct plan *plan)
{
	const char *arrow = strchr(word, '>');

	if (!arrow)
		return -1;
	plan->source_port = read_port(word, context);
	plan->destination_port = read_port(arrow + 1, context);
	return 0;
}

static int read_flags(const char *word, struct plan *plan)
{
	static const char letters[] = "FSRPAUEC";

	for (plan->flags = 0; *word && *word != '0'; word++) {
		const char *at = strchr(letters, *word);

		if (!at)
			return -1;
		plan->flags |= (uint8_t)(1u << (at - letters));
	}
	return 0;
}

static int read_patch(const char *word, struct plan *plan)
{
	struct patch *patch = &plan->patches[plan->patch_count];
	const char *equals = strchr(word, '=');

	if (plan->patch_count == PATCHES_MAX || !equals || strlen(equals + 1) >= sizeof(patch->hex))
		return -1;
	patch->base = word[0] == '@' ? 'f' : word[0] == 'i' ? 'i' : 't';
	patch->offset = strtoul(word + (patch->base == 'f' ? 1 : 3), NULL, 10);
	strcpy(patch->hex, equals + 1);
	plan->patch_count++;
	return 0;
}

static int read_extension(const char *value, struct plan *plan)
{
	if (plan->extension_count == EXTENSIONS_MAX)
		return -1;
	plan->units[plan->extension_count] = 0;
	return sscanf(value, "%u:%u", &plan->kinds[plan->extension_count], &plan->units[plan->extension_count]) > 0
		       ? (plan->extension_count++, 0)
		       : -1;
}

static int read_tag(const char *value, struct plan *plan)
{
	if (plan->tag_count == TAGS_MAX)
		return -1;
	plan->tag_types[plan->tag_count] = 0x8100;
	return sscanf(value, "%u:%x", &plan->tags[plan->tag_count], &plan->tag_types[plan->tag_count]) > 0
		       ? (plan->tag_count++, 0)
		       : -1;
}

static int read_setting(const char *word, struct plan *plan)
{
	const struct {
		const char *key;
		unsigned long *to;
	} numbers[] = {{"ttl", &plan->ttl},	     {"tos", &plan->tos},     {"id", &plan->id},
		       {"frag", &plan->frag},	     {"opt", &plan->options}, {"proto", &plan->protocol},
		       {"seq", &plan->seq},	     {"ack", &plan->ack},     {"win", &plan->window},
		       {"topt", &plan->tcp_options}, {"data", &plan->data},   {"trail", &plan->trail},
		       {"cut", &plan->cut},	     {"mtu", &plan->mtu}};
	const char *equals = strchr(word, '=');

	if (!equals)
		return -1;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (strlen(numbers[i].key) == (size_t)(equals - word) &&
		    !strncmp(word, numbers[i].key, (size_t)(equals - word))) {
			*numbers[i].to = strtoul(equals + 1, NULL, 0);
			return 0;
		}
	if (!strncmp(word, "from=", 5))
		snprintf(plan->from, sizeof(plan->from), "%s", equals + 1);
	else if (!strncmp(word, "to=", 3))
		snprintf(plan->to, sizeof(plan->to), "%s", equals + 1);
	else if (!strcmp(word, "off=same"))
		plan->off_same = true;
	else if (!strncmp(word, "off=", 4))
		plan->off = (uint16_t)strtoul(equals + 1, NULL, 16);
	else if (!strncmp(word, "ipoff=", 6))
		plan->ip_off = (uint16_t)strtoul(equals + 1, NULL, 16);
	else if (!strncmp(word, "vlan=", 5))
		return read_tag(equals + 1, plan);
	else if (!strncmp(word, "ext=", 4))
		return read_extension(equals + 1, plan);
	else
		return -1;
	return 0;
}

static int read_word(const char *word, char **rest, const struct vector_context *context, struct plan *plan)
{
	if (!strcmp(word, "4") || !strcmp(word, "6")) {
		plan->ipv6 = word[0] == '6';
		word = strtok_r(NULL, " ", rest);
		return word ? plan_read_addresses(word, plan) : -1;
	}
	if (!strcmp(word, "tcp") || !strcmp(word, "udp")) {
		bool tcp = word[0] == 't';

		plan->protocol = tcp ? 6 : 17;
		word = strtok_r(NULL, " ", rest);
		if (!word || read_ports(word, context, plan))
			return -1;
		word = tcp ? strtok_r(NULL, " ", rest) : NULL;
		return !tcp ? 0 : word ? read_flags(word, plan) : -1;
	}
	if (!strcmp(word, "ipip") || !strcmp(word, "gue")) {
		plan->gue = word[0] == 'g';
		word = strtok_r(NULL, " ", rest);
		if (!word || !strchr(word, '>'))
			return -1;
		snprintf(plan->tunnel, sizeof(plan->tunnel), "%s", word);
		return 0;
	}
	if (!strcmp(word, "icmp")) {
		plan->protocol = plan->ipv6 ? 58 : 1;
		return 0;
	}
	if (!strcmp(word, "error")) {
		plan->error = true;
		word = strtok_r(NULL, " ", rest);
		return word && sscanf(word, "%u:%u", &plan->icmp_type, &plan->icmp_code) == 2 ? 0 : -1;
	}
	if (!strcmp(word, "about") || !strcmp(word, "about8")) {
		char fault[128];

		if (vector_describe(*rest, context, &plan->inner, fault))
			return -1;
		plan->inner_length = !word[5] ? plan->inner.length - plan->inner.network
					      : plan->inner.transport - plan->inner.network + 8;
		*rest += strlen(*rest);
		return 0;
	}
	if (!strcmp(word, "quote")) {
		plan->quote = true;
		return 0;
	}
	if (!strcmp(word, "partial")) {
		plan->partial = true;
		return 0;
	}
	if (!strcmp(word, "nocheck")) {
		plan->nocheck = true;
		return 0;
	}
	if (word[0] == '@' || !strncmp(word, "ip+", 3) || !strncmp(word, "l4+", 3))
		return read_patch(word, plan);
	return read_setting(word, plan);
}

int plan_read(const char *text, const struct vector_context *context, struct plan *plan, char fault[128])
{
	char copy[1024], *rest = copy, *word;

	snprintf(copy, sizeof(copy), "%s", text);
	for (word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		if (read_word(word, &rest, context, plan)) {
			snprintf(fault, 128, "cannot read '%.80s'", word);
			return -1;
		}
	return 0;
}
