/* SPDX-License-Identifier: GPL-2.0-only */
/* The names of past generations, for as long as a record may still use their numbers. */
#ifndef USHER_AUDIT_CATALOGS_H
#define USHER_AUDIT_CATALOGS_H

#include "compile/tables.h"

struct catalogs;

/* Returns 0 or -ENOMEM. */
int catalogs_new(struct catalogs **ret_catalogs);
void catalogs_free(struct catalogs *catalogs);

/* Takes the catalog of a generation that is about to be published. */
void catalogs_add(struct catalogs *catalogs, struct catalog *catalog);
/* Of the generation with this number; NULL: no longer, or never, known here. */
const struct catalog *catalogs_find(const struct catalogs *catalogs, uint64_t generation);
/* A backend under the incarnation that a flow names, which may have left the policy since. NULL: not known. */
const struct catalog_backend *catalogs_backend(const struct catalogs *catalogs, uint16_t backend, uint16_t incarnation);
/* The NAT address that the number stood for under this generation, or when it last stood for one before; NULL: not known. */
const struct usher_address *catalogs_nat(const struct catalogs *catalogs, uint64_t generation, uint8_t number);
/*
 * Whatever was decided when this generation was in force has been recorded, and will not be read again: forgets all before it but one. (But one,
 * because a publish whose barrier fails may leave a packet behind that still sees the one before.)
 */
void catalogs_drained(struct catalogs *catalogs, uint64_t generation);

#endif
