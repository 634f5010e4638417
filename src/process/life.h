/*
 * The ends of threads, and fork.
 */
#ifndef PROCESS_LIFE_H
#define PROCESS_LIFE_H

#include <stdbool.h>

/* Has the shim called at thread exit and in fork children; once, at start. False when the system
 * refuses. */
bool life_start(void);

/* In a child of fork or _Fork, where the other threads do not exist. Async-signal-safe. */
void life_forked(void);

#endif
