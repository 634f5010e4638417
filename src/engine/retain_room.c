/*
 * The room of a heap: pages taken for it, within the capacity or past it, and how much of it is in
 * use.
 */
#include "base/numbers.h"
#include "engine/retain_heap.h"

/* Pages that are taken at once to be bumped through: an eighth of what there are, within these. */
#define RUN_LEAST ((uint32_t)16)
#define RUN_MOST ((uint32_t)256)

bool retain_is_limited(void)
{
    return fixed.config.capacity_is_set || fixed.config.overflow != OVERFLOW_GROW;
}

static uint32_t capacity_pages(void)
{
    return (uint32_t)lower(fixed.config.capacity / PAGE_BYTES, PAGES_MAX);
}

size_t retain_room(const struct thread *thread)
{
    uint32_t used = thread->heap.pages.used;
    return capacity_pages() > used ? (capacity_pages() - used) * PAGE_BYTES : 0;
}

/* So many pages as the statistics count them: from the first block on, as those of an arena. */
static size_t counted_bytes(uint32_t pages, size_t unused)
{
    size_t bytes = pages * PAGE_BYTES;
    size_t ahead = fixed.config.align - BLOCK_HEADER;
    return bytes > unused + ahead ? bytes - unused - ahead : 0;
}

void retain_note_peak(struct thread *thread)
{
    struct heap *heap = &thread->heap;
    size_t bytes = counted_bytes(heap->pages.used, heap->end - heap->cursor);
    if (thread->depth > 0 && thread_innermost(thread)->retains) {
        struct site_stats *stats = thread_innermost(thread)->stats;
        stats->peak = higher(stats->peak, bytes);
    }
    thread->high_water = higher(thread->high_water, bytes);
    heap->peak = higher(heap->peak, bytes);
    /* Runs that a capacity cuts short leave a little more unused between them. */
    size_t spare = heap->pages.used > RUN_LEAST ? bytes / 8 : 0;
    thread->need = higher(thread->need, bytes + spare);
}

/* What has not been bumped through of the run that was taken last is not in use yet. */
static void give_back_room(struct heap *heap)
{
    if (heap->run == PAGES_NONE || heap->end - heap->cursor < PAGE_BYTES)
        return;
    uintptr_t start = pages_address(&heap->pages, heap->run);
    uint32_t length = pages_for(heap->cursor + BLOCK_HEADER - start);
    heap->shared_pages -= heap->pages.table[heap->run].length - length;
    heap->end = start + length * PAGE_BYTES - BLOCK_HEADER;
    pages_shorten(&heap->pages, heap->run, length);
}

bool retain_overflows(struct thread *thread, uint32_t needed)
{
    const struct pages *pages = &thread->heap.pages;
    if (!retain_is_limited())
        return false;
    if (pages->used + needed > capacity_pages())
        give_back_room(&thread->heap);
    return pages->used + needed > capacity_pages();
}

void retain_count_overflow(struct thread *thread, const struct request *request, uint32_t needed)
{
    overflow_count(thread, request, counted_bytes(thread->heap.pages.used + needed, 0));
}

uint32_t retain_take_pages(struct thread *thread, const struct request *request, uint32_t needed,
                           uint32_t count, enum pages_kind kind)
{
    struct pages *pages = &thread->heap.pages;
    retain_note_peak(thread);
    bool overflows = retain_overflows(thread, needed);
    if (overflows)
        retain_count_overflow(thread, request, needed);
    if (overflows && fixed.config.overflow != OVERFLOW_GROW)
        return PAGES_NONE;
    pages->kept = pages->used / 16 + RUN_LEAST * 4;
    uint32_t first = count <= pages->room ? pages_take(pages, count, kind) : PAGES_NONE;
    if (first == PAGES_NONE && !overflows)
        retain_count_overflow(thread, request, needed);
    return first;
}

uint32_t retain_run_length(const struct heap *heap, uint32_t needed)
{
    uint32_t wanted = (uint32_t)(heap->shared_pages / 8);
    wanted = wanted < RUN_LEAST ? RUN_LEAST : wanted > RUN_MOST ? RUN_MOST : wanted;
    if (retain_is_limited()) {
        uint32_t used = heap->pages.used;
        uint32_t left = capacity_pages() > used ? capacity_pages() - used : 0;
        if (left > 0 && wanted > left)
            wanted = left;
    }
    return wanted > needed ? wanted : needed;
}

void retain_put_room(struct heap *heap, uintptr_t place, uintptr_t end)
{
    while (place < end) {
        size_t total = retain_piece(end - place);
        retain_put(heap, place + BLOCK_HEADER, total);
        heap->blocks++;
        place += total;
    }
}
