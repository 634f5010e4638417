/*
 * Ending scopes. As in open.h a signal handler may come between any two instructions: the gates are
 * closed before the frame is given up and opened last, and what end puts back is what begin found.
 */
#ifndef SCOPE_CLOSE_H
#define SCOPE_CLOSE_H

#include "base/compiler.h"
#include "thread/settle.h"
#include "thread/thread.h"

/* The fast paths, or slow ones, have been used in the innermost scope, or its end is slow. */
static ALWAYS_INLINE bool close_is_used(const struct frame *frame)
{
    return hot.calls | hot.freed | frame->peak;
}

/* The outermost scope ends or has ended, at that depth, in an arena that has grown. */
static ALWAYS_INLINE bool close_lets_go(const struct thread *thread, uint64_t depth)
{
    return UNLIKELY(thread->touched > thread->nominal_end && thread->depth == depth);
}

/* Puts back what the begin of the innermost scope found, which drops; the gate is closed. */
static ALWAYS_INLINE void leave_dropping(struct thread *thread, const struct frame *frame)
{
    uintptr_t limit = frame->outer_limit;
    hot.cursor = frame->outer_cursor;
    hot.start = frame->outer_start;
    signal_fence();
    thread->depth--; /* from here on the frame may be a signal handler's */
    signal_fence();
    hot.limit = limit;
}

/* The same of one that retains; both gates are closed. */
static ALWAYS_INLINE void leave_retaining(struct thread *thread, struct frame *frame)
{
    uintptr_t limit = frame->outer_limit;
    uint64_t small = frame->outer_small;
    uint64_t mark = frame->outer_mark;
    uintptr_t start = frame->outer_start;
    hot.cursor = frame->outer_cursor;
    hot.start = start;
    hot.mark = mark; /* a handler that jumps away from behind depth-- leaves none behind */
    signal_fence();
    thread->depth--;
    signal_fence();
    frame->retains = false; /* the fast path of begin, where there is one, finds it so */
    hot.start = start; /* once more: a handler's free may have set it for the scope that ends */
    signal_fence();
    hot.small = small;
    hot.limit = limit;
}

/* The innermost scope is the wrapped call's no longer. */
static ALWAYS_INLINE void close_forget_call(struct thread *thread, struct frame *frame)
{
    thread->call = frame->outer_call;
    frame->call = 0;
}

/* Ends the innermost scope, of a mark, that drops; in a process in which no scope retains and no
 * block is checked, unless frame->peak says that more is to be done. */
void close_used(struct thread *thread);
static ALWAYS_INLINE void close_dropping(struct thread *thread, struct frame *frame)
{
    hot.limit = 0; /* first: what a signal handler draws later would not be seen */
    signal_fence();
    if (close_is_used(frame) || UNLIKELY(hot.cursor > thread->touched) ||
        close_lets_go(thread, 1)) {
        close_used(thread);
        signal_fence(); /* no tail call: memcheck is to show who ended the scope */
    } else {
        leave_dropping(thread, frame);
    }
}

/* Ends the innermost scope, whichever it is. */
void scope_close_innermost(struct thread *thread);

/* Ends the innermost scopes until `depth` are left; those above the outermost of these were left
 * open by a jump. */
void scope_close_down_to(struct thread *thread, uint64_t depth);

/* Ends the scopes of wrapped calls that a longjmp has left: those whose record lies on the stack of
 * `stack`, an address in the frame of a function that runs now, at or below that, or on a signal
 * stack that is not in use; and some on other stacks, if they retain. True when it had to look, and
 * the thread is not on its own stack. */
bool scope_close_left(struct thread *thread, uintptr_t stack);

/* Counts the open scopes deeper than `depth`, which nobody ended, as left open. */
void scope_count_left(struct thread *thread, uint64_t depth);

/* Ends all scopes of an exiting thread, counting those that it began as left open. What lies in a
 * scope of the process stays. */
void scope_abandon(struct thread *thread);

/* Accounts for all open scopes of the calling thread as if they ended now: for a report at exit. */
void scope_account_open(struct thread *thread);

#endif
