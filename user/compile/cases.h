/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Clients that no rule can tell apart are one case, and a case is decided once: 256 services times 65,536 classes are
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
#include "compile/decision.h"

#define CASE_NONE UINT32_MAX

struct cases;

/* tenant POLICY_NONE in a class: the policy does not know it, and it is no case. Both arguments must outlive this. */
struct cases *cases_new(const struct effective *effective, const struct classes *classes);
void cases_free(struct cases *cases);

/* Bit r % 64 of word r / 64: rule r applies to some class at some service that was asked for so far. */
const uint64_t *cases_applied(const struct cases *cases);

/*
 * ret_case_of: for each class its position in the decisions, or CASE_NONE if the service has no address of its family.
 * The decisions belong to `cases` and live until the next call. Returns 0 or -ENOMEM.
 */
int cases_of_service(struct cases *cases, size_t service, uint32_t *ret_case_of, struct decision *const **ret_decisions,
		     size_t *ret_count);

#endif
