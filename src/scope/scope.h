/*
 * Scopes: the functions behind the marks (see arenashim/scope.h), and what the other parts of the
 * shim need of a thread's open scopes.
 */
#ifndef SHIM_SCOPE_H
#define SHIM_SCOPE_H

#include <arenashim/scope.h>

#include "base/text.h"
#include "scope/named.h"
#include "thread/thread.h"

/* Opens a scope of a thread whose depth is below SCOPE_DEPTH_MAX. `stats` are its site's, in the
 * thread's record. One that retains (retain.h) has `module` for the first that takes part, unless
 * that is NULL. */
arena_scope_token scope_open(struct thread *thread, struct site_stats *stats, bool retains,
                             const struct module *module);

/* Notes that the innermost scope is that call. */
static ALWAYS_INLINE void scope_note_call(struct thread *thread, const struct named_call *call)
{
    struct frame *frame = thread_innermost(thread);
    frame->outer_stack = thread->stack;
    frame->stack = (uintptr_t)call;
    thread->stack = (uintptr_t)call;
}

/*
 * The scope of a wrapped call opens when something is asked for in it: most calls ask for nothing.
 * Until then its frame is pending: it counts in `depth` and has its token, its site and the record
 * of the call, and the gate of the scopes that retain is closed, so that every path which depends
 * on the innermost scope comes here first. Scopes that do not retain have none inside that are
 * pending.
 *
 * Opens what is pending, unless a signal handler is running that interrupted just that, or another
 * of the shim's paths. Until it is done a handler finds both gates closed.
 */
void scope_open_pending(struct thread *thread);
static ALWAYS_INLINE bool scope_is_pending(struct thread *thread)
{
    return thread->depth > 0 && frame_is_pending(thread_innermost(thread));
}

/* Ends the innermost scope. */
void scope_close_innermost(struct thread *thread);

/* Ends the innermost scopes until `depth` are left; those above the outermost of these were left
 * open by a jump. */
void scope_close_down_to(struct thread *thread, uint64_t depth);

/* The calling thread's record, after everything that a begin on the fast path takes for done:
 * start, an arena, a scope of automatic.h, what threads_trim asked for. NULL when there is no
 * arena. */
struct thread *scope_thread(void);

/* Enters the module of a mark among the participants. NULL when the user's list excludes it. */
const struct module *scope_mark_module(struct thread *thread, uintptr_t address);

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
