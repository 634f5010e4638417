/*
 * Drawing in scopes that retain, beyond the fast path: by bumping, of the classes of larger blocks,
 * aligned and checked blocks, and in which order room to bump in is looked for.
 */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/numbers.h"
#include "base/probe.h"
#include "engine/debug.h"
#include "engine/retain_heap.h"
#include "engine/trace.h"
#include "memory/region.h"

/* ---- bumping --------------------------------------------------------------------------------- */

static ALWAYS_INLINE uintptr_t bump(struct heap *heap, size_t total)
{
    uintptr_t place = heap->cursor;
    if (UNLIKELY(total > heap->end - place))
        return 0;
    retain_store(place, hot.mark | total); /* before the cursor moves: see retain_sweep.c */
    heap->cursor = place + total;
    heap->blocks++;
    return place + BLOCK_HEADER;
}

/* Blocks of a class that is asked for again and again are made several at a time, so that they lie
 * side by side: twice as many each time, up to so many bytes. */
#define AHEAD_MOST ((size_t)16384)

static OUT_OF_LINE void bump_ahead(struct heap *heap, struct exact_class *class, size_t total)
{
    size_t count = lower(class->ahead, (heap->end - heap->cursor) / total);
    if (2 * (class->ahead + 1) * total <= AHEAD_MOST)
        class->ahead = 2 * class->ahead + 1;
    uintptr_t next = 0;
    uintptr_t place = heap->cursor + count * total;
    while (place > heap->cursor) {
        place -= total;
        *(uint64_t *)place = next << 16 | total | RETAIN_FREED;
        next = place + BLOCK_HEADER;
    }
    signal_fence(); /* headers lead over what the cursor has passed */
    heap->cursor += count * total;
    heap->blocks += count;
    class->first = next;
}

/* A free block of that many bytes, or more. */
static uintptr_t pop(struct heap *heap, size_t total)
{
    uintptr_t *first = retain_list(heap, total);
    uintptr_t block = *first;
    if (block == 0)
        return 0;
    uint64_t header = retain_load(block - BLOCK_HEADER);
    CHECK((header & RETAIN_FREED) && (header & RETAIN_BYTES) >= total);
    *first = header >> 16;
    retain_store(block - BLOCK_HEADER, hot.mark | (header & RETAIN_BYTES));
    return block;
}

/* A block freed before, of the classes of larger ones. */
static OUT_OF_LINE void *take_wide(size_t size)
{
    struct hot *h = &hot;
    size_t total = retain_total(size);
    if (h->small < RETAIN_SMALL || total > RETAIN_SHARED)
        return NULL;
    h->small = 0;
    signal_fence();
    uintptr_t block = pop(&h->thread->heap, total);
    if (block != 0) {
        h->calls++;
        signal_fence();
        h->bytes += size;
    }
    signal_fence();
    h->small = RETAIN_SMALL;
    return (void *)block;
}

HOT void *retain_take_any(size_t size)
{
    struct hot *h = &hot;
    size_t total = total_bytes(size);
    if (UNLIKELY((ptrdiff_t)size < 0))
        return NULL;
    if (UNLIKELY(total >= h->small))
        return take_wide(size);
    void *freed = retain_take(total, size);
    if (LIKELY(freed != NULL))
        return freed;
    struct heap *heap = &h->thread->heap;
    h->small = 0;
    signal_fence();
    uintptr_t block = 0;
    struct exact_class *class = &heap->exact[total / RETAIN_UNIT];
    if (LIKELY(class->first == 0 && heap->remote == 0))
        block = bump(heap, total);
    if (LIKELY(block != 0)) {
        bump_ahead(heap, class, total);
        h->calls++;
        signal_fence();
        h->bytes += size;
    }
    signal_fence();
    h->small = RETAIN_SMALL;
    return (void *)block;
}

/* ---- room ------------------------------------------------------------------------------------ */

/* `run` begins at that page and ends at `end`; PAGES_NONE: it does not. At any instant there is the
 * old room, none, or the new: see retain_recover. */
static void bump_in(struct heap *heap, uintptr_t place, uintptr_t end, uint32_t run)
{
    heap->end = 0;
    signal_fence();
    heap->cursor = place;
    heap->run = run;
    signal_fence();
    heap->end = end;
}

/* A piece that a sweep has found, large enough for `total`. */
static bool bump_in_gap(struct heap *heap, size_t total)
{
    while (heap->gaps != 0) {
        uintptr_t block = heap->gaps;
        uint64_t header = retain_load(block - BLOCK_HEADER);
        size_t bytes = header & RETAIN_BYTES;
        heap->gaps = header >> 16;
        if (bytes >= total) {
            heap->blocks--;
            bump_in(heap, block - BLOCK_HEADER, block - BLOCK_HEADER + bytes, PAGES_NONE);
            return true;
        }
        retain_put(heap, block, bytes);
    }
    return false;
}

