/*
 * What to run next, as the statistics have it.
 */
#ifndef READER_COMMANDS_H
#define READER_COMMANDS_H

#include <jansson.h>

/* That of which they are: what routed most, and not the launcher in front of it. */
const json_t *commands_process(const json_t *sum);

/* Sets `commands` of the sum: a list of objects with `why` and `command`. */
void commands_find(json_t *sum);

#endif
