/*
 * A process that has been forked off: its statistics start from 0, and its parent's other threads
 * are not counted.
 *
 * Children of fork and _Fork begin at once (process/life.c). One that the system call alone has
 * made is noticed when it first takes a slow path of begin, or reports: see memory/wiped.h. It may
 * have several threads by then, and which arenas are those of its parent's threads nobody knows any
 * more: they stay taken.
 */
#ifndef SCOPE_PROCESS_H
#define SCOPE_PROCESS_H

#include "thread/thread.h"

/* In a fork child, whose only thread is the calling one, or has just noticed. */
void process_begin(void);

/* Begins, if nobody has; and the calling thread's statistics likewise. */
void process_look(void);

#endif
