/*
 * What `arenashim run` and `arenashim check` have in common where a run is judged (src/gate).
 */
#ifndef CLI_GATE_OPTIONS_H
#define CLI_GATE_OPTIONS_H

#include "gate/gate.h"

/* Elements of a list of struct own_option. */
#define GATE_OPTIONS(gate)                                                                         \
    {"budget", "a file", NULL, &(gate).budget, false},                                             \
        {"update", GATE_SLACK_ACCEPTED, "10", &(gate).update, false},                              \
        {"report-format", FORMATS_ACCEPTED, NULL, &(gate).report_format, false},                   \
    {                                                                                              \
        "report-file", "a file that can be written", NULL, &(gate).report_file, false              \
    }

/* Their lines in a help. */
#define GATE_HELP                                                                                  \
    "  --budget=FILE         fail when the statistics are not within the limits of FILE\n"         \
    "  --update[=PERCENT]    write FILE from this run, with that much slack (10)\n"                \
    "  --report-format=NAME  list what is wrong as text, junit, sarif, github or tap (text)\n"     \
    "  --report-file=FILE    into FILE and not on standard error\n"

#endif
