/*
 * Finding the branches that would land in overwritten code.
 */
#ifndef WRAP_BRANCHES_H
#define WRAP_BRANCHES_H

#include <stddef.h>
#include <stdint.h>

/* What is known of a function. */
struct patch_function {
    uintptr_t start;      /* its first byte */
    size_t size;          /* bytes of its code that are known to be its own; 0 when unknown. No
                             other function may start in them, but for another name of this one */
    uintptr_t text_start; /* the readable, executable segment that holds it: nothing is read */
    uintptr_t text_end;   /* outside, but all of it may be */
    uintptr_t code_start; /* what of it is known to hold its code: names and strings look like */
    uintptr_t code_end;   /* branches, too. 0: that is not known */
};

/* Where its code ends, as far as is known. */
static inline uintptr_t patch_function_end(const struct patch_function *function)
{
    return function->size ? function->start + function->size : function->text_end;
}

/*
 * NULL when no branch is seen that goes behind the first byte of [entry, end), none from the
 * function itself to its first instruction, and no conditional one from elsewhere; else the reason,
 * as patch_plan's. Looks at each
 * instruction of the function, or, when its size is unknown, as far as it hangs together by forward
 * branches; at the code around it, as far as short branches reach; and for longer ones at all of
 * the segment: the parts of a function that are hardly ever run lie elsewhere.
 */
const char *branches_forbid(const struct patch_function *function, uintptr_t entry, uintptr_t end);

/* See patch_planned. */
void branches_forget(void);

#endif
