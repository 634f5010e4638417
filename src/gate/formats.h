/*
 * Findings as what people and the collectors of continuous integration read.
 */
#ifndef GATE_FORMATS_H
#define GATE_FORMATS_H

#include <stdio.h>

#include "gate/findings.h"

/* What the findings are of. */
struct gate_run {
    const char *command; /* "arenashim check" */
    const char *program; /* printable */
    int status;          /* that the command will exit with */
};

/* A format, and how one writes it. */
struct format {
    const char *name;
    void (*print)(FILE *, const struct gate_run *, const struct findings *);
};

#define FORMATS_ACCEPTED "text, junit, sarif, github or tap"

/* NULL when there is none of that name. The first is "text". */
const struct format *format_find(const char *name);

#endif
