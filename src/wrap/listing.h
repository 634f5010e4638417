/*
 * arenashim scopes: what the specs mean in a program, as a table on stdout.
 */
#ifndef WRAP_LISTING_H
#define WRAP_LISTING_H

#include <stdbool.h>

#include "wrap/memory.h"

/* Prints the specs (struct spec) with their outcomes (struct outcome). False when it could not be
 * written. */
bool listing_print(const struct list *specs, const struct list *outcomes);

#endif
