/* SPDX-License-Identifier: GPL-2.0-only */
/* One packet at the gateway: what is known of it, and the answers that it may get. */
#ifndef USHER_MODEL_STEP_H
#define USHER_MODEL_STEP_H

#include "gateway.h"
#include "rewrite.h"

struct step {
	struct gateway *gateway;
	const struct frame *frame;
	const struct kernel_run *run;
	struct expectation *to;
	struct wire wire;
};

/* What the program did was none of the choices; the first sentence stays. */
void step_blame(struct step *step, const char *format, ...) __attribute__((format(printf, 2, 3)));
void step_end(struct step *step, uint8_t reason, int action);
void step_drop(struct step *step, uint8_t reason);
/* The sender gets a reset or ICMP, unless it sent a reset. */
void step_refuse(struct step *step, uint8_t reason);
/* This packet becomes the reset of the end it was going to. */
void step_reset_receiver(struct step *step, const struct rewrite_path *path, const uint8_t *to, const uint8_t *from);

/* Numbers of names, as the program gives them. */
uint32_t gateway_service_number(const struct gateway *gateway, const char *name);
/* The policy's backend that has this number and incarnation, or NULL. */
const struct ref_backend *gateway_backend(const struct gateway *gateway, uint16_t number, uint16_t incarnation);

bool ref_same_address(const struct usher_address *a, const struct usher_address *b);
bool ref_is_nat(const struct ref_policy *policy, const struct usher_address *address);
bool ref_is_service_address(const struct ref_policy *policy, const struct usher_address *address);
/* NULL: there is none. */
const struct ref_service *ref_service_at(const struct ref_policy *policy, const struct usher_address *address,
					 uint16_t port, uint8_t protocol);

#endif
