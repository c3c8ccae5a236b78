/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The dispatcher that libxdp builds is a file that it looks for by name. Ours (bpf/dispatcher.bpf.c) is lent to it in a folder for as
 * long as it needs one; a folder of the operator's, in LIBXDP_OBJECT_PATH, goes before ours.
 */
#ifndef USHER_KERNEL_DISPATCHER_FILE_H
#define USHER_KERNEL_DISPATCHER_FILE_H

struct dispatcher_file {
	char folder[32]; /* "": nothing is lent */
};

/* Returns 0 or -errno, and nothing is lent then. The environment is the process's: one thread at a time. */
int dispatcher_file_lend(struct dispatcher_file *ret_file);
void dispatcher_file_take_back(struct dispatcher_file *file);

#endif
