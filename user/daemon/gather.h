/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fetches the geography files that a policy names. Whoever gives the policy reads them, with the rights that he has: the
 * command for what it applies, the daemon only for its own --policy. A client never has the daemon open a file.
 */
#ifndef USHER_DAEMON_GATHER_H
#define USHER_DAEMON_GATHER_H

#include <stddef.h>

/*
 * bytes: a policy's text from `path`, malloc'ed. Puts the bundle of it and its files (policy/bundle.h) in their place; a name
 * is relative to the folder of `path`, or to the working folder if that is "-". A file that ends in .mmdb is a MaxMind
 * database, and comes as lines of a geography file. Of its networks without a country, the number is told on standard error. What cannot be read is in the bundle with the reason. A text that is a bundle
 * already stays as it is.
 */
void gather(const char *path, char **bytes, size_t *length);

#endif
