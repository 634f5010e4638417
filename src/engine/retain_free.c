/*
 * Freeing and measuring the blocks of scopes that retain, by any thread, in whatever scope or
 * outside. A pointer may be no block, or one freed already: the header is looked at before anything
 * is written.
 */
#include "base/check.h"
#include "base/page.h"
#include "engine/debug.h"
#include "engine/frees.h"
#include "engine/retain_heap.h"
#include "engine/trace.h"
#include "memory/region.h"
#include "thread/gate.h"
#include "thread/misuse.h"

/* ---- what a header says ---------------------------------------------------------------------- */

static bool is_alive(uint64_t header)
{
    return header >= RETAIN_TAG;
}

/* No other word is a header: most of memory holds small numbers, and -1. */
static bool can_be_header(const struct heap *heap, uint64_t header)
{
    uint64_t flags = header & ~RETAIN_BYTES & 0xffff;
    if (is_alive(header))
        return flags == 0 && (header >> 48 & 0x3ff) == heap->slot;
    return header >> 63 == 0 && (flags == RETAIN_FREED || flags == RETAIN_REMOTE);
}

static bool inspect_large(const struct heap *heap, uintptr_t block, struct retain_block *found)
{
    const struct pages *pages = &heap->pages;
    uint32_t first = pages_index(pages, block - BLOCK_HEADER);
    found->large = true;
    found->end = pages_run_end(pages, first) - retain_large_tail();
    return !is_alive(found->header) || found->end > block;
}

bool retain_inspect(const struct heap *heap, uintptr_t block, struct retain_block *found)
{
    if (block % RETAIN_UNIT != 0 || !pages_hold(&heap->pages, block - BLOCK_HEADER))
        return false;
    uint64_t header = retain_load(block - BLOCK_HEADER);
    size_t bytes = header & RETAIN_BYTES;
    *found = (struct retain_block){header, block, block - BLOCK_HEADER + bytes, false};
    if (!can_be_header(heap, header))
        return false;
    if (bytes == RETAIN_LARGE)
        return inspect_large(heap, block, found);
    if (bytes != RETAIN_ALIGNED)
        return bytes >= RETAIN_UNIT && bytes <= RETAIN_SHARED;
    size_t distance = retain_load(block - 2 * BLOCK_HEADER);
    found->block = block - distance;
    found->end = found->block - BLOCK_HEADER;
    found->end += retain_load(found->end) & RETAIN_BYTES;
    return distance % RETAIN_UNIT == 0 && distance <= RETAIN_SHARED && found->end > block;
}

size_t retain_usable(void *block)
{
    struct retain_block found;
    const struct thread *owner = thread_of_address((uintptr_t)block);
    if (!owner || !retain_inspect(&owner->heap, (uintptr_t)block, &found))
        return 0;
    return fixed.checked ? retain_load(retain_asked_place(found.end))
                         : found.end - (uintptr_t)block;
}

/* ---- by the owner ---------------------------------------------------------------------------- */

/* The block goes to its list, or its pages to those that are free. */
static void give_back(struct thread *thread, const struct retain_block *found)
{
    struct heap *heap = &thread->heap;
    if (found->large) {
        retain_note_peak(thread);
        /* Its entry in the table may stay as it is, inside a longer run that is free. */
        retain_store(found->block - BLOCK_HEADER, RETAIN_LARGE | RETAIN_FREED);
        pages_free(&heap->pages, pages_index(&heap->pages, found->block - BLOCK_HEADER), false);
        return;
    }
    size_t total = found->end - found->block + BLOCK_HEADER;
    if (fixed.checked) /* what is used again soon hides its misuse: a sweep finds it */
        retain_store(found->block - BLOCK_HEADER, RETAIN_WHOLE | total | RETAIN_FREED);
    else
        retain_put(heap, found->block, total);
}

HOT bool retain_release_any(void *block)
{
    struct hot *h = &hot;
    uintptr_t place = (uintptr_t)block - BLOCK_HEADER;
    if (h->small < RETAIN_SMALL || place >= h->start || (uintptr_t)block < h->heap)
        return false;
    uint64_t total = *retain_header((uintptr_t)block) ^ h->mark;
    if (total > RETAIN_SHARED)
        return false;
    h->small = 0;
    signal_fence();
    retain_put(&h->thread->heap, (uintptr_t)block, total);
    h->freed++;
    signal_fence();
    h->small = RETAIN_SMALL;
    return true;
}

