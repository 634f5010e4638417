/*
 * A line on standard error for each run: what it is, how long it took, and what is left.
 */
#ifndef ADVISE_PROGRESS_H
#define ADVISE_PROGRESS_H

#include "advise/advice.h"

/* So many runs are to come, as far as is known. */
void progress_expect(size_t runs);

/* trial_run, and a line of it; exits with one when the program cannot be started. */
void progress_run(struct trial *trial, const struct wish *wish, const char *what,
                  const char *preload, char *const settings[], int32_t *leader);

#endif
