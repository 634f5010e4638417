/*
 * Opening scopes. A signal handler may begin and end scopes of its own between any two instructions
 * here, as long as it ends what it began:
 *
 * - a frame is filled before `depth` counts it, and once more if a handler used it in between;
 * - the gate is closed before the cursor moves and opened last.
 */
#ifndef SCOPE_OPEN_H
#define SCOPE_OPEN_H

#include <arenashim/scope.h>

#include "base/check.h"
#include "base/compiler.h"
#include "engine/retain.h"
#include "scope/token.h"
#include "thread/gate.h"
#include "thread/settle.h"
#include "thread/thread.h"

/* frame->peak: `start` or this in a scope whose end must take its slow path, though nothing was
 * drawn. */
#define PEAK_UNUSED ((uintptr_t)2)

static ALWAYS_INLINE void frame_fill(const struct thread *thread, struct frame *frame,
                                     uint64_t token, struct site_stats *stats, uintptr_t start,
                                     uintptr_t limit, uintptr_t peak)
{
    CHECK(frame->pauses == 0);
    frame->token = token;
    signal_fence();
    frame->stats = stats;
    frame->start = start;
    frame->outer_cursor = hot.cursor;
    frame->outer_start = hot.start;
    frame->outer_limit = limit;
    frame->peak = peak;
    frame->live = 0; /* a handler's frees of older blocks may have been counted here */
    frame->spilled = thread->spilled;
    signal_fence();
}

/* Where a scope starts in the memory that drops: at its top. */
static ALWAYS_INLINE uintptr_t open_start(const struct thread *thread)
{
    if (UNLIKELY(thread->gap_top != 0))
        return thread->gap_top;
    return hot.cursor ? hot.cursor : thread->base;
}

/* What a frame has besides, where scopes may retain. */
static ALWAYS_INLINE void frame_fill_more(struct frame *frame, uint64_t small, bool retains,
                                          bool shut)
{
    frame->outer_small = small;
    frame->outer_mark = hot.mark;
    frame->retains = retains;
    frame->shut = shut;
    signal_fence();
}

/* Opens one that retains, everything settled, with the gates found at `limit` and `small` and
 * closed since. `shut`: gate_heap_is_shut. */
static ALWAYS_INLINE void open_retaining(struct thread *thread, struct site_stats *stats,
                                         uint64_t token, uintptr_t limit, uint64_t small, bool shut)
{
    stats->scopes++;
    uintptr_t start = open_start(thread);
    struct frame *frame = thread_frame(thread, thread->depth);
    frame_fill(thread, frame, token, stats, start, limit, PEAK_UNUSED);
    frame_fill_more(frame, small, true, shut);
    thread->depth++;
    signal_fence();
    if (UNLIKELY(frame->token != token)) {
        frame_fill(thread, frame, token, stats, start, limit, PEAK_UNUSED);
        frame_fill_more(frame, small, true, shut);
    }
    hot.start = fixed.checked ? UINTPTR_MAX : thread->heap.pages.end;
    hot.cursor = start;
    hot.mark = retain_mark(thread, token);
    signal_fence();
    hot.small = shut ? 0 : fixed.small;
}

/* The wrapped call at `call` is the innermost scope; `module` is its function's. */
static ALWAYS_INLINE void open_note_call(struct thread *thread, uintptr_t call,
                                         const struct module *module)
{
    struct frame *frame = thread_innermost(thread);
    frame->outer_call = thread->call;
    frame->module = module;
    frame->call = call;
    thread->call = call;
}

/* Opens a scope of either kind in whatever state the thread is; its depth is below SCOPE_DEPTH_MAX.
 * `stats` are its site's, in the thread's record. One that drops has `module` for the first that
 * takes part, unless that is NULL. */
arena_scope_token scope_open(struct thread *thread, struct site_stats *stats, bool retains,
                             const struct module *module);

/* Enters the module of a mark among the participants. NULL when the user's list excludes it. */
const struct module *scope_mark_module(struct thread *thread, uintptr_t address);

#endif
