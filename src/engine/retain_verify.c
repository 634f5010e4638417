/*
 * A look at all blocks of a heap, for ARENASHIM_DEBUG=verify: writes past the end of a block that
 * stays alive, and into one that was freed. Time is bounded by what is drawn: a scope that ends
 * looks when an eighth as many blocks have been drawn as there are.
 */
#include "engine/debug.h"
#include "engine/retain_heap.h"

static void look_at(uintptr_t first, uintptr_t end, bool freed, const char *when)
{
    struct header header = retain_described(end);
    uintptr_t block = retain_load(retain_start_place(end));
    if (freed)
        header.end |= BLOCK_FREED;
    debug_look_at((void *)first, (void *)block, &header, when);
}

static void look_at_run(const struct heap *heap, uint32_t run, const char *when)
{
    uintptr_t start = pages_address(&heap->pages, run);
    uintptr_t end = start + heap->pages.table[run].length * PAGE_BYTES - BLOCK_HEADER;
    for (uintptr_t place = block_base(start, fixed.config.align); place < end;) {
        if (place == heap->cursor && place < heap->end) {
            place = heap->end; /* room that nothing has been drawn of */
            continue;
        }
        uint64_t header = retain_load(place);
        uintptr_t next = place + (header & RETAIN_BYTES);
        bool alive = header >= RETAIN_TAG;
        bool whole = (header & RETAIN_FREED) && (header & ~(uint64_t)0xffff) == RETAIN_WHOLE;
        if (next == place || next > end) {
            struct header none = {0};
            debug_look_at((void *)(place + BLOCK_HEADER), NULL, &none, when);
        }
        if (alive || whole)
            look_at(place + BLOCK_HEADER, next, whole, when);
        place = next;
    }
}

/* One that another thread has freed has no such header, and is not looked at. */
static void look_at_large(const struct heap *heap, uint32_t run, const char *when)
{
    uintptr_t start = pages_address(&heap->pages, run);
    uintptr_t end = pages_run_end(&heap->pages, run) - retain_large_tail();
    uintptr_t block = retain_load(retain_start_place(end));
    bool found = block > start && block < end && block % RETAIN_UNIT == 0;
    if (!found || retain_load(block - BLOCK_HEADER) >= RETAIN_TAG)
        look_at(start + BLOCK_HEADER, end, false, when);
}

void retain_verify(struct thread *thread, const char *when, bool always)
{
    struct heap *heap = &thread->heap;
    if (!fixed.checked || !debug_has(DEBUG_VERIFY) || heap->torn ||
        (!always && heap->unverified < heap->blocks / 8))
        return;
    heap->unverified = 0;
    for (uint32_t run = 0; run < heap->pages.count; run += heap->pages.table[run].length)
        if (heap->pages.table[run].kind == PAGES_SHARED)
            look_at_run(heap, run, when);
        else if (heap->pages.table[run].kind == PAGES_LARGE)
            look_at_large(heap, run, when);
}
