/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What load and serve say to each other, over any number of requests on a connection: a question, `upload` bytes of the pattern behind it;
 * an answer, `download` bytes of the pattern behind that. Both run on one machine, so numbers are in its own order.
 */
#ifndef USHER_BENCH_PATH_WIRE_H
#define USHER_BENCH_PATH_WIRE_H

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WIRE_QUESTION 0x3f686375u
#define WIRE_ANSWER 0x21686375u
#define WIRE_WRONG UINT32_MAX /* as backend: what came up is not what was sent */

struct wire_question {
	uint32_t kind;
	uint32_t number;
	uint64_t upload;
	uint64_t download;
};
static_assert(sizeof(struct wire_question) == 24, "no padding on the wire");

struct wire_answer {
	uint32_t kind;
	uint32_t number; /* the question's */
	uint32_t backend;
	uint32_t reserved;
	uint64_t download;
};
static_assert(sizeof(struct wire_answer) == 24, "no padding on the wire");

/* Byte i of a body is byte i modulo WIRE_PERIOD of the pattern, in which no stretch comes twice: what is lost, doubled or out of place
 * shows. */
#define WIRE_PERIOD 65536u

static inline void wire_pattern(unsigned char pattern[2 * WIRE_PERIOD])
{
	uint32_t state = 1;

	for (uint32_t i = 0; i < WIRE_PERIOD; i++) {
		state ^= state << 13;
		state ^= state >> 17;
		state ^= state << 5;
		pattern[i] = (unsigned char)(state >> 11);
	}
	memcpy(pattern + WIRE_PERIOD, pattern, WIRE_PERIOD);
}

#endif
