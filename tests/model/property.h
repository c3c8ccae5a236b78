/* SPDX-License-Identifier: GPL-2.0-only */
/* What must hold between two policies, whatever they are. */
#ifndef USHER_MODEL_PROPERTY_H
#define USHER_MODEL_PROPERTY_H

#include <stdbool.h>

#include "policy_generator.h"

/* Does one more require or deny leave every constraint set as it is or smaller? Otherwise says where not. */
bool property_narrows(const struct recipe *recipe, struct random *random, char fault[160]);

#endif
