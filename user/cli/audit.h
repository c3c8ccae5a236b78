/* SPDX-License-Identifier: GPL-2.0-only */
/* What `usher audit` does, one function a word. They read the log's files: without a daemon, and without rights beyond theirs. */
#ifndef USHER_CLI_AUDIT_H
#define USHER_CLI_AUDIT_H

#include "daemon/options.h"

#define AUDIT_DIR "/var/log/usher"
#define AUDIT_CLIENT_KEYS OPTIONS_STATE_DIR "/client-keys"

/* argv: the verb, its word, options. Each returns an exit status. */
int audit_tail(int argc, char **argv);
int audit_query(int argc, char **argv);
int audit_verify(int argc, char **argv);
int audit_export(int argc, char **argv);
int audit_report(int argc, char **argv);
int audit_key(int argc, char **argv);
int audit_checkpoint(int argc, char **argv);
int audit_rotate_key(int argc, char **argv); /* of the daemon */
int audit_client(int argc, char **argv);

#endif
