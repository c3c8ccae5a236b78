/* SPDX-License-Identifier: GPL-2.0-only */
/* Asks the running program what it would do with a packet, without counters, flows or records noticing. */
#ifndef USHER_KERNEL_EXPLAIN_H
#define USHER_KERNEL_EXPLAIN_H

#include "kernel/program.h"

struct explain_question {
	struct usher_address client, service; /* of one family */
	uint16_t client_port, service_port;
	uint8_t protocol; /* IPPROTO_TCP: a SYN is sent; IPPROTO_UDP */
};

/* Returns 0, -EAGAIN if the program did not take it for a dry run, or -errno. */
int explain(const struct program *program, const struct explain_question *question,
	    struct usher_explanation *ret_explanation);

#endif
