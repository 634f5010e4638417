/*
 * What outlived the activations of a proven function.
 */
#ifndef ADVISE_SURVIVORS_H
#define ADVISE_SURVIVORS_H

#include <stddef.h>
#include <stdint.h>

#include "advise/advice.h"

/* Frames by which stacks are told apart, from the innermost on. */
#define SURVIVORS_FRAMES 4

/* The stacks that drew them, which have these frames in common, and how many they drew. */
struct survivors {
    uint32_t leaf; /* of one of them, a frame of advice->proven */
    double share;  /* of all that outlived the function */
    double calls, bytes;
    uint64_t key;
};

/* Sets the list, which is to be freed, to the stacks that drew what outlived the candidate, the
 * most first. Returns how many there are. */
size_t survivors_find(const struct advice *advice, const struct candidate *candidate,
                      struct survivors **list);

#endif