/* The smallest piece that is large enough, of whatever class: where there is no other room. */
static bool bump_in_list(struct heap *heap, size_t total)
{
    for (size_t class = total; class <= RETAIN_SHARED; class = retain_total(class)) {
        uintptr_t block = *retain_list(heap, class);
        uint64_t header = block ? retain_load(block - BLOCK_HEADER) : 0;
        if (block && (header & RETAIN_BYTES) >= total) {
            *retain_list(heap, class) = header >> 16;
            heap->blocks--;
            bump_in(heap, block - BLOCK_HEADER, block - BLOCK_HEADER + (header & RETAIN_BYTES),
                    PAGES_NONE);
            return true;
        }
    }
    return false;
}

/* Makes the run longer that the room is the end of: within a capacity nothing is left unused.
 * Elsewhere many short runs are better, of which a sweep may give one back. */
static bool bump_on(struct thread *thread, uint32_t more)
{
    struct heap *heap = &thread->heap;
    struct pages *pages = &heap->pages;
    if (!retain_is_limited() || heap->cursor == heap->end || heap->run == PAGES_NONE ||
        retain_overflows(thread, more))
        return false;
    uint32_t length = pages->table[heap->run].length;
    if (length + more > pages->room || !pages_extend(pages, heap->run, length + more))
        return false;
    heap->shared_pages += more;
    heap->end += more * PAGE_BYTES;
    return true;
}

static bool refill(struct thread *thread, const struct request *request, size_t total)
{
    struct heap *heap = &thread->heap;
    uint32_t needed = pages_for(total + fixed.config.align);
    uint32_t length = retain_run_length(heap, needed);
    bool must = retain_must_sweep(thread, needed);
    bool sweeps = must || retain_should_sweep(thread);
    if (heap->gaps == 0 && !sweeps && bump_on(thread, length))
        return true;
    retain_put_room(heap, heap->cursor, heap->end);
    bump_in(heap, 0, 0, PAGES_NONE);
    if (bump_in_gap(heap, total))
        return true;
    if (sweeps)
        retain_sweep(thread);
    if (sweeps && bump_in_gap(heap, total))
        return true;
    if (must && retain_overflows(thread, needed) && bump_in_list(heap, total))
        return true;
    uint32_t first = retain_take_pages(thread, request, needed, length, PAGES_SHARED);
    if (first == PAGES_NONE)
        return false;
    heap->shared_pages += length;
    trace_refill(thread);
    PROBE(refill, thread->slot, heap->pages.used * PAGE_BYTES);
    uintptr_t start = pages_address(&heap->pages, first);
    bump_in(heap, block_base(start, fixed.config.align), start + length * PAGE_BYTES - BLOCK_HEADER,
            first);
    return true;
}

/* ---- the slow path --------------------------------------------------------------------------- */

static uintptr_t draw_shared(struct thread *thread, const struct request *request, size_t total)
{
    struct heap *heap = &thread->heap;
    for (;;) {
        uintptr_t block = pop(heap, total);
        if (block == 0 && retain_drain(thread))
            continue;
        if (block == 0)
            block = bump(heap, total);
        if (block != 0 || !refill(thread, request, total))
            return block;
    }
}

/* Puts a block of a larger alignment into one that was drawn with as much room more. */
static uintptr_t align_in(uintptr_t block, size_t alignment)
{
    uintptr_t aligned = (block + alignment - 1) & ~(alignment - 1);
    if (aligned == block)
        return block;
    retain_store(aligned - BLOCK_HEADER, hot.mark | RETAIN_ALIGNED);
    retain_store(aligned - 2 * BLOCK_HEADER, aligned - block);
    return aligned;
}

static void enter_checked(struct thread *thread, uintptr_t block, const struct request *request)
{
    size_t asked = request->size > 0 ? request->size : 1;
    struct retain_block found;
    retain_inspect(&thread->heap, block, &found);
    retain_store(retain_asked_place(found.end), asked);
    retain_store(retain_caller_place(found.end), request->caller);
    retain_store(retain_start_place(found.end), block);
    thread->heap.unverified++;
    struct header whole = retain_described(found.end);
    debug_drawn((void *)block, &whole);
    track_alloc(&thread->heap, (void *)block, asked);
}

void *retain_draw(struct thread *thread, const struct request *request)
{
    size_t size = request->size + request->spare;
    size_t alignment = request_alignment(request);
    size_t extra = alignment > fixed.config.align ? alignment : 0;
    thread_innermost(thread)->peak |= 1; /* its end has more to do than put back what begin found */
    if (request_is_absurd(request)) {
        errno = ENOMEM;
        return NULL;
    }
    bool large = size + extra > RETAIN_SHARED || retain_total(size + extra) > RETAIN_SHARED;
    uintptr_t block = large ? retain_draw_large(thread, request)
                            : draw_shared(thread, request, retain_total(size + extra));
    if (block != 0 && !large)
        block = align_in(block, alignment);
    if (block == 0)
        return overflow_refused(thread, request, retain_room(thread));
    hot.calls++;
    hot.bytes += request->size;
    if (UNLIKELY(fixed.checked))
        enter_checked(thread, block, request);
    if (request->zeroed && (fixed.checked || !large)) /* large ones are zero by now */
        memset((void *)block, 0, retain_usable((void *)block));
    return (void *)block;
}
