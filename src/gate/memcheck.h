/*
 * What memcheck has found, from the XML that it writes (docs/internals/xml-output-protocol4.txt of
 * Valgrind's source).
 */
#ifndef GATE_MEMCHECK_H
#define GATE_MEMCHECK_H

#include <stdbool.h>

#include "gate/findings.h"

/* Adds a finding for each error, at the first line of the program in its stack; without leaks when
 * `leaks` is false. The file may be cut short: its process was killed. Exits with one line when it
 * cannot be read. */
void memcheck_read(struct findings *findings, const char *file, bool leaks);

#endif
