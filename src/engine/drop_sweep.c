/*
 * Sweeping the innermost scope, which drops, when the arena has no room: see drop.h.
 *
 * A sweep looks at each header of the scope, so that one comes only when a quarter of what it looks
 * at has been drawn since the last. Gaps too small to be worth a change of the cursor are left.
 */
#include <string.h>

#include "base/numbers.h"
#include "engine/drop.h"

#define GAP_LEAST ((uintptr_t)64)

/* Scopes smaller than this grow, whatever is free in them. */
#define SWEPT_LEAST ((uintptr_t)16 << 10)

static uintptr_t word_at(uintptr_t place)
{
    return *(uintptr_t *)place;
}

/* The next header; 0 when a stray write has been at this one. */
static uintptr_t next_of(uintptr_t header, uintptr_t top)
{
    uintptr_t end = word_at(header) & ~BLOCK_FLAGS;
    return end > header && end <= top && (end - header) % ALIGN_MIN == 0 ? end : 0;
}

/* Where the free room at `header` ends. */
static uintptr_t free_end(uintptr_t header, uintptr_t top)
{
    uintptr_t end = next_of(header, top);
    while (end != 0 && end < top && (word_at(end) & BLOCK_FREED))
        end = next_of(end, top);
    return end;
}

/* A gap's header leads to its end, and the next gap is noted behind it. */
static uintptr_t *gap_link(uintptr_t gap)
{
    return (uintptr_t *)(gap + BLOCK_HEADER);
}

static void sweep(struct thread *thread, const struct frame *frame)
{
    uintptr_t top = hot.cursor;
    uintptr_t *link = &thread->gaps;
    for (uintptr_t place = frame->start; place < top;) {
        bool is_free = word_at(place) & BLOCK_FREED;
        uintptr_t end = is_free ? free_end(place, top) : next_of(place, top);
        if (end == 0)
            break;
        if (is_free && end == top) {
            thread_note_peak(thread, top);
            hot.cursor = place;
            break;
        }
        if (is_free && end - place >= GAP_LEAST) {
            *(uintptr_t *)place = end | BLOCK_FREED | (word_at(place) & BLOCK_AFTER_FREED);
            /* What led back over its blocks one by one may lie where the link does. */
            *(uintptr_t *)(end - BLOCK_HEADER) = place;
            *(uintptr_t *)end |= BLOCK_AFTER_FREED;
            *link = place;
            link = gap_link(place);
        }
        place = end;
    }
    *link = 0;
    thread->swept = frame->token;
    thread->sweep_at = hot.cursor + higher((hot.cursor - frame->start) / 4, SWEPT_LEAST);
}

static void set_paths(struct thread *thread, bool in_gap)
{
    bool slow = in_gap || thread->retains;
    thread->fast_begins = slow ? 0 : SCOPE_DEPTH_MAX;
    thread->slow_ends = slow ? UINTPTR_MAX : 0;
}

/* The cursor goes to the top. What is left of the gap is a freed block. */
static void leave(struct thread *thread)
{
    uintptr_t cursor = hot.cursor;
    uintptr_t end = thread->open_limit;
    if (cursor < end) {
        *(uintptr_t *)cursor = end | BLOCK_FREED;
        *(uintptr_t *)(end - BLOCK_HEADER) = cursor;
        *(uintptr_t *)end |= BLOCK_AFTER_FREED;
    }
    if (cursor > thread->gap_start)
        thread->sweep_at -= lower(cursor - thread->gap_start, thread->sweep_at);
    hot.cursor = thread->gap_top;
    thread->gap_top = 0;
    set_paths(thread, false);
    thread_set_limits(thread);
}

/* Gaps to come are not looked at again: the cursor may come down below them and go up over them. */
void drop_leave_gap(struct thread *thread)
{
    leave(thread);
    thread->gaps = 0;
}

static void enter_gap(struct thread *thread, uintptr_t gap, uintptr_t end)
{
    thread_note_peak(thread, hot.cursor);
    *(uintptr_t *)end &= ~BLOCK_AFTER_FREED;
    thread->gap_top = hot.cursor;
    thread->gap_start = gap;
    thread->open_limit = end;
    set_paths(thread, true);
    hot.cursor = gap;
}

static bool enter_next_gap(struct thread *thread, size_t bytes)
{
    while (thread->gaps != 0) {
        uintptr_t gap = thread->gaps;
        uintptr_t end = word_at(gap) & ~BLOCK_FLAGS;
        thread->gaps = *gap_link(gap);
        if (end - gap >= bytes + fixed.bias + BLOCK_HEADER) {
            enter_gap(thread, gap, end);
            return true;
        }
    }
    return false;
}

bool drop_find_gap(struct thread *thread, size_t bytes)
{
    const struct frame *frame = thread_innermost(thread);
    if (fixed.checked || bytes > (size_t)(thread->memory_end - thread->memory))
        return false;
    if (thread->gap_top) {
        leave(thread);
        if (enter_next_gap(thread, bytes))
            return true;
    }
    if (hot.cursor <
        (thread->swept == frame->token ? thread->sweep_at : frame->start + SWEPT_LEAST))
        return false;
    sweep(thread, frame);
    return enter_next_gap(thread, bytes);
}
