/* SPDX-License-Identifier: GPL-2.0-only */
/* The answer to apply and to rollback: the same, as a rollback is an apply of what was in force before. */
#ifndef USHER_CLI_APPLIED_H
#define USHER_CLI_APPLIED_H

#include <stdbool.h>

#include "cli/client.h"

/* Prints it, diagnostics included. file: what they are about. Returns the exit status. */
int applied_report(const struct answer *answer, const char *file, bool dry_run);

#endif
