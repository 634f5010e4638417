/*
 * What a gate finds: one item for each leak, invalid access, scope left open and broken budget.
 */
#ifndef GATE_FINDINGS_H
#define GATE_FINDINGS_H

#include <stddef.h>

/* What a finding makes the command's exit status, where the program's own does not go before. */
enum verdict {
    PROGRAM_STATUS = 0, /* the program's own */
    GATE_BUDGET = 98,
    GATE_FOUND = 99,
};

#define GATE_FAILED 125 /* the gate itself could not do its work */

/* All texts are UTF-8 without control characters, but for the lines of the details. */
struct finding {
    enum verdict verdict;
    char *rule;    /* what kind of thing it is, as InvalidRead */
    char *message; /* one line */
    char *file;    /* "": nowhere in particular; relative where it lies below this directory */
    unsigned long line;
    char *details; /* lines, "" or with a final newline */
};

struct findings {
    struct finding *list;
    size_t count;
};

/* A copy that every format can hold. */
char *finding_text(const char *text);

/* Adds one without a place. */
struct finding *findings_add(struct findings *findings, enum verdict verdict, const char *rule,
                             const char *format, ...) __attribute__((format(printf, 4, 5)));

void finding_set_place(struct finding *finding, const char *file, unsigned long line);
void finding_set_details(struct finding *finding, const char *details);

#endif
