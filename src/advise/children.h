/*
 * What a run leaves: its process group, and processes that have left that, which are the command's
 * children when their parents have ended.
 */
#ifndef ADVISE_CHILDREN_H
#define ADVISE_CHILDREN_H

#include <sys/types.h>

/* Called once, before the first run. */
void children_start(void);

/* Ends what is left of the run with that process group. Signal handlers may call it. */
void children_end(pid_t group);

#endif
