/*
 * Drawing in scopes that drop, where the fast path did not: other modules' first calls, large
 * alignments, checked blocks, a full arena.
 */
#include <string.h>

#include "base/check.h"
#include "base/numbers.h"
#include "base/page.h"
#include "base/track.h"
#include "engine/debug.h"
#include "engine/drop.h"
#include "engine/trace.h"
#include "memory/region.h"

/* Where a request would lie if it were served now. */
struct place {
    uintptr_t block;
    uintptr_t end; /* the next cursor */
};

/* False when the place would lie past the slot's memory. */
static bool find_place(struct thread *thread, const struct request *request, struct place *place)
{
    size_t alignment = request_alignment(request);
    uintptr_t room = thread->memory_end - thread->memory;
    if (alignment > room || request->size + request->spare > room)
        return false;
    uintptr_t cursor = hot.cursor;
    /* What is to become inaccessible starts on a page of its own. */
    if (debug_has(DEBUG_QUARANTINE) && thread->depth > 1 &&
        cursor == thread_innermost(thread)->start)
        cursor = block_base(page_up(cursor), fixed.config.align);
    uintptr_t first = cursor + (fixed.checked ? sizeof(struct header) : BLOCK_HEADER);
    place->block = (first + alignment - 1) & ~(alignment - 1);
    place->end = place->block - BLOCK_HEADER +
                 total_bytes(request->size + request->spare + (fixed.checked ? BLOCK_RED_ZONE : 0));
    return place->end <= thread->memory_end;
}

/* Whether a place lies within `end`. Under a checker, where red zones and addresses not used again
 * take room that the program would have otherwise, the bytes in live blocks are compared instead.
 */
static bool fits(const struct thread *thread, const struct place *place, uintptr_t end)
{
    if (!fixed.checked)
        return place->end <= end;
    size_t total = place->end + BLOCK_HEADER - place->block - BLOCK_RED_ZONE;
    return thread->used + total <= end - thread->memory;
}

static bool is_committed(struct thread *thread, const struct place *place)
{
    if (place->end <= thread->committed)
        return true;
    trace_refill(thread);
    return thread_commit(thread, place->end);
}

static void enter_checked(struct thread *thread, const struct request *request,
                          const struct place *place)
{
    void *block = (void *)place->block;
    /* Size 0 gives one byte: blocks are unique and their usable size is not 0. */
    size_t asked = request->size > 0 ? request->size : 1;
    struct header header = {thread->newest, request->caller, asked, place->end};
    header_write(block, header);
    debug_drawn(block, &header);
    signal_fence(); /* a handler may jump away: what is in the chain must be whole */
    thread->newest = (uintptr_t)block;
    thread->used += total_bytes(asked);
    track_alloc(thread, block, asked);
}

/* Draws the block at a place whose memory is committed. */
static void *draw(struct thread *thread, const struct request *request, const struct place *place)
{
    void *block = (void *)place->block;
    uintptr_t header = place->block - BLOCK_HEADER;
    CHECK(place->block % fixed.config.align == 0);
    CHECK(header >= hot.cursor && place->end > place->block);
    CHECK(place->end <= thread->committed && thread->committed <= thread->memory_end);
    if (header > hot.cursor && !fixed.checked)
        *(uintptr_t *)hot.cursor = header | BLOCK_FREED; /* headers lead over the gap */
    hot.cursor = place->end;
    if (fixed.checked)
        enter_checked(thread, request, place);
    else
        header_write(block, (struct header){.end = place->end});
    hot.calls++;
    hot.bytes += request->size;
    if (request->zeroed)
        drop_zero(block, fixed.checked ? higher(request->size, 1) : place->end - place->block);
    return block;
}

static bool finds_room(struct thread *thread, const struct request *request, struct place *place)
{
    if (!find_place(thread, request, place))
        return false;
    if (thread->gap_top)
        return place->end <= thread->open_limit;
    return fits(thread, place, thread->capacity_end) && is_committed(thread, place);
}

size_t drop_room(const struct thread *thread)
{
    uintptr_t top = drop_top(thread);
    return thread->capacity_end > top ? thread->capacity_end - top : 0;
}

static OUT_OF_LINE void *overflow(struct thread *thread, const struct request *request)
{
    struct place place;
    size_t padding = request->alignment > fixed.config.align ? request->alignment : 0;
    overflow_count(thread, request,
                   hot.cursor - thread->base + thread->spilled + total_bytes(request->size) +
                       padding);
    if (fixed.config.overflow == OVERFLOW_GROW && find_place(thread, request, &place) &&
        fits(thread, &place, thread->limit_end) && is_committed(thread, &place))
        return draw(thread, request, &place);
    return overflow_refused(thread, request, drop_room(thread));
}

void *drop_draw(struct thread *thread, const struct request *request)
{
    struct place place;
    if (finds_room(thread, request, &place))
        return draw(thread, request, &place);
    if (drop_find_gap(thread, request->size + request->spare + request_alignment(request)) &&
        finds_room(thread, request, &place))
        return draw(thread, request, &place);
    if (thread->gap_top)
        drop_leave_gap(thread);
    else if (finds_room(thread, request, &place)) /* a sweep has moved the top down */
        return draw(thread, request, &place);
    return overflow(thread, request);
}
