/*
 * One run of the program, with what it needs of its own world kept the same. What is left of it
 * when it ends is ended, too.
 *
 * A signal that ends the command ends the run, and removes the scratch file.
 */
#ifndef ADVISE_TRIAL_H
#define ADVISE_TRIAL_H

#include "advise/advice.h"

/* Called once, before all else; reads standard input (streams.h). */
void trial_start(void);

/* Runs the program, with `preload`, or NULL, before what LD_PRELOAD holds, and of the variables
 * ARENASHIM_... the `settings` alone, which are "NAME=VALUE" and end with NULL. Its process is
 * entered in *leader, if that is not NULL, before it executes anything. */
void trial_run(struct trial *trial, const struct wish *wish, const char *preload,
               char *const settings[], int32_t *leader);

/* Whether it ended as a run should: with status 0, or when it was told to. */
bool trial_succeeded(const struct trial *trial);

/* Whether both ended in the same way, or one by itself and the other since its time was over. */
bool trial_ends_alike(const struct trial *one, const struct trial *other);

/* How the last run ended, as "exits with status 3: LAST LINE". To be freed. */
char *trial_tell(const struct trial *trial);

/* The file to be removed when a signal ends the command; NULL: none. */
void trial_scratch(const char *path);

#endif
