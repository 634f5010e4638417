/*
 * Two sums of statistics, site by site.
 */
#ifndef READER_DIFF_H
#define READER_DIFF_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Prints what grew, shrank, is new and is gone, and what is the same and has moved: to another
 * line, or a file of that name in another folder. True when a figure, of all or of a site that is
 * in both, grew by more than so many percent; from 0 that is always so. */
bool diff_print(const json_t *before, const json_t *after, double percent, FILE *file);

#endif
