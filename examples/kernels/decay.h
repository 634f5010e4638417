/*
 * Decay of memory strengths with age.
 *
 * The kernel needs no scratch, so it carries no mark: a scope around it would only cost time.
 */
#ifndef EXAMPLES_KERNELS_DECAY_H
#define EXAMPLES_KERNELS_DECAY_H

#include <stddef.h>

#include "status.h"

/*
 * retained[i] = strengths[i] * exp(-ages[i] / half_life), the forgetting curve of Ebbinghaus
 * (1885). After one `half_life` 1/e of a strength is left, not 1/2: the word is the memory
 * engine's, from which the formula comes.
 *
 * Three arrays of `count`; `retained` may be `strengths` or `ages`, but not overlap them in
 * another way. Ages and half_life in the same unit (seconds in recall). Every strength and age is
 * finite and not negative, half_life finite and above 0, else KERNEL_BAD_ARGUMENT. With a count
 * of 0 nothing is done and the arrays may be NULL. Any thread; no shared state.
 */
enum kernel_status decay_strengths(const float *strengths, const float *ages, size_t count,
                                   float half_life, float *retained);

#endif
