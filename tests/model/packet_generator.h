/* SPDX-License-Identifier: GPL-2.0-only */
/* Random packets for a gateway: mostly what clients and backends would send, and everything else that may come. */
#ifndef USHER_MODEL_PACKET_GENERATOR_H
#define USHER_MODEL_PACKET_GENERATOR_H

#include "gateway.h"
#include "random.h"

void packet_generate(struct random *random, const struct gateway *gateway, struct frame *ret_frame);

#endif
