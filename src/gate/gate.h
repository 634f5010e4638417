/*
 * The gate behind a run: judges what memcheck and the statistics of its processes say, and says
 * what is wrong in the format that was asked for.
 */
#ifndef GATE_GATE_H
#define GATE_GATE_H

#include <jansson.h>
#include <stdbool.h>

#include "gate/findings.h"
#include "gate/formats.h"

#define GATE_SLACK_ACCEPTED "a percentage from 0 to 1000"

struct gate {
    /* As options gave them; NULL: not at all. */
    const char *budget;        /* the file */
    const char *update;        /* its slack in percent */
    const char *report_format; /* a name */
    const char *report_file;   /* else standard error */

    /* By gate_prepare. */
    const struct format *format;
    json_t *limits; /* NULL: there is no budget yet, or none is wanted */
    unsigned slack;
    struct findings findings;
};

/* Before the run. False when no gate is asked for; exits with one line when the options are wrong.
 */
bool gate_prepare(struct gate *gate);

/* After it, for each file of memcheck's: what it says is found. `leaks`: leaks, too. */
void gate_read(struct gate *gate, const char *file, bool leaks);

/* Lines on processes whose statistics are missing: a budget cannot be judged then. */
void gate_lost(struct gate *gate, const struct gate_run *run, char **lines);

/* At last: `sum` is what the statistics of the processes come to, NULL without any; `measured`: the
 * program's own are among them, and all could be read; `run->status` is the program's, as a shell
 * has it. Prints what was found, and writes the budget. What the
 * command is to exit with is entered in run->status, too. */
enum verdict gate_judge(struct gate *gate, struct gate_run *run, const json_t *sum, bool measured);

#endif
