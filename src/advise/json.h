/*
 * The advice as JSON, for programs: arenashim-advise(1) has the schema.
 */
#ifndef ADVISE_JSON_H
#define ADVISE_JSON_H

#include <stdio.h>

#include "advise/advice.h"

/* Writes one object and a newline. Whether that succeeded the stream knows (ferror). */
void json_advice(const struct advice *advice, FILE *file);

#endif
