/*
 * `arenashim advise`, from the wish to the answer.
 */
#ifndef ADVISE_ADVISE_H
#define ADVISE_ADVISE_H

#include "advise/advice.h"

/* Prints the answer on standard output, and writes the files. Exits with one line when there is no
 * answer. */
void advise(const struct wish *wish);

#endif
