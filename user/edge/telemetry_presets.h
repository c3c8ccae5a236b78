/* SPDX-License-Identifier: GPL-2.0-only */
/* The table of presets. For telemetry.c alone, which has the functions to look into it. */
#ifndef USHER_EDGE_TELEMETRY_PRESETS_H
#define USHER_EDGE_TELEMETRY_PRESETS_H

#include "edge/telemetry.h"

#define TELEMETRY_PRESETS 8

extern const struct telemetry_preset telemetry_presets[TELEMETRY_PRESETS];

#endif
