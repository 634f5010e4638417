/*
 * Large blocks of scopes that retain: each has a run of pages for itself, and its header in the
 * first of them.
 *
 *     | 8 bytes | header | block ...          or, where it is aligned to more than a page,
 *     | ............ header | block ...       with the header at the end of the first page
 */
#include "base/numbers.h"
#include "base/page.h"
#include "engine/retain_heap.h"
#include "memory/region.h"

/* A copy of fewer bytes costs less than the system call. Longer runs begin at a page of the
 * system's. */
#define MOVED_LEAST ((size_t)4 << 20)

/* One byte at least: a block's address is no other's. */
static uint32_t pages_of(size_t size, size_t offset)
{
    return pages_for(higher(size, 1) + offset + retain_large_tail() +
                     (fixed.checked ? RETAIN_CHECKED_BYTES : 0));
}

uintptr_t retain_draw_large(struct thread *thread, const struct request *request)
{
    struct pages *pages = &thread->heap.pages;
    size_t alignment = request_alignment(request);
    size_t offset = lower(higher(alignment, 2 * BLOCK_HEADER), PAGE_BYTES);
    size_t unit = request->size < MOVED_LEAST ? PAGE_BYTES : page_size;
    size_t spare = unit - PAGE_BYTES + (alignment > PAGE_BYTES ? alignment : 0);
    if (request->size > pages->room * PAGE_BYTES || spare > pages->room * PAGE_BYTES)
        return 0;
    uint32_t needed = pages_of(request->size + request->spare, offset);
    retain_drain(thread);
    /* What small blocks have left may hold it. */
    if ((!pages_has(pages, needed) && retain_should_sweep(thread)) ||
        retain_must_sweep(thread, needed))
        retain_sweep(thread);
    uint32_t first = retain_take_pages(thread, request, needed,
                                       needed + (uint32_t)(spare / PAGE_BYTES), PAGES_LARGE);
    if (first == PAGES_NONE)
        return 0;
    uintptr_t start = round_up(pages_address(pages, first), unit);
    uintptr_t block = round_up(start + offset, alignment);
    uint32_t ahead = pages_index(pages, block - offset) - first;
    if (ahead > 0)
        pages_cut(pages, first, ahead);
    pages_shorten(pages, first + ahead, needed);
    retain_note_peak(thread);
    retain_store(block - BLOCK_HEADER, hot.mark | RETAIN_LARGE);
    if (request->zeroed && !fixed.checked)
        pages_zero(pages, block, retain_usable((void *)block));
    return block;
}

/* What may not lie past the capacity is drawn anew, which counts the overflow. */
static bool extend(struct thread *thread, uint32_t first, uint32_t count, size_t size)
{
    struct pages *pages = &thread->heap.pages;
    struct request request = {.size = size};
    uint32_t more = count - pages->table[first].length;
    bool overflows = retain_overflows(thread, more);
    if ((overflows && fixed.config.overflow != OVERFLOW_GROW) || count > pages->room ||
        !pages_extend(pages, first, count))
        return false;
    if (overflows)
        retain_count_overflow(thread, &request, 0);
    retain_note_peak(thread);
    return true;
}

bool retain_resize_large(struct thread *thread, const struct retain_block *found, size_t size)
{
    struct pages *pages = &thread->heap.pages;
    uint32_t first = pages_index(pages, found->block - BLOCK_HEADER);
    uint32_t count = pages_of(size, found->block - pages_address(pages, first));
    uint32_t length = pages->table[first].length;
    if (count > length)
        return extend(thread, first, count, size);
    if (size < RETAIN_SHARED / 2 && length > pages_for(RETAIN_SHARED / 2))
        return false; /* it moves to where pages are shared */
    if (retain_is_rest(length, count)) {
        retain_note_peak(thread);
        pages_shorten(pages, first, count);
    }
    return true;
}

void *retain_move(struct thread *thread, void *block, size_t size)
{
    struct pages *pages = &thread->heap.pages;
    struct retain_block found;
    if (fixed.checked || !retain_inspect(&thread->heap, (uintptr_t)block, &found) || !found.large ||
        size <= found.end - found.block)
        return NULL;
    uint32_t old = pages_index(pages, found.block - BLOCK_HEADER);
    size_t offset = found.block - pages_address(pages, old);
    size_t bytes = pages->table[old].length * PAGE_BYTES;
    if (bytes < MOVED_LEAST || size > pages->room * PAGE_BYTES)
        return NULL;
    uint32_t needed = pages_of(size, offset);
    struct request request = {.size = size};
    if (fixed.config.overflow != OVERFLOW_GROW && retain_overflows(thread, needed))
        return NULL; /* it is drawn anew, which counts the overflow */
    /* With room to grow, so that a buffer that grows in small steps moves seldom. */
    uint32_t more = needed + needed / 2 <= pages->room ? needed / 2 : 0;
    more += (uint32_t)(page_size / PAGE_BYTES - 1);
    uint32_t first = retain_take_pages(thread, &request, needed, needed + more, PAGES_LARGE);
    if (first == PAGES_NONE)
        return NULL;
    uint32_t ahead = pages_index(pages, page_up(pages_address(pages, first))) - first;
    if (ahead > 0)
        pages_cut(pages, first, ahead);
    first += ahead;
    size_t moved = region_move(pages_address(pages, old), pages_address(pages, first), bytes);
    if (moved == 0) {
        pages_free(pages, first, false);
        return NULL;
    }
    pages_note_moved(pages, first);
    retain_note_peak(thread);
    pages_free(pages, old, moved == bytes);
    hot.bytes += size - (found.end - found.block);
    return (void *)(pages_address(pages, first) + offset);
}
