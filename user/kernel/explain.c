/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/explain.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <bpf/bpf.h>

#include "base/address.h"
#include "kernel/frame.h"

/* No program sets this; what is still there afterwards was not answered. */
#define UNANSWERED 0xff

int explain(const struct program *program, const struct explain_question *question,
	    struct usher_explanation *ret_explanation)
{
	struct frame frame = {
		.source = question->client,
		.destination = question->service,
		.source_port = question->client_port,
		.destination_port = question->service_port,
		.protocol = question->protocol,
		.tcp_flags = FRAME_TCP_SYN,
		.sequence = 1,
	};
	struct {
		struct usher_dry_run dry_run;
		uint8_t frame[FRAME_MAX];
	} input = {.dry_run = {.token = program->boot.dry_run_token}};
	struct usher_explanation explanation = {.reason = UNANSWERED};
	int map = program_map(program, "explanation");
	__u32 key = 0;
	struct xdp_md context = {0};

	if (address_family(&question->client) != address_family(&question->service))
		return -EAFNOSUPPORT;
	/* Offsets into the input: bpf_prog_test_run_xdp() in net/bpf/test_run.c. */
	context.data = sizeof(input.dry_run);
	context.data_end = context.data + (__u32)frame_write(&frame, input.frame);
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = &input, .data_size_in = context.data_end, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = 1);
	if (bpf_map_update_elem(map, &key, &explanation, BPF_ANY) ||
	    bpf_prog_test_run_opts(program_xdp(program), &run) || bpf_map_lookup_elem(map, &key, &explanation))
		return -errno;
	if (explanation.reason == UNANSWERED)
		return -EAGAIN;
	*ret_explanation = explanation;
	return 0;
}
