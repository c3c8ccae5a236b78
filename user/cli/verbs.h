/* SPDX-License-Identifier: GPL-2.0-only */
/* What a verb sees of the command line, and how it ends. One file per verb; main.c holds the table of them. */
#ifndef USHER_CLI_VERBS_H
#define USHER_CLI_VERBS_H

#include <getopt.h>
#include <stdbool.h>

/* Exit status of the command. */
enum cli_status {
	CLI_OK = 0,
	CLI_NO = 1,	     /* a negative answer: differs, denied */
	CLI_USAGE = 2,	     /* the command line is wrong */
	CLI_REFUSED = 3,     /* the policy is */
	CLI_UNREACHABLE = 4, /* no daemon answers */
	CLI_SYSTEM = 5,	     /* kernel or permission */
	CLI_UNCONFIRMED = 6, /* applied, but not confirmed in time */
};

extern bool cli_json;	       /* -j */
extern const char *cli_socket; /* -s, or where the daemon listens by default */
extern const char *cli_verb;   /* as typed, for messages */

/* argv[0] is the verb. They return the exit status, having printed what there is to say. */
int cli_apply(int argc, char **argv);
int cli_audit(int argc, char **argv);
int cli_simulate(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_confirm(int argc, char **argv);
int cli_detach(int argc, char **argv);
int cli_diff(int argc, char **argv);
int cli_doctor(int argc, char **argv);
int cli_drain(int argc, char **argv);
int cli_explain(int argc, char **argv);
int cli_history(int argc, char **argv);
int cli_quarantine(int argc, char **argv);
int cli_release(int argc, char **argv);
int cli_rollback(int argc, char **argv);
int cli_rollout(int argc, char **argv);
int cli_show(int argc, char **argv);
int cli_undrain(int argc, char **argv);

/*
 * getopt_long for a verb: its own options, each with its letter in `val` as the short form, besides -j and -s, which
 * work after the verb as well as before it. Options and operands mix; afterwards the operands begin at argv[optind].
 * Returns the letter, -1 at the end, or '?' when the option is wrong and that has been said (exit with CLI_USAGE).
 * options: ended by a zeroed entry, or NULL for none.
 */
int cli_option(int argc, char **argv, const struct option *options);

/* A number from 1 to a million. Returns 0, or -EINVAL. */
int cli_count(const char *text, int *ret_count);
/* "60s", "5m", "500ms", "1h" in milliseconds, from 1 ms to a week. Returns 0, or -EINVAL. */
int cli_duration(const char *text, int *ret_ms);
/* Operands that a verb takes after its options: exactly `count`. Returns CLI_OK or, having complained, CLI_USAGE. */
int cli_operands(int argc, int count, const char *what);

/* One line on standard error, `usher VERB: what is wrong`, and the status to return. */
int cli_fail(enum cli_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same with CLI_USAGE and, below it, where to read on. */
int cli_misuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same about the option that getopt has just refused. */
int cli_misuse_option(char **argv);

#endif
