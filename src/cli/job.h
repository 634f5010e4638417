/*
 * The process of a parallel job that this command is, by what its launcher has set, as for the
 * shim.
 */
#ifndef CLI_JOB_H
#define CLI_JOB_H

#include <stdbool.h>

/* Whether ARENASHIM_RANKS leaves this process's statistics to others; one line where that is so
 * because it has no rank. */
bool job_leaves_out(void);

/* The name with the rank, or "-", in the place of %r, in memory of its own; NULL stays NULL. */
const char *job_name(const char *name);

#endif
