/*
 * Sweeping a heap: when it is worth its time, and how.
 *
 * A sweep goes along the headers of all shared pages. It trusts nothing but them: lists and counts
 * are made anew, so that it also puts in order what a fork has left of another thread's heap. They
 * lead from one block to the next at any instant: a header is written before the cursor moves over
 * it, and each change of one is a single store. Blocks on the remote stack are marked so, and left.
 */
#include "base/numbers.h"
#include "engine/retain_heap.h"
#include "thread/settle.h"

/* Smaller pieces go to the lists. */
#define GAP_LEAST ((size_t)1024)

/* Heaps of fewer pages grow, whatever is free in them. */
#define SWEPT_LEAST ((size_t)128)

/* Blocks alive that are counted and not settled. */
static uint64_t unsettled(const struct thread *thread)
{
    bool retains = thread->depth > 0 && thread->frames[thread->depth - 1].retains;
    return retains ? hot.calls - hot.freed : 0;
}

/* Adds up the bytes of a list, until there are `enough`. */
static size_t add_list(uintptr_t block, size_t bytes, size_t enough)
{
    while (block != 0 && bytes < enough) {
        uint64_t header = retain_load(block - BLOCK_HEADER);
        bytes += header & RETAIN_BYTES;
        block = header >> 16;
    }
    return bytes;
}

static bool has_free_bytes(const struct heap *heap, size_t enough)
{
    size_t bytes = 0;
    for (size_t i = 0; i < RETAIN_WIDE_CLASSES; i++)
        bytes = add_list(heap->wide[i], bytes, enough);
    for (size_t i = 0; i < RETAIN_EXACT_CLASSES; i++)
        bytes = add_list(heap->exact[i].first, bytes, enough);
    return bytes >= enough;
}

/* A look at what is free costs time, too: the next comes when much has been freed since, or when
 * the heap has grown by a sixteenth, or by up to a quarter where the last have gained little. */
#define FRUITLESS_MOST 2

static void look_later(struct heap *heap)
{
    heap->look_at = heap->pages.used + (heap->pages.used / 16 << heap->fruitless);
}

bool retain_should_sweep(struct thread *thread)
{
    struct heap *heap = &thread->heap;
    uint64_t alive = heap->alive + unsettled(thread);
    bool due = heap->pages.used >= heap->look_at ||
               alive + higher(64, heap->looked_alive / 8) < heap->looked_alive;
    if (heap->unsure)
        return true;
    if (!due || heap->shared_pages < SWEPT_LEAST)
        return false;
    look_later(heap);
    heap->fruitless += heap->fruitless < FRUITLESS_MOST;
    heap->looked_alive = alive;
    if (fixed.checked) /* what is free is in no list */
        return heap->blocks >= alive + heap->blocks / 4;
    return has_free_bytes(heap, heap->shared_pages * PAGE_BYTES / 4);
}

/* Nothing is refused while there may be room for it. Where what is refused is served elsewhere, a
 * sweep is worth its time when something has been freed since the last, and now and then. */
#define REFUSALS 64

bool retain_must_sweep(struct thread *thread, uint32_t needed)
{
    struct heap *heap = &thread->heap;
    if (!retain_is_limited() || heap->shared_pages == 0 || !retain_overflows(thread, needed))
        return false;
    if (fixed.config.overflow == OVERFLOW_ERROR || fixed.config.overflow == OVERFLOW_ABORT)
        return true;
    return heap->alive + unsettled(thread) < heap->swept_alive || heap->refusals++ % REFUSALS == 0;
}

void retain_clear_lists(struct heap *heap)
{
    for (size_t i = 0; i < RETAIN_EXACT_CLASSES; i++)
        heap->exact[i].first = 0;
    clear_words(heap->wide, RETAIN_WIDE_CLASSES);
    heap->gaps = 0;
    heap->blocks = 0;
}

/* Where the free room at `place` ends. */
static uintptr_t free_end(uintptr_t place, uintptr_t end)
{
    while (place < end) {
        uint64_t header = retain_load(place);
        if (!(header & RETAIN_FREED) || (header & RETAIN_BYTES) == 0)
            break;
        place += header & RETAIN_BYTES;
    }
    return place;
}

/* What a sweep has found so far. */
struct swept {
    uintptr_t last_gap;
    uint64_t alive; /* blocks */
    size_t gained;  /* bytes of gaps, and of runs in which nothing is alive */
};

/* Larger pieces are bumped through from the lowest address up. */
static void put_piece(struct heap *heap, uintptr_t place, uintptr_t end, struct swept *swept)
{
    while (place < end) {
        size_t total = retain_piece(end - place);
        uintptr_t block = place + BLOCK_HEADER;
        if (total < GAP_LEAST) {
            retain_put(heap, block, total);
        } else {
            uintptr_t last = swept->last_gap;
            retain_store(place, total | RETAIN_FREED);
            if (last)
                retain_store(last - BLOCK_HEADER, retain_load(last - BLOCK_HEADER) | block << 16);
            else
                heap->gaps = block;
            swept->last_gap = block;
            swept->gained += total;
        }
        heap->blocks++;
        place += total;
    }
}

static void sweep_run(struct heap *heap, uint32_t first, struct swept *swept)
{
    uint32_t length = heap->pages.table[first].length;
    uintptr_t start = pages_address(&heap->pages, first);
    uintptr_t place = block_base(start, fixed.config.align);
    uintptr_t end = start + length * PAGE_BYTES - BLOCK_HEADER;
    uint64_t alive = 0;
    if (free_end(place, end) == end) {
        heap->shared_pages -= length;
        swept->gained += length * PAGE_BYTES;
        pages_free(&heap->pages, first, false);
        return;
    }
    while (place < end) {
        uint64_t header = retain_load(place);
        uintptr_t next = place + (header & RETAIN_BYTES);
        if (next == place || next > end)
            break; /* a stray write: what lies behind is given up */
        if (header & RETAIN_FREED) {
            next = free_end(place, end);
            put_piece(heap, place, next, swept);
        } else {
            alive++;
        }
        place = next;
    }
    heap->blocks += alive;
    swept->alive += alive;
}

void retain_sweep(struct thread *thread)
{
    struct heap *heap = &thread->heap;
    struct pages *pages = &heap->pages;
    struct swept swept = {0};
    size_t much = heap->shared_pages * PAGE_BYTES / 8;
    retain_drain(thread);
    retain_verify(thread, "before its memory is used again", true);
    retain_note_peak(thread);
    retain_put_room(heap, heap->cursor, heap->end);
    heap->cursor = heap->end = 0;
    retain_clear_lists(heap);
    for (uint32_t first = 0; first < pages->count;) {
        uint32_t next = first + pages->table[first].length;
        if (next < pages->count && pages->table[next].kind == PAGES_FREE)
            next += pages->table[next].length; /* it may become one with what is swept */
        if (pages->table[first].kind == PAGES_SHARED)
            sweep_run(heap, first, &swept);
        else if (pages->table[first].kind != PAGES_FREE)
            swept.alive++;
        first = next;
    }
    if (swept.gained >= much)
        heap->fruitless = 0;
    look_later(heap);
    if (heap->unsure) {
        if (must_settle(thread))
            settle_innermost(thread); /* so that no handler does, which would find it counted */
        heap->alive = swept.alive;
        heap->unsure = false;
    }
    heap->swept_alive = heap->alive + unsettled(thread);
}
