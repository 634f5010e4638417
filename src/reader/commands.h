/*
 * What to run next, as the statistics have it.
 */
#ifndef READER_COMMANDS_H
#define READER_COMMANDS_H

#include <jansson.h>

/* Sets `commands` of the sum: a list of objects with `why` and `command`. */
void commands_find(json_t *sum);

#endif
