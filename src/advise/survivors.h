/*
 * What outlived the activations of a proven function.
 */
#ifndef ADVISE_SURVIVORS_H
#define ADVISE_SURVIVORS_H

#include <stddef.h>
#include <stdint.h>

#include "advise/advice.h"

/* The stack that drew them, and how many it drew. */
struct survivors {
    uint32_t leaf; /* a frame of advice->proven */
    double calls, bytes;
};

/* Those stacks of a candidate that drew the most; at most `most`. Returns how many. */
size_t survivors_find(const struct advice *advice, const struct candidate *candidate,
                      struct survivors *list, size_t most);

#endif
