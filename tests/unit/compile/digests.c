// SPDX-License-Identifier: GPL-2.0-only
/* digests FILE...: the digest of the tables that each policy compiles to. test_determinism.sh builds it in several ways. */
#include "compiled.h"

static char *whole(const char *path)
{
	struct writing text = {0};
	char line[4096];
	FILE *file = fopen(path, "re");

	while (file && fgets(line, sizeof(line), file))
		writef(&text, "%s", line);
	if (file)
		fclose(file);
	return text.text;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *text = whole(argv[i]), digest[SHA256_HEX];
		struct compiled compiled;

		if (!text || compile_after(NULL, text, NULL, &compiled)) {
			fprintf(stderr, "digests: %s does not compile\n", argv[i]);
			return EXIT_FAILURE;
		}
		tables_digest(compiled.tables, digest);
		printf("%s %s\n", digest, argv[i]);
		compiled_free(&compiled);
		free(text);
	}
	return EXIT_SUCCESS;
}
