// SPDX-License-Identifier: GPL-2.0-only
/* usher audit: which of its words. */
#include "cli/audit.h"

#include <string.h>

#include "base/array.h"
#include "cli/verbs.h"

static const struct {
	const char *word;
	int (*run)(int argc, char **argv);
} words[] = {{"tail", audit_tail},
	     {"query", audit_query},
	     {"verify", audit_verify},
	     {"export", audit_export},
	     {"report", audit_report},
	     {"key", audit_key},
	     {"checkpoint", audit_checkpoint},
	     {"client", audit_client},
	     {"rotate-key", audit_rotate_key}};

int cli_audit(int argc, char **argv)
{
	/* Options may come before the word: the first operand that is one. */
	for (int i = 1; i < argc; i++)
		for (size_t w = 0; w < ARRAY_COUNT(words); w++)
			if (!strcmp(argv[i], words[w].word))
				return words[w].run(argc, argv);
	for (int i = 1; i < argc; i++)
		if (argv[i][0] != '-')
			return cli_misuse("there are tail, query, verify, export, report, key, checkpoint, client and "
					  "rotate-key, not %s",
					  argv[i]);
	return cli_misuse("say which: tail, query, verify, export, report, key, checkpoint, client or rotate-key");
}
