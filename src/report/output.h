/*
 * Where the statistics go at exit: what the host has written stays as it is. A file is there when
 * it is complete, or not at all. A name such as /dev/stdout stands for the descriptor itself,
 * behind what was written by it, and so does the file that stdout or stderr is; a file that the
 * host has open otherwise is refused.
 */
#ifndef REPORT_OUTPUT_H
#define REPORT_OUTPUT_H

#include <limits.h>
#include <stdbool.h>

struct output {
    int fd;             /* -1: there is none */
    const char *reason; /* why; NULL: `error` says it */
    int error;          /* an errno, of writing, too; 0: all is well */
    bool is_own;        /* `fd` is to be closed */
    int folder;         /* -1: none is open */
    char name[PATH_MAX];
    char beside[PATH_MAX]; /* the file in it that is to get that name; "": there is none */
};

/* Once, at start: notes what the descriptor is that ARENASHIM_STATS_FILE names, if it does. */
void output_note(void);

/* Opens what ARENASHIM_STATS_FILE names, or stderr. `flush`: where that is the host's stdout, what
 * the host has buffered is written before. */
void output_open(struct output *output, bool flush);

/* Makes or removes the file of an attended process that has had scopes and left no statistics yet,
 * which output_close removes, too. */
void output_announce(bool expected);

/* Closes it. One line on stderr when something has failed. */
void output_close(struct output *output);

#endif
