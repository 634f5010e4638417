/*
 * A look for people: threads, then sites, those that do most first.
 */
#ifndef TOP_TEXT_H
#define TOP_TEXT_H

#include <stdio.h>

#include "top/look.h"

enum order { ORDER_CALLS, ORDER_BYTES };

/* Prints as many threads and sites as so many lines hold; 0: all. */
void text_print(FILE *out, const struct look *look, enum order order, unsigned lines);

#endif
