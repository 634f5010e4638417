/*
 * The advice as a person reads it.
 */
#ifndef ADVISE_TEXT_H
#define ADVISE_TEXT_H

#include <stdio.h>

#include "advise/advice.h"

/* Prints all of it, no wider than the terminal where that is possible. */
void text_advice(const struct advice *advice, FILE *file);

#endif
