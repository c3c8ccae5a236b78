/* SPDX-License-Identifier: GPL-2.0-only */
/* From bytes in user memory to the generation that packets see. The only writer of the forwarding tables. */
#ifndef USHER_KERNEL_PUBLISH_H
#define USHER_KERNEL_PUBLISH_H

#include "compile/tables.h"
#include "kernel/program.h"

struct publisher;

/* Maps the tables of the loaded program. Returns 0, or -errno with a sentence. */
int publisher_open(const struct program *program, struct problem *problem, struct publisher **ret_publisher);
void publisher_close(struct publisher *publisher);

/* Header of the generation in force; number 0: none has been published yet. */
const struct usher_generation *publisher_active(const struct publisher *publisher);
uint32_t publisher_slot(const struct publisher *publisher);
/* Backends of a slot, USHER_BACKENDS_MAX of them. */
const struct usher_backend *publisher_backends(const struct publisher *publisher, uint32_t slot);
/* The backend that a flow or record means, in the active slot or else in the one before; NULL: in neither. */
const struct usher_backend *publisher_backend(const struct publisher *publisher, uint16_t backend,
					      uint16_t incarnation);
/* The NAT address that a number stands for in the slot of this generation (0: the active one); NULL: none, or it has no slot. */
const struct usher_address *publisher_nat_address(const struct publisher *publisher, uint64_t generation,
						  uint8_t nat_index);

/*
 * Puts the tables in force. When it returns 0, no packet is under way any more that saw the generation before. On -errno
 * nothing has changed for packets.
 */
int publish(struct publisher *publisher, const struct tables *tables);

/* Until when packets may trust the generation (CLOCK_MONOTONIC ns); 0: always. */
void publisher_deadline(struct publisher *publisher, uint64_t deadline);

#endif
