/* SPDX-License-Identifier: GPL-2.0-only */
/* How what belongs to a flow comes to its backend: next hop, addresses, tunnel and path MTU. */
#ifndef USHER_MODEL_WAY_H
#define USHER_MODEL_WAY_H

#include "step.h"

/* The flow's backend, or NULL: there is no way to it now. */
const struct ref_backend *way_to(const struct gateway *gateway, const struct ref_flow *flow);
struct rewrite_path way_path(const struct ref_flow *flow);
/* Puts what is expected into the backend's tunnel, if it has one. */
void way_tunnel(struct step *step, const struct ref_backend *backend);
bool way_fits(const struct step *step, const struct ref_backend *backend);
/* The sender is told what would get through. */
void way_too_big(struct step *step, const struct ref_backend *backend);

#endif
