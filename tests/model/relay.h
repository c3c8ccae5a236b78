/* SPDX-License-Identifier: GPL-2.0-only */
/* ICMP errors that quote a flow. Sources: RFC 792, 4443, 5508. */
#ifndef USHER_MODEL_RELAY_H
#define USHER_MODEL_RELAY_H

#include "step.h"

/* ICMP to an address of usher's. */
void relay(struct step *step);

#endif
