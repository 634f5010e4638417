#include "scope/open.h"

#include "engine/drop.h"
#include "engine/trace.h"
#include "route/modules.h"

/* Of one that drops, where scopes may retain or blocks are checked. */
static void open_dropping_slowly(struct thread *thread, struct site_stats *stats, uint64_t token,
                                 const struct module *module, uintptr_t limit, uint64_t small,
                                 bool shut)
{
    stats->scopes++;
    uintptr_t start = open_start(thread);
    struct frame *frame = thread_frame(thread, thread->depth);
    uint64_t depth = thread->depth;
    do { /* once more if a handler used the frame before it was counted */
        frame_fill(thread, frame, token, stats, start, limit, start & thread->slow_ends);
        frame_fill_more(frame, small, false, shut);
        frame->outer_module_start = hot.module_start;
        frame->outer_module_size = hot.module_size;
        frame->unloads = modules_unloads;
        frame->used = thread->used;
        signal_fence();
        thread->depth = depth + 1;
        signal_fence();
    } while (UNLIKELY(frame->token != token));
    hot.start = fixed.checked ? UINTPTR_MAX : start;
    hot.cursor = start;
    if (module && !trace_goes_on(thread) && !is_throwing(thread))
        hot_use_module(module->start, fixed.thrower.start - module->start < module->size
                                          ? fixed.thrower.start - module->start
                                          : module->size);
    signal_fence();
    hot.limit = thread->gap_top ? 0 : thread->open_limit;
}

/* A signal handler that comes meanwhile finds both gates closed, and a scope busy: the one around,
 * or this one where there is none. Where a handler has interrupted a path that is in a gap, which
 * goes on there, its scope gets no room. */
arena_scope_token scope_open(struct thread *thread, struct site_stats *stats, bool retains,
                             const struct module *module)
{
    uint64_t busy = thread->busy;
    bool shut = gate_heap_is_shut(thread);
    if (UNLIKELY(busy != 0 && !gate_is_busy(thread))) {
        busy = 0; /* a jump has ended the scope that it was for, in the middle of a slow path */
        if (thread->retains)
            retain_recover(thread);
    }
    bool interrupts = gate_was_shut(thread);
    uint64_t token = token_make(thread, thread->depth + 1);
    if (!gate_is_busy(thread))
        thread->busy = thread->depth > 0 ? thread_innermost(thread)->token : token;
    signal_fence();
    uintptr_t limit = hot.limit;
    uint64_t small = hot.small;
    hot.limit = 0;
    hot.small = 0;
    signal_fence();
    if (must_settle(thread))
        settle_found(thread, shut);
    if (thread->gap_top && !interrupts) {
        drop_leave_gap(thread);
        limit = limit ? thread->open_limit : 0;
    }
    if (retains)
        open_retaining(thread, stats, token, limit, small, shut);
    else
        open_dropping_slowly(thread, stats, token, module, limit, small, shut);
    signal_fence();
    thread->busy = busy;
    if (UNLIKELY(stats->scopes > stats->trace_after))
        trace_begin(thread);
    return (arena_scope_token){token};
}

const struct module *scope_mark_module(struct thread *thread, uintptr_t address)
{
    struct module *module = modules_find(&thread->modules, address);
    if (!module)
        return NULL;
    modules_mark(module);
    return modules_participates(module, false) ? module : NULL;
}
