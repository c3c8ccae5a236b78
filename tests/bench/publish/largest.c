// SPDX-License-Identifier: GPL-2.0-only
#include "largest.h"

#include <stdio.h>
#include <stdlib.h>

#include "usher/limits.h"

static void write_tenants(FILE *to, unsigned int geo_prefixes)
{
	fputs("\"tenants\": {", to);
	for (unsigned int t = 0; t < USHER_TENANTS_MAX; t++) {
		fprintf(to, "%s\"t%u\": {\"sources\": [", t ? "," : "", t);
		for (unsigned int p = 0; p < USHER_PREFIXES_MAX / USHER_TENANTS_MAX; p++)
			fprintf(to, "%s{\"prefix\": \"%u.%u.%u.0/26\", \"region\": \"%s\"}", p ? "," : "", 20 + t / 256,
				t % 256, p, p % 2 ? "DE" : "US");
		fprintf(to, "%s]}", !t && geo_prefixes ? ", {\"geo\": \"clients.csv\"}" : "");
	}
	fputs("}", to);
}

static void write_backends(FILE *to, unsigned int backends_per_model)
{
	fputs(", \"models\": {", to);
	for (unsigned int m = 0; m < USHER_BACKENDS_MAX / backends_per_model; m++)
		fprintf(to, "%s\"m%u\": {\"versions\": {\"1\": {\"stage\": \"production\"}}}", m ? "," : "", m);
	fputs("}, \"backends\": {", to);
	for (unsigned int b = 0; b < USHER_BACKENDS_MAX; b++)
		fprintf(to, "%s\"b%u\": {\"address\": \"10.%u.%u.1:80\", \"serves\": \"m%u@1\", \"region\": \"%s\"}",
			b ? "," : "", b, b / 256, b % 256, b / backends_per_model, b % 2 ? "DE" : "US");
	fputs("}", to);
}

static void write_services(FILE *to, unsigned int backends_per_model)
{
	fputs(", \"services\": {", to);
	for (unsigned int s = 0; s < USHER_SERVICES_MAX; s++)
		fprintf(to, "%s\"s%u\": {\"address\": \"198.51.100.1:%u\", \"protocol\": \"tcp\", \"model\": \"m%u\"}",
			s ? "," : "", s, 1000 + s, s % (USHER_BACKENDS_MAX / backends_per_model));
	fputs("}, \"rules\": [{\"id\": \"de\", \"when\": {\"client_region\": [\"DE\"]}, \"require\": {\"region\": "
	      "[\"DE\"]}}",
	      to);
	for (unsigned int r = 1; r < USHER_RULES_MAX; r++)
		fprintf(to,
			",{\"id\": \"r%u\", \"when\": {\"tenant\": [\"t%u\"], \"service\": [\"s%u\"]}, \"allow\": "
			"true}",
			r, r % USHER_TENANTS_MAX, r / 16);
	fputs("], \"nat\": {\"addresses\": [\"10.255.255.1\"]}", to);
}

/* As real ones have them: networks of one size or another, neighbours mostly elsewhere. */
static void write_geography(FILE *to, unsigned int count)
{
	static const char *const regions[] = {"DE", "US", "FR", "JP", "GB", "DE-HE", "US-CA", "IE"};
	char *bytes = NULL;
	size_t length = 0;
	FILE *file = open_memstream(&bytes, &length);

	for (unsigned int n = 0; n < count; n++)
		if (n % 4)
			fprintf(file, "%u.%u.%u.%u/%u,%s\n", 32 + (n >> 15), n >> 7 & 255, n << 1 & 255,
				n % 3 ? 0 : 128, n % 3 ? 24 : 25, regions[n % 7]);
		else
			fprintf(file, "2001:%x:%x::/48,%s\n", 0x400 + (n >> 14), n >> 2 & 0xffff, regions[n % 8]);
	fclose(file);
	fputc('\0', to);
	fprintf(to, "usher-file read 11 %zu\nclients.csv", length);
	fwrite(bytes, 1, length, to);
	free(bytes);
}

char *largest_policy(unsigned int backends_per_model, unsigned int geo_prefixes, size_t *ret_length)
{
	char *text = NULL;
	FILE *to = open_memstream(&text, ret_length);

	fputs("{\"apiVersion\": \"usher/v1\", ", to);
	write_tenants(to, geo_prefixes);
	write_backends(to, backends_per_model);
	write_services(to, backends_per_model);
	fputs("}", to);
	if (geo_prefixes)
		write_geography(to, geo_prefixes);
	fclose(to);
	return text;
}
