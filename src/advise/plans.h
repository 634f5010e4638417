/*
 * Plans: what is measured beside the plain program.
 */
#ifndef ADVISE_PLANS_H
#define ADVISE_PLANS_H

#include "advise/advice.h"

/* Appends the contenders `process`, `thread` where several threads allocate, the best plans of one
 * proven function or several, and those of these with reset: in which nothing has survived. */
void plans_make(struct advice *advice);

/* Where `process` or `thread` is recommended: the best plan of functions, where that was measured
 * to gain as much, as far as can be told. 0: there is none. */
size_t plans_alternative(const struct advice *advice);

#endif
