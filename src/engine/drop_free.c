/*
 * Freeing, measuring and resizing the blocks of scopes that drop.
 */
#include "base/check.h"
#include "base/track.h"
#include "engine/debug.h"
#include "engine/drop.h"
#include "engine/frees.h"
#include "memory/region.h"
#include "thread/gate.h"
#include "thread/misuse.h"

/* ---- the innermost scope --------------------------------------------------------------------- */

bool drop_collapse(uintptr_t header, uintptr_t gate)
{
    struct hot *h = &hot;
    thread_note_peak(h->thread, h->cursor);
    while (header > h->start && (*(uintptr_t *)header & BLOCK_AFTER_FREED))
        header = *(uintptr_t *)(header - BLOCK_HEADER);
    h->cursor = header;
    h->freed++;
    drop_open_anew(h, gate);
    return true;
}

/* Counts the block for the open scope that it was drawn in. Not by the fast paths' count, which is
 * the innermost one's. */
static void count_freed(struct thread *thread, uintptr_t header)
{
    struct frame *frame = thread_innermost(thread);
    while (frame > thread->frames && (frame->retains || header < frame->start))
        frame--;
    frame->live--;
    thread->freed++;
}

bool drop_release_aside(uintptr_t header, uintptr_t word)
{
    *(uintptr_t *)header = word | BLOCK_FREED;
    count_freed(hot.thread, header);
    return true;
}

/* ---- all others ------------------------------------------------------------------------------ */

bool drop_is_own(const struct thread *thread, const void *block)
{
    uintptr_t header = (uintptr_t)block - BLOCK_HEADER;
    return header >= thread->base && header < drop_top(thread);
}

static void say_no_block(const struct thread *thread, const void *block)
{
    debug_not_a_block(thread);
    misuse_report(MISUSE_NOT_A_BLOCK, block);
}

static void free_own(struct thread *thread, void *block)
{
    if (debug_has(DEBUG_QUARANTINE) && debug_is_quarantined(thread, block)) {
        frees_count(IGNORED_FREES); /* its scope has ended */
        return;
    }
    struct header header = header_read(block);
    if ((uintptr_t)block % ALIGN_MIN != 0 ||
        !drop_is_intact((uintptr_t)block - BLOCK_HEADER, header.end & ~(BLOCK_FREED | BLOCK_NOTED),
                        drop_top(thread))) {
        say_no_block(thread, block);
        return;
    }
    if (header.end & BLOCK_FREED) {
        misuse_report(MISUSE_DOUBLE_FREE, block);
        return;
    }
    if (fixed.checked)
        debug_freed(block, &header);
    header.end = (header.end & ~BLOCK_NOTED) | BLOCK_FREED;
    header_write(block, header);
    count_freed(thread, (uintptr_t)block - BLOCK_HEADER);
    if (fixed.checked) {
        track_free(thread, block);
        thread->used -= total_bytes(header.asked);
    }
}

/* Whether a block may have been there, of whatever thread and at whatever time. */
static bool can_be_a_block(const void *block)
{
    const struct thread *owner = thread_of_address((uintptr_t)block);
    return owner && (uintptr_t)block % ALIGN_MIN == 0 && (uintptr_t)block > owner->memory &&
           (uintptr_t)block < owner->memory_end;
}

void drop_free(void *block)
{
    struct thread *thread = hot.thread;
    if (!can_be_a_block(block))
        misuse_report(MISUSE_NOT_A_BLOCK, block);
    else if (!thread || thread->depth == 0 || !drop_is_own(thread, block))
        frees_count(IGNORED_FREES);
    else
        free_own(thread, block);
}

size_t drop_usable(void *block)
{
    struct header header = header_read(block);
    if (fixed.checked)
        return header.asked;
    /* The header of a block that outlived its thread reads as 0. */
    uintptr_t end = header_end(&header);
    return end > (uintptr_t)block ? end - (uintptr_t)block : 0;
}

/* ---- resizing -------------------------------------------------------------------------------- */

/* A newest block of the innermost scope can change its size where it lies. */
static bool is_newest(struct thread *thread, const void *block, const struct header *header)
{
    const struct frame *frame = thread_innermost(thread);
    return !fixed.checked && !frame->retains && (uintptr_t)block - BLOCK_HEADER >= frame->start &&
           header_end(header) == hot.cursor;
}

/* Whether the newest block can end at `end`, and its memory is there. */
static bool can_end_at(struct thread *thread, uintptr_t header, uintptr_t end, size_t size)
{
    if (thread->gap_top)
        return end <= thread->open_limit;
    if (end > thread->memory_end)
        return false;
    bool overflows = end > thread->capacity_end;
    if (overflows && (fixed.config.overflow != OVERFLOW_GROW || end > thread->limit_end))
        return false;
    struct request request = {.size = size};
    if (overflows)
        overflow_count(thread, &request,
                       header - thread->base + thread->spilled + total_bytes(size));
    return end <= thread->committed || thread_commit(thread, end);
}

static void shrink_checked(struct thread *thread, void *block, struct header header, size_t size)
{
    struct header next = header;
    next.asked = size;
    debug_shrinking(block, &header, &next);
    signal_fence(); /* a handler may jump away: the red zone is there before the header says so */
    header_write(block, next);
    thread->used -= total_bytes(header.asked) - total_bytes(size);
    track_resize(thread, block, size);
}

bool drop_resize(struct thread *thread, void *block, size_t size)
{
    size_t old = drop_usable(block);
    struct header header = header_read(block);
    if (!is_newest(thread, block, &header)) {
        if (fixed.checked && size < old)
            shrink_checked(thread, block, header, size);
        return size <= old;
    }
    uintptr_t start = (uintptr_t)block - BLOCK_HEADER;
    uintptr_t end = start + total_bytes(size);
    if (size > old && !can_end_at(thread, start, end, size))
        return false;
    if (size > old)
        hot.bytes += size - old;
    else
        thread_note_peak(thread, hot.cursor);
    hot.cursor = end;
    header_write(block, (struct header){.end = end | (header.end & BLOCK_FLAGS)});
    return true;
}
