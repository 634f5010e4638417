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
#ifndef SHIM_AUTOMATIC_H
#define SHIM_AUTOMATIC_H

#include <stdbool.h>

#include "base/compiler.h"
#include "next/fixed.h"

/* Puts the functions into fixed.outside that fixed.config.scopes asks for; by the main thread, once
 * routing works. */
void automatic_start(void);

/* Opens the calling thread's scope, if there is to be one. Out of scope. False when there is none.
 */
bool automatic_enter(void);

/* The same where there need not be such scopes. */
static inline bool automatic_opens(void)
{
    return UNLIKELY(fixed.config.scopes != SCOPES_NONE) && automatic_enter();
}

#endif
