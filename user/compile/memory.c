// SPDX-License-Identifier: GPL-2.0-only
#include "compile/memory.h"

#include <stdlib.h>

void rings_free(struct rings *rings)
{
	intern_free(&rings->keys);
	free(rings->first);
	free(rings->error);
	free(rings->lines);
	*rings = (struct rings){0};
}

void compile_memory_free(struct compile_memory *memory)
{
	source_trees_release(memory->trees);
	casebook_free(memory->casebook);
	rings_free(&memory->rings);
	*memory = (struct compile_memory){0};
}
