/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Does a rule speak of this service, of this tenant, of this client region? It applies if all three hold.
 *
 * Rules that take away apply unless the client is certainly outside; rules that give apply only if it is certainly inside.
 */
#ifndef USHER_COMPILE_COVERS_H
#define USHER_COMPILE_COVERS_H

#include "policy/model.h"

bool rule_covers_service(const struct rule *rule, size_t service);
/* tenant: policy index or POLICY_UNKNOWN_TENANT, which no rule admits that does not name it. */
bool rule_covers_tenant(const struct rule *rule, size_t tenant);
bool rule_covers_region(const struct rule *rule, const struct region *region);

#endif
