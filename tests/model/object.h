/* SPDX-License-Identifier: GPL-2.0-only */
/* The program under test: as it is built in, or as another compiler has made it. */
#ifndef MODEL_OBJECT_H
#define MODEL_OBJECT_H

#include "usher/abi.h"

#include "usher.skel.h"

/* Opens the file that OBJECT in the environment names, or what is built in if it names none. NULL, and errno, if it cannot. */
struct usher_bpf *object_open(void);

#endif
