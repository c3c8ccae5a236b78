/* SPDX-License-Identifier: GPL-2.0-only */
/* The country codes there are. */
#ifndef USHER_POLICY_COUNTRY_H
#define USHER_POLICY_COUNTRY_H

#include <stdbool.h>

/* Is this one of the officially assigned codes of ISO 3166-1 alpha-2 (2024), in capitals? */
bool country_known(const char *code);
/* The official code for one that is in use but is not official ("UK", "EL"), or NULL. */
const char *country_meant(const char *code);

#endif
