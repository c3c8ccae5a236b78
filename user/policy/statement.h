/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an approver of a policy signs: a short text that says what the signature is for, and names every byte of what is approved, so that a
 * signature that was made for anything else is none, and everybody can make the text with sha256sum.
 *
 *   usher-policy-approval 1                    or, of the going back to it:   usher-policy-rollback 1
 *                                                                            instead-of-change NUMBER
 *   document sha256:HEX                        of the bytes of the policy's file
 *   geography sha256:HEX NAME                  of each file that it names, as often and in the order in which the policy first names them
 *
 * Each line ends with a newline. Two texts of one meaning are two documents: whoever writes the file anew needs other signatures.
 */
#ifndef USHER_POLICY_STATEMENT_H
#define USHER_POLICY_STATEMENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/sha256.h"

/* bytes: a policy with its geography files (bundle.h). instead_of: the number of the change that the policy is to take the place of by a rollback,
 * or 0: it is approved as such. Returns 0; -EINVAL: no bundle; -ENOENT: a geography file could not be read, or has a name of more than one line. */
int statement_print(const char *bytes, size_t length, uint64_t instead_of, struct json *to);
/* Of the text alone, without geography files. */
void statement_document(const char *bytes, size_t length, char digest[SHA256_HEX]);

#endif
