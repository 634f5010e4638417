/*
 * What is recommended: the best of what was measured, at a tie the simplest, or nothing, and why.
 *
 * `process`, `thread` and functions that retain can be recommended. Functions with `reset:` are
 * never, and peers are there to be compared with. What changed the program's output or exit status
 * is left out.
 */
#ifndef ADVISE_VERDICT_H
#define ADVISE_VERDICT_H

#include "advise/advice.h"

/* Rounds of measuring that a verdict takes at least. */
#define ROUNDS_LEAST 5

/* Whether further rounds of the contender, which was measured, may lead to another verdict. */
bool verdict_needs(const struct advice *advice, size_t contender);

/* Sets verdict, best, seen_safe, leanest and reason. */
void verdict_reach(struct advice *advice);

#endif
