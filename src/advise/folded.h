/*
 * Folded stacks, as flamegraph.pl and speedscope read them.
 */
#ifndef ADVISE_FOLDED_H
#define ADVISE_FOLDED_H

#include <stdio.h>

#include "advise/advice.h"

/* Writes a line for each sampled stack and what bounds its blocks: functions, the outermost first,
 * between semicolons, a blank, the bytes drawn. Functions inside of the one that the blocks died in
 * end with "_[i]". */
void folded_write(const struct advice *advice, FILE *file);

#endif
