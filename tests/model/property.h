/* SPDX-License-Identifier: GPL-2.0-only */
/* What must hold between two policies, whatever they are. */
#ifndef USHER_MODEL_PROPERTY_H
#define USHER_MODEL_PROPERTY_H

#include <stdbool.h>

#include "policy_generator.h"

/* Does one more require or deny leave every constraint set as it is or smaller? Otherwise says where not. */
bool property_narrows(const struct recipe *recipe, struct random *random, char fault[160]);
/* Does one more quarantine, of a version or of a backend, do so? seed: of what is in quarantine. */
bool property_quarantine_narrows(const struct recipe *recipe, uint64_t seed, char fault[160]);

#endif
