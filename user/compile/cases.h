/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Clients that no rule can tell apart are one case, and rules are asked once about a case: 256 services times 65,536 classes are
 * 16.8 million questions with rarely more than a few thousand answers.
 *
 * A rule covers a client if it covers its tenant and its region, so what decides is two bit strings, one of the tenant
 * and one of the region, with a bit for each rule. For one service only the rules that speak of it count. Equal strings
 * make groups of tenants and groups of regions; the bits that a tenant group and a region group share, and the address
 * family, make the case.
 */
#ifndef USHER_COMPILE_CASES_H
#define USHER_COMPILE_CASES_H

#include "compile/classes.h"
#include "compile/ruling.h"

#define CASE_NONE UINT32_MAX

struct cases;

/* tenant POLICY_NONE in a class: the policy does not know it, and it is no case. rulings: where they are added. All three must outlive this. */
struct cases *cases_new(const struct policy *policy, const struct classes *classes, struct rulings *rulings);
void cases_free(struct cases *cases);

/* Bit r % 64 of word r / 64: rule r applies to some class at some service that was asked for so far. */
const uint64_t *cases_applied(const struct cases *cases);

/*
 * ret_case_of: for each class its case, or CASE_NONE if the service has no address of its family. ret_rulings: for each case the number
 * of its ruling; belongs to `cases` and lives until the next call.
 */
void cases_of_service(struct cases *cases, size_t service, uint32_t *ret_case_of, const uint32_t **ret_rulings,
		      size_t *ret_count);

#endif
