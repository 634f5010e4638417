/*
 * The gate: how the shim's paths and the signal handlers that interrupt them keep out of each
 * other's way.
 *
 * - A fast path that is about to move a cursor or a list closes its gate (hot.limit where scopes
 *   drop, hot.small where they retain), looks at what it found once more, works, and opens it.
 * - A slow path, begin and end where blocks are checked among them, closes both and notes in `busy`
 *   the scope for which it works.
 * - A signal handler that comes in between finds no room on the fast paths, asks here on the slow
 *   ones, and is then served by the next allocator; what it frees is left to the owner's next call.
 * - It may begin and end scopes of its own at any time, which put back what they found. One that
 *   retains gets no room in a heap that is being worked on: frame->shut.
 * - One that leaves by siglongjmp leaves the gate closed until the scope ends that it interrupted.
 */
#ifndef THREAD_GATE_H
#define THREAD_GATE_H

#include <stdbool.h>

#include "base/compiler.h"
#include "next/fixed.h"
#include "thread/thread.h"

/* hot.small where a scope that retains is open and its fast paths are not to serve. */
#define TRACE_GATE 1

/* True when the scope of the token is open. */
static inline bool gate_scope_is_open(const struct thread *thread, uint64_t token)
{
    for (uint64_t depth = thread->depth; depth > 0; depth--)
        if (thread->frames[depth - 1].token == token)
            return true;
    return false;
}

/* A slow path of the thread has been interrupted. */
static inline bool gate_is_busy(const struct thread *thread)
{
    return UNLIKELY(thread->busy != 0) && gate_scope_is_open(thread, thread->busy);
}

/* In a scope that drops: a signal handler is running that interrupted the shim. */
static inline bool gate_is_shut(const struct thread *thread)
{
    if (gate_is_busy(thread))
        return true;
    return thread->open_limit != 0 && hot.limit == 0 && thread->depth > 0 &&
           thread->frames[thread->depth - 1].pauses == 0;
}

/* The same also where the handler has paused the scope. */
static inline bool gate_was_shut(const struct thread *thread)
{
    if (thread->depth == 0 || gate_is_shut(thread))
        return thread->depth > 0;
    const struct frame *frame = &thread->frames[thread->depth - 1];
    return frame->pauses > 0 && thread->open_limit != 0 && frame->paused_limit == 0;
}

/* In any scope: the same for what belongs to the heap. */
static inline bool gate_heap_is_shut(const struct thread *thread)
{
    if (gate_is_busy(thread))
        return true;
    if (thread->depth == 0)
        return false;
    const struct frame *frame = &thread->frames[thread->depth - 1];
    /* What a handler has paused was open or shut before. */
    uint64_t small = frame->pauses > 0 ? frame->paused_small : hot.small;
    return frame->shut || (frame->retains && fixed.small != 0 && small == 0);
}

/* Closes both for a slow path, in a scope. Returns what gate_open takes. */
static inline uintptr_t gate_close(struct thread *thread)
{
    uintptr_t open = hot.limit | hot.small;
    thread->busy = thread->frames[thread->depth - 1].token;
    signal_fence();
    hot.limit = 0;
    hot.small = 0;
    signal_fence();
    return open;
}

/* Opens the one that was open. The limit may be another by now. */
static inline void gate_open(struct thread *thread, uintptr_t open)
{
    signal_fence();
    bool retains = thread->frames[thread->depth - 1].retains;
    if (retains && !fixed.checked)
        hot.start = thread->heap.pages.end;
    if (open != 0 && retains)
        hot.small = UNLIKELY(thread->trace.draws) ? TRACE_GATE : fixed.small;
    else if (open != 0)
        hot.limit = thread->open_limit;
    signal_fence();
    thread->busy = 0;
}

#endif
