/*
 * A look for programs; the keys are described in arenashim-top(1).
 */
#ifndef TOP_JSON_H
#define TOP_JSON_H

#include <stdio.h>

#include "top/look.h"

void json_print(FILE *out, const struct look *look);

#endif
