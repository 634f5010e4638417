/*
 * The pictures of the page; a table beside each has its numbers.
 */
#ifndef READER_PICTURES_H
#define READER_PICTURES_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

/* Nodes by their bytes, each below the one that it is in. */
void picture_icicle(const json_t *nodes, FILE *file);

/* A site's histogram as a line of bars, one character each; where it is long, for some sizes each.
 */
void picture_bars(const json_t *site, FILE *file);

/* A dot for each process that is not where another one is, by its number under the key; outliers
 * are marked and named. */
void picture_strip(const json_t *processes, const char *key, const char *title, FILE *file);

#endif
