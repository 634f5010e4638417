/*
 * Where something ends that a heap has served: a scope, the outermost one, a thread, and what a
 * fork child or a jump out of a slow path leaves of it.
 */
#include "base/numbers.h"
#include "base/probe.h"
#include "engine/looks.h"
#include "engine/retain_heap.h"

/* ---- scopes ---------------------------------------------------------------------------------- */

void retain_look_back(struct thread *thread, struct frame *frame)
{
    retain_note_peak(thread);
    looks_count(thread, frame, frame->peak >> 2);
    if (frame->live <= 0)
        return;
    frame->stats->survivors += (uint64_t)frame->live;
    size_t pinned = thread->heap.pages.used * PAGE_BYTES;
    frame->stats->pinned = higher(frame->stats->pinned, pinned);
    PROBE(survivor, sites_at((size_t)(frame->stats - thread->sites))->label, frame->live, pinned);
}

/* What is not bumped through from the front again before so many pages have been. */
#define RESTART_PAGES 16

/* Lists that hold what scopes usually need serve the next one without a block being made. So it
 * begins anew where the heap has come to more, and once in a window, to learn what scopes need. */
static bool is_as_usual(const struct heap *heap, size_t recent)
{
    return heap->pages.used * PAGE_BYTES <= recent + recent / 2 + RESTART_PAGES * PAGE_BYTES &&
           heap->kept.scopes != 0;
}

static void start_afresh(struct heap *heap)
{
    retain_clear_lists(heap);
    for (size_t i = 0; i < RETAIN_EXACT_CLASSES; i++)
        heap->exact[i].ahead = 0;
    heap->cursor = heap->end = 0;
    heap->shared_pages = heap->look_at = heap->looked_alive = 0;
    pages_reset(&heap->pages);
}

void retain_start_afresh(struct thread *thread)
{
    struct heap *heap = &thread->heap;
    struct pages *pages = &heap->pages;
    retain_drain(thread);
    retain_verify(thread, "at the end of a scope", false);
    size_t recent = kept_note(&heap->kept, heap->peak);
    signal_fence(); /* a handler that has come until here has said whether it is unsure */
    if (heap->alive == 0 && !heap->unsure && pages->used > RESTART_PAGES &&
        !is_as_usual(heap, recent))
        start_afresh(heap);
    bool adaptive = !fixed.config.capacity_is_set;
    size_t kept = fixed.config.capacity;
    if (adaptive)
        kept = higher(kept, recent * 2);
    heap->peak = 0;
    /* Little is alive in what is kept beyond that, or it would be used. */
    if (pages->used * PAGE_BYTES > kept && retain_should_sweep(thread))
        retain_sweep(thread);
    if ((pages->used + pages->warm) * PAGE_BYTES > kept) {
        size_t target = adaptive ? higher(fixed.config.capacity, heap->kept.bytes) : kept;
        size_t in_use = pages->used * PAGE_BYTES;
        pages_trim(pages, target > in_use ? (uint32_t)((target - in_use) / PAGE_BYTES) : 0);
    }
}

/* ---- the life of a thread -------------------------------------------------------------------- */

bool retain_trim(struct thread *thread, size_t pad)
{
    retain_drain(thread);
    retain_sweep(thread);
    return pages_trim(&thread->heap.pages, (uint32_t)lower(pad / PAGE_BYTES, PAGES_MAX));
}

void retain_leave(struct thread *thread)
{
    struct pages *pages = &thread->heap.pages;
    size_t capacity = fixed.config.capacity / PAGE_BYTES;
    retain_drain(thread);
    retain_verify(thread, "at the end of its thread", true);
    if (pages->warm > capacity)
        pages_trim(pages, (uint32_t)capacity);
}

void retain_recover(struct thread *thread)
{
    struct heap *heap = &thread->heap;
    retain_clear_lists(heap);
    if (heap->cursor > heap->end) {
        heap->cursor = heap->end = 0;
        heap->run = PAGES_NONE;
    }
    pages_recover(&heap->pages);
    heap->shared_pages = 0;
    for (uint32_t run = 0; run < heap->pages.count; run += heap->pages.table[run].length)
        if (heap->pages.table[run].kind == PAGES_SHARED)
            heap->shared_pages += heap->pages.table[run].length;
    heap->unsure = heap->torn = true;
}
