/*
 * Functions that are worth a closer look as scopes.
 */
#ifndef ADVISE_CANDIDATES_H
#define ADVISE_CANDIDATES_H

#include "advise/advice.h"

/* Fills the candidates from the sampled record: functions in which much is drawn and dies, as it
 * seems. Of a chain of functions that call one another alone, some are taken. */
void candidates_find(struct advice *advice);

/* Takes the exact figures from the proven record, leaves out what was not called or drew nothing,
 * and orders the others by what they are expected to gain, the most first. */
void candidates_prove(struct advice *advice);

#endif
