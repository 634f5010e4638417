/*
 * Functions that these call must be quiet, too: else the compiler saves all registers. A call of
 * one that is not, or that has a second argument, has a fence behind it: clang would put the
 * registers back, the argument's, too, and jump there.
 */
#include "scope/calls.h"

#include "scope/close.h"
#include "scope/open.h"
#include "scope/stack.h"

static OUT_OF_LINE NAMED_QUIET void settle_quietly(struct thread *thread, bool shut)
{
    settle_found(thread, shut);
    signal_fence();
}

static OUT_OF_LINE NAMED_QUIET void close_quietly(struct thread *thread)
{
    scope_close_innermost(thread);
    signal_fence();
}

/* What every wrapped call needs, and may have only after a slow one. */
static ALWAYS_INLINE bool is_ready(const struct thread *thread, const struct named_call *call,
                                   const struct module *module)
{
    return LIKELY(thread != NULL) && LIKELY(module != NULL) && LIKELY(fixed.small != 0) &&
           LIKELY(thread->call > (uintptr_t)call) &&
           LIKELY(thread->modules.generation == modules_generation()) &&
           LIKELY(thread->depth < SCOPE_DEPTH_MAX) && LIKELY(thread->busy == 0) &&
           LIKELY(thread->gap_top == 0);
}

/* One that drops. */
static OUT_OF_LINE NAMED_QUIET bool enter_dropping(struct named_call *call,
                                                   const struct module *module)
{
    struct thread *thread = hot.thread;
    if (UNLIKELY(!stack_is_own(thread, (uintptr_t)call)))
        return false;
    struct site_stats *stats = &thread->sites[call->function->site_number - 1];
    call->token = scope_open(thread, stats, false, module).id;
    signal_fence();
    open_note_call(thread, (uintptr_t)call, module);
    return true;
}

HOT bool named_enter(struct named_call *call)
{
    struct thread *thread = hot.thread;
    const struct module *module = __atomic_load_n(&call->function->module, __ATOMIC_ACQUIRE);
    if (!is_ready(thread, call, module))
        return false;
    if (UNLIKELY(!call->function->retain)) {
        bool entered = enter_dropping(call, module);
        signal_fence();
        return entered;
    }
    bool shut = UNLIKELY(thread->depth > 0) && gate_heap_is_shut(thread);
    uintptr_t limit = hot.limit;
    uint64_t small = hot.small;
    hot.limit = 0;
    hot.small = 0;
    signal_fence();
    if (must_settle(thread)) {
        settle_quietly(thread, shut);
        signal_fence();
    }
    call->token = token_make(thread, thread->depth + 1);
    open_retaining(thread, &thread->sites[call->function->site_number - 1], call->token, limit,
                   small, shut);
    open_note_call(thread, (uintptr_t)call, module);
    return true;
}

/* Of a call whose scope has been used, or drops. */
static OUT_OF_LINE NAMED_QUIET bool leave_used(struct named_call *call)
{
    struct thread *thread = hot.thread;
    if (UNLIKELY(thread_innermost(thread)->pauses > 0 || fixed.checked))
        return false;
    close_quietly(thread);
    call->token = 0;
    return true;
}

HOT bool named_leave(struct named_call *call)
{
    struct thread *thread = hot.thread;
    if (UNLIKELY(!thread) || UNLIKELY(thread->depth == 0))
        return call->token == 0;
    struct frame *frame = thread_innermost(thread);
    if (UNLIKELY(frame->token != call->token))
        return call->token == 0;
    uint64_t small = hot.small;
    hot.small = 0; /* first: what a signal handler draws later would not be seen */
    signal_fence();
    if (UNLIKELY((hot.calls | hot.freed) != 0 || frame->peak != PEAK_UNUSED || frame->pauses > 0 ||
                 thread->excess > 0 || !frame->retains)) {
        hot.small = small;
        return leave_used(call);
    }
    close_forget_call(thread, frame);
    leave_retaining(thread, frame);
    call->token = 0;
    return true;
}
