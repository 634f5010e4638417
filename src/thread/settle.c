#include "thread/settle.h"

void settle(struct thread *thread, struct frame *frame)
{
    if (!frame->retains) {
        settle_dropping(thread, frame);
        return;
    }
    /* It has been used; above two bits stands what has been drawn. */
    frame->peak = (frame->peak | 1) + (hot.bytes << 2);
    signal_add(&thread->heap.alive, settle_counts(thread, frame, true));
}

void settle_innermost(struct thread *thread)
{
    CHECK(thread->depth > 0 && thread->depth <= SCOPE_DEPTH_MAX);
    settle(thread, &thread->frames[thread->depth - 1]);
}
