/*
 * Scopes that nobody marks (ARENASHIM_SCOPES).
 *
 * process: each thread is in a scope from its first allocation on, until the process ends; all
 *          modules participate unless the user's list says otherwise. When a thread exits, its
 *          blocks stay, and the next thread that gets its arena goes on behind them.
 * thread:  each thread but the main one is in a scope from its first allocation until the last
 *          round of its key destructors; of the modules only the program itself, those that the
 *          user's list includes and those with marks participate.
 *
 * They open lazily, in place of the first call that goes to the next allocator: the entry points
 * call these functions by a table (fixed.outside), which otherwise holds the next allocator's own.
 * So nothing is asked on any path when there are no such scopes.
 */
#ifndef SCOPE_AUTOMATIC_H
#define SCOPE_AUTOMATIC_H

#include "thread/thread.h"

/* Puts the functions into fixed.outside that fixed.config.scopes asks for; by the main thread, once
 * routing works. */
void automatic_start(void);

/* The calling thread's record, after everything that a begin on the fast path takes for done: an
 * arena, a scope of this file, what malloc_trim asked for. After start. NULL when there is no
 * arena. */
struct thread *scope_thread(void);

#endif
