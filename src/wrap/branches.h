/*
 * Finding the branches that would land in overwritten code.
 */
#ifndef WRAP_BRANCHES_H
#define WRAP_BRANCHES_H

#include <stdint.h>

#include "wrap/patch.h"

/*
 * NULL when no branch is seen that goes behind the first byte of [entry, end), none from the
 * function itself to its first instruction, and no conditional one from elsewhere; else the reason,
 * as patch_plan's. Looks at each
 * instruction of the function, or, when its size is unknown, as far as it hangs together by forward
 * branches; at the code around it, as far as short branches reach; and for branches with a 32-bit
 * distance, at all of the segment: the parts of a function that are hardly ever run lie elsewhere.
 */
const char *branches_forbid(const struct patch_function *function, uintptr_t entry, uintptr_t end);

/* See patch_planned. */
void branches_forget(void);

#endif
