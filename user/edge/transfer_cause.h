/* SPDX-License-Identifier: GPL-2.0-only */
/* What libcurl says of a transfer that is over, as a cause. */
#ifndef USHER_EDGE_TRANSFER_CAUSE_H
#define USHER_EDGE_TRANSFER_CAUSE_H

#include <stdbool.h>
#include <stdint.h>

#include <curl/curl.h>

#include "govern/cause.h"

/* What libcurl does not know of it. */
struct transfer_end {
	uint32_t timeout_ms; /* that it was given */
	bool whole;	     /* the head of the answer is complete */
	bool lacks_socket;   /* we had none for it */
};

/* Of a transfer that nobody has stopped. */
struct cause transfer_cause(CURL *easy, CURLcode code, const struct transfer_end *end);

#endif
