/* SPDX-License-Identifier: GPL-2.0-only */
/* From what a policy says of a backend's metrics to the series that are looked for in a page; and from what a page says to what the
 * core is told: numbers of fixed size. Pure. */
#ifndef USHER_EDGE_LOAD_H
#define USHER_EDGE_LOAD_H

#include "edge/edge.h"
#include "edge/telemetry.h"

#define LOAD_OWN_SERIES 3 /* waiting, running, use */

/* A new page of this source. `own` is filled for LOAD_OWN; it and the source have to stay until load_end. */
void load_begin(struct telemetry *telemetry, const struct edge_source *source,
		struct telemetry_series own[LOAD_OWN_SERIES]);
/* Once the whole page has been read. Fills all but the age. */
void load_end(const struct telemetry *telemetry, const struct edge_source *source, struct edge_load *ret_load);

/* The series that a finding is about, "" if it is about none; source: as in the policy. */
const char *load_series(const struct load_source *source, enum load_server server, uint8_t series);
/* enum telemetry_finding_code as a word for programs. */
const char *load_finding_word(uint8_t code);

#endif
