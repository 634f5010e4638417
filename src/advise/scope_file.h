/*
 * What is recommended as a file for --scope-file.
 */
#ifndef ADVISE_SCOPE_FILE_H
#define ADVISE_SCOPE_FILE_H

#include <stdio.h>

#include "advise/advice.h"

/* Writes the specs of the recommended plan, one a line, what speaks for them in comments. Without
 * such a plan there are comments alone, which say why. */
void scope_file_write(const struct advice *advice, FILE *file);

#endif
