/*
 * Scopes: the functions behind the marks (see arenashim/scope.h), and what the other parts of the
 * shim need of a thread's open scopes.
 */
#ifndef SHIM_SCOPE_H
#define SHIM_SCOPE_H

#include "base/text.h"
#include "shim/thread.h"

/* Begins the outermost scope of a thread that has a record, as fixed.config.scopes says. */
void scope_begin_automatic(struct thread *thread, const arena_scope_site *site);

/* Accounts for all open scopes of the calling thread as if they ended now: for a report at exit. */
void scope_account_open(struct thread *thread);

/* Moves the counts of the fast paths to the innermost open scope. */
void scope_settle(struct thread *thread);

/* Ends all scopes of an exiting thread, counting those that it began as left open. What lies in a
 * scope of the process stays. */
void scope_abandon(struct thread *thread);

/* Makes the module the one whose calls the fast paths route. */
void scope_use_module(const struct module *module);

/* Appends "'label' (file:line)" for the scope's site. */
void scope_describe(struct text *line, const struct frame *frame);

#endif