/* The open scope that drew the block; NULL when it has ended. */
static struct frame *frame_of(struct thread *thread, uint64_t header)
{
    for (uint64_t depth = thread->depth; depth > 0; depth--) {
        struct frame *frame = &thread->frames[depth - 1];
        uint64_t differs = header ^ retain_mark(thread, frame->token);
        if (frame->retains && (differs & ~RETAIN_NOTED) <= UINT16_MAX)
            return frame;
    }
    return NULL;
}

static void count_freed(struct thread *thread, const struct retain_block *found)
{
    struct frame *frame = frame_of(thread, found->header);
    if (frame) {
        frame->live--;
        frame->peak |= 1; /* its end has something to enter */
        thread->freed++;
    } else {
        thread->late_frees++;
    }
}

static void free_own(struct thread *thread, const struct retain_block *found)
{
    count_freed(thread, found);
    thread->heap.alive--;
    give_back(thread, found);
}

bool retain_drain(struct thread *thread)
{
    struct heap *heap = &thread->heap;
    if (LIKELY(__atomic_load_n(&heap->remote, __ATOMIC_RELAXED) == 0))
        return false;
    uintptr_t block = __atomic_exchange_n(&heap->remote, 0, __ATOMIC_ACQUIRE);
    while (block != 0) {
        struct retain_block found;
        uintptr_t next = retain_load(block - BLOCK_HEADER) >> 16;
        if (retain_inspect(heap, block, &found)) {
            heap->alive--;
            give_back(thread, &found);
        }
        block = next;
    }
    return true;
}

/* ---- by others ------------------------------------------------------------------------------- */

static void free_remotely(struct thread *owner, const struct retain_block *found)
{
    uintptr_t pages = page_up(found->block), end = page_down(found->end);
    /* A thread that is gone takes nothing from the stack, and the slot's next may never come. */
    if (found->large && pages < end && !region_is_claimed(owner->slot))
        region_discard(pages, end);
    uintptr_t *remote = &owner->heap.remote;
    uint64_t bytes = retain_load(found->block - BLOCK_HEADER) & RETAIN_BYTES;
    uintptr_t seen = __atomic_load_n(remote, __ATOMIC_RELAXED);
    do {
        retain_store(found->block - BLOCK_HEADER, seen << 16 | bytes | RETAIN_REMOTE);
    } while (!__atomic_compare_exchange_n(remote, &seen, found->block, true, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
}

/* Where blocks are checked: the last look at one. */
static void leave_checked(struct thread *owner, void *block, const struct retain_block *found)
{
    struct header whole = retain_described(found->end);
    debug_freed(block, &whole);
    track_free(&owner->heap, block);
}

static bool is_owners_turn(const struct thread *thread, const struct thread *owner)
{
    return thread == owner && thread->depth > 0 && !gate_heap_is_shut(thread);
}

OUT_OF_LINE void retain_free(void *block)
{
    struct thread *thread = hot.thread;
    struct thread *owner = thread_of_address((uintptr_t)block);
    struct retain_block found;
    if (!retain_inspect(&owner->heap, (uintptr_t)block, &found)) {
        misuse_report(MISUSE_NOT_A_BLOCK, block);
        return;
    }
    if (!is_alive(found.header)) {
        misuse_report(MISUSE_DOUBLE_FREE, block);
        return;
    }
    if (UNLIKELY(fixed.checked))
        leave_checked(owner, block, &found);
    if (found.block != (uintptr_t)block)
        retain_store((uintptr_t)block - BLOCK_HEADER, RETAIN_ALIGNED | RETAIN_FREED);
    if (!is_owners_turn(thread, owner)) {
        if (thread == owner && thread->depth > 0) /* a handler has interrupted the shim */
            count_freed(thread, &found);
        else
            frees_count(LATE_FREES);
        free_remotely(owner, &found);
        return;
    }
    uintptr_t open = gate_close(thread);
    free_own(thread, &found);
    trace_goes_on(thread); /* not for long where nothing is drawn */
    gate_open(thread, open);
}
