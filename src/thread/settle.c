#include "thread/settle.h"

void settle(struct thread *thread, struct frame *frame)
{
    if (!frame->retains) {
        settle_dropping(thread, frame);
        return;
    }
    thread->heap.alive += settle_counts(thread, frame);
    frame->peak |= 1; /* it has been used */
}

void settle_innermost(struct thread *thread)
{
    CHECK(thread->depth > 0 && thread->depth <= SCOPE_DEPTH_MAX);
    settle(thread, &thread->frames[thread->depth - 1]);
}
