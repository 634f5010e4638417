/*
 * Settling: what the fast paths have counted since is entered for the innermost scope, whenever
 * another becomes that.
 */
#ifndef THREAD_SETTLE_H
#define THREAD_SETTLE_H

#include "base/check.h"
#include "base/compiler.h"
#include "base/numbers.h"
#include "thread/thread.h"

/* The fast paths have counted something for the innermost scope. */
static ALWAYS_INLINE bool must_settle(const struct thread *thread)
{
    return UNLIKELY((hot.calls | hot.freed) != 0) && thread->depth > 0;
}

/* Moves the counts to the frame, of the innermost scope. Returns how many blocks more are alive.
 * Subtracted, not cleared: a signal handler may have counted in between. One that has settled in
 * between leaves less than nothing, which is moved, too. Without the fence the compiler sees that
 * the difference is 0 and clears. Where the frame drops, statistics alone depend on it. */
static ALWAYS_INLINE uint64_t settle_counts(struct thread *thread, struct frame *frame,
                                            bool retains)
{
    uint64_t alive = 0;
    do {
        uint64_t calls = hot.calls;
        uint64_t bytes = hot.bytes;
        uint64_t freed = hot.freed;
        signal_fence();
        if (retains) {
            signal_add(&hot.calls, -calls);
            signal_add(&hot.freed, -freed);
        } else {
            hot.calls -= calls;
            hot.freed -= freed;
        }
        hot.bytes -= bytes;
        frame->stats->calls += calls;
        frame->stats->bytes += bytes;
        frame->live += (int64_t)(calls - freed);
        thread->freed += freed;
        alive += calls - freed;
        signal_fence();
    } while (UNLIKELY((int64_t)(hot.calls | hot.bytes | hot.freed) < 0));
    return alive;
}

/* Settles for the frame, of the innermost scope, which drops. */
static ALWAYS_INLINE void settle_dropping(struct thread *thread, struct frame *frame)
{
    /* A handler may ask while the scope is opened or closed. */
    CHECK((hot.cursor >= frame->start || hot.cursor == frame->outer_cursor) &&
          hot.cursor <= thread->memory_end);
    uintptr_t peak = higher(thread->peak, hot.cursor);
    thread->peak = 0; /* first: from here on no handler's free is counted by the fast path */
    signal_fence();
    settle_counts(thread, frame, false);
    frame->peak = higher(frame->peak, peak);
}

/* The same of either kind; of a thread with an open scope. */
void settle(struct thread *thread, struct frame *frame);
void settle_innermost(struct thread *thread);

/* The same where a signal handler may be running; `shut`: gate_heap_is_shut. The path of the heap
 * that it has interrupted then may be about to store a count as it was before. */
static inline void settle_found(struct thread *thread, bool shut)
{
    if (COUNTS_SPLIT && shut)
        thread->heap.unsure = true;
    settle_innermost(thread);
}

#endif
