#include "shim/block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/text.h"
#include "base/track.h"
#include "shim/misuse.h"
#include "shim/scope.h"

static struct frame *innermost(struct thread *thread)
{
    return &thread->frames[thread->depth - 1];
}

static size_t total_size(size_t size)
{
    return (size + fixed.bias) & fixed.mask;
}

/* ---- headers -------------------------------------------------------------------------------- */

/* Under a checker the header lies in hidden memory, with the exact size asked for below it: the
 * checker knows a block by that size. */
struct header {
    size_t asked; /* only under a checker */
    size_t total; /* with BLOCK_FREED */
};

static struct header *header_of(const void *block)
{
    return (struct header *)((uintptr_t)block - sizeof(struct header));
}

static struct header header_read(const void *block)
{
    struct header header = {0, 0};
    if (!fixed.checked) {
        header.total = header_of(block)->total;
        return header;
    }
    track_show(header_of(block), sizeof header);
    header = *header_of(block);
    track_hide(header_of(block), sizeof header);
    return header;
}

static void header_write(void *block, size_t asked, size_t total)
{
    if (!fixed.checked) {
        header_of(block)->total = total;
        return;
    }
    track_show(header_of(block), sizeof(struct header));
    *header_of(block) = (struct header){asked, total};
    track_hide(header_of(block), sizeof(struct header));
}

size_t block_usable(const void *block)
{
    struct header header = header_read(block);
    return fixed.checked ? header.asked : (header.total & ~BLOCK_FREED) - BLOCK_HEADER;
}

/* ---- drawing -------------------------------------------------------------------------------- */

/* Where a request would lie if it were served now. */
struct place {
    uintptr_t block;
    uintptr_t end; /* the next cursor */
};

/* False when the place would lie past the slot's memory. */
static bool find_place(const struct thread *thread, const struct request *request,
                       struct place *place)
{
    size_t alignment = request->alignment;
    if (alignment < fixed.config.align)
        alignment = fixed.config.align;
    uintptr_t room = thread->memory_end - thread->memory;
    if (alignment > room || request->size > room)
        return false;
    uintptr_t first = hot.cursor + BLOCK_HEADER + (fixed.checked ? BLOCK_RED_ZONE : 0);
    place->block = (first + alignment - 1) & ~(alignment - 1);
    place->end = place->block - BLOCK_HEADER + total_size(request->size);
    return place->end <= thread->memory_end;
}

/* Whether a place lies within `end`, capacity_end or limit_end. Under a checker, where red zones
 * and addresses not used again take room that the program would have otherwise, the bytes in live
 * blocks are compared instead. */
static bool fits(const struct thread *thread, const struct place *place, uintptr_t end)
{
    if (!fixed.checked)
        return place->end <= end;
    return thread->used + (place->end + BLOCK_HEADER - place->block) <= end - thread->memory;
}

/* Draws the block at a place whose memory is committed. */
static void *draw(struct thread *thread, const struct request *request, const struct place *place)
{
    size_t total = total_size(request->size);
    void *block = (void *)place->block;
    CHECK(place->block % fixed.config.align == 0);
    CHECK(place->block - BLOCK_HEADER >= hot.cursor && place->end > place->block);
    CHECK(place->end <= thread->committed && thread->committed <= thread->memory_end);
    hot.cursor = place->end;
    if (fixed.checked) {
        /* Size 0 gives one byte: blocks are unique and their usable size is not 0. */
        size_t asked = request->size > 0 ? request->size : 1;
        header_write(block, asked, total);
        track_alloc(thread, block, asked);
        thread->used += total;
    } else {
        header_write(block, 0, total);
    }
    hot.calls++;
    hot.bytes += request->size;
    if (request->zeroed)
        block_zero(block, request->size);
    return block;
}

/* ---- overflow ------------------------------------------------------------------------------- */

/* A block of the next allocator as the request wants it. */
static void *draw_outside(const struct request *request)
{
    size_t alignment = request->alignment;
    if (alignment < fixed.config.align)
        alignment = fixed.config.align;
    if (alignment <= ALIGN_MIN)
        return request->zeroed ? fixed.next.calloc(1, request->size)
                               : fixed.next.malloc(request->size);
    void *block = fixed.next.memalign(alignment, request->size);
    if (block && request->zeroed)
        memset(block, 0, request->size);
    return block;
}

void *block_outside(size_t size)
{
    struct request request = {.size = size};
    return draw_outside(&request);
}

static void *fall_back(struct thread *thread, const struct request *request)
{
    void *block = draw_outside(request);
    if (block) {
        innermost(thread)->stats->fallbacks++;
        thread->spilled += total_size(request->size) + request->alignment;
    }
    return block;
}

__attribute__((noreturn)) static void abort_on_overflow(struct thread *thread,
                                                        const struct request *request)
{
    struct text line;
    text_message(&line);
    text_str(&line, "overflow: ");
    text_uint(&line, request->size);
    text_str(&line, " bytes do not fit in the ");
    text_uint(&line, thread->capacity_end > hot.cursor ? thread->capacity_end - hot.cursor : 0);
    text_str(&line, " left of a capacity of ");
    text_uint(&line, fixed.config.capacity);
    text_str(&line, "; scope ");
    scope_describe(&line, innermost(thread));
    text_str(&line, "; ARENASHIM_OVERFLOW=abort");
    text_end(&line);
    abort();
}

/* Counts the overflow and the capacity that would have held the request, if one could be set, with
 * its header at `header` or behind it. */
static void count_overflow(struct thread *thread, const struct request *request, uintptr_t header)
{
    scope_settle(thread);
    innermost(thread)->stats->overflows++;
    if (request->size > CAPACITY_MAX || request->alignment > CAPACITY_MAX)
        return;
    size_t padding = request->alignment > fixed.config.align ? request->alignment : 0;
    uint64_t need = header - thread->base + thread->spilled + total_size(request->size) + padding;
    if (need > thread->need && need <= CAPACITY_MAX)
        thread->need = need;
}

static OUT_OF_LINE void *overflow(struct thread *thread, const struct request *request)
{
    struct place place;
    count_overflow(thread, request, hot.cursor);
    switch (fixed.config.overflow) {
    case OVERFLOW_GROW:
        if (find_place(thread, request, &place) && fits(thread, &place, thread->limit_end) &&
            (place.end <= thread->committed || thread_commit(thread, place.end)))
            return draw(thread, request, &place);
        break;
    case OVERFLOW_FALLBACK:
        break;
    case OVERFLOW_ERROR:
        errno = ENOMEM;
        return NULL;
    case OVERFLOW_ABORT:
        abort_on_overflow(thread, request);
    }
    return fall_back(thread, request);
}

/* ---- the slow path -------------------------------------------------------------------------- */

/* Whether the thread's innermost scope serves this caller now. Counts the reason when not, if
 * `count` says so, and makes the caller's module the fast path's when it does. */
static bool is_routed(struct thread *thread, uintptr_t caller, bool count)
{
    struct passed *passed = &thread->passed;
    if (innermost(thread)->pauses > 0) {
        passed->paused += count;
        return false;
    }
    if (caller - hot.module_start < hot.module_size)
        return true;
    const struct module *module = modules_find(&thread->modules, caller);
    if (!module) {
        passed->unknown += count;
        return false;
    }
    bool all = thread->automatic == SCOPES_PROCESS && thread->depth == 1;
    if (!modules_participates(module, all)) {
        passed->modules[module->index] += count;
        return false;
    }
    scope_use_module(module);
    /* A module that has no mark must not stay in use in a scope that it begins: the next begin is
     * to go the slow way, which enters the mark. */
    if (all)
        thread->modules.generation = modules_generation - 1;
    return true;
}

/* True when a signal handler is running that interrupted the shim in this thread. */
static bool is_interrupted(const struct thread *thread)
{
    return thread->busy || (thread->open_gate != 0 && hot.limit == 0 && thread->depth > 0 &&
                            thread->frames[thread->depth - 1].pauses == 0);
}

/* Closes the gate for a slow path. Returns what open_gate takes. */
static uintptr_t close_gate(struct thread *thread)
{
    uintptr_t gate = hot.limit;
    hot.limit = 0;
    thread->busy = true;
    signal_fence();
    return gate;
}

static void open_gate(struct thread *thread, uintptr_t gate)
{
    signal_fence();
    thread->busy = false;
    hot.limit = gate != 0 ? thread->open_gate : 0; /* it may have grown */
}

static void *serve(struct thread *thread, const struct request *request)
{
    if (!is_routed(thread, request->caller, true))
        return BLOCK_PASS;
    if (request->size > PTRDIFF_MAX) {
        errno = ENOMEM;
        return NULL;
    }
    struct place place;
    if (find_place(thread, request, &place) && fits(thread, &place, thread->capacity_end) &&
        (place.end <= thread->committed || thread_commit(thread, place.end)))
        return draw(thread, request, &place);
    return overflow(thread, request);
}

OUT_OF_LINE void *block_serve(const struct request *request)
{
    struct thread *thread = hot.thread;
    if (thread->depth == 0 || is_interrupted(thread)) {
        thread->passed.interrupted++;
        return BLOCK_PASS;
    }
    uintptr_t gate = close_gate(thread);
    void *block = serve(thread, request);
    open_gate(thread, gate);
    return block;
}

/* ---- freeing -------------------------------------------------------------------------------- */

/* By threads that have no record to count them in. */
static uint64_t ignored_frees;

static void ignore_free(void)
{
    if (hot.thread)
        hot.thread->ignored_frees++;
    else
        __atomic_fetch_add(&ignored_frees, 1, __ATOMIC_RELAXED);
}

uint64_t block_ignored_frees(void)
{
    return __atomic_load_n(&ignored_frees, __ATOMIC_RELAXED);
}

void block_after_fork(void)
{
    ignored_frees = 0;
}

/* The open scope that the block was drawn in. */
static struct frame *frame_of(struct thread *thread, const void *block)
{
    struct frame *frame = innermost(thread);
    while (frame > thread->frames && (uintptr_t)block - BLOCK_HEADER < frame->start)
        frame--;
    return frame;
}

static bool is_block(const struct header *header, const void *block)
{
    uintptr_t start = (uintptr_t)block - BLOCK_HEADER;
    size_t total = header->total & ~BLOCK_FREED;
    return (uintptr_t)block % ALIGN_MIN == 0 && total % ALIGN_MIN == 0 && total > 0 &&
           total <= hot.cursor - start;
}

static void free_own(struct thread *thread, void *block)
{
    thread_note_peak(thread, hot.cursor);
    if (block_release(block))
        return;
    struct header header = header_read(block);
    if (!is_block(&header, block)) {
        misuse_report(MISUSE_NOT_A_BLOCK, block);
        return;
    }
    if (header.total & BLOCK_FREED) {
        misuse_report(MISUSE_DOUBLE_FREE, block);
        return;
    }
    header_write(block, header.asked, header.total | BLOCK_FREED);
    struct frame *frame = frame_of(thread, block);
    if (frame == innermost(thread)) {
        hot.freed++;
    } else {
        frame->live--;
        thread->freed++;
    }
    if (fixed.checked) {
        track_free(thread, block);
        thread->used -= header.total;
    }
}

OUT_OF_LINE void block_free(void *block)
{
    struct thread *thread = hot.thread;
    uintptr_t header = (uintptr_t)block - BLOCK_HEADER;
    if (hot.cursor == 0 || header < thread->base || header >= hot.cursor || thread->depth == 0)
        ignore_free();
    else
        free_own(thread, block);
}

/* ---- resizing ------------------------------------------------------------------------------- */

/* A newest block of the innermost scope can change its size where it lies. */
static bool is_newest(struct thread *thread, const void *block, size_t total)
{
    uintptr_t start = (uintptr_t)block - BLOCK_HEADER;
    return !fixed.checked && start >= innermost(thread)->start && start + total == hot.cursor;
}

/* Grows the newest block in place. False when it does not fit. */
static bool extend(struct thread *thread, void *block, size_t size)
{
    struct request request = {.size = size};
    struct place place = {(uintptr_t)block, (uintptr_t)block - BLOCK_HEADER + total_size(size)};
    if (place.end > thread->memory_end)
        return false;
    if (!fits(thread, &place, thread->capacity_end)) {
        if (fixed.config.overflow != OVERFLOW_GROW || !fits(thread, &place, thread->limit_end))
            return false;
        if (place.end > thread->committed && !thread_commit(thread, place.end))
            return false;
        count_overflow(thread, &request, (uintptr_t)block - BLOCK_HEADER);
    }
    hot.cursor = place.end;
    return true;
}

/* Resizes a block where it lies, if that can be. */
static bool resize_in_place(struct thread *thread, void *block, size_t size)
{
    size_t old = block_usable(block);
    size_t total = header_read(block).total;
    if (size <= old && !is_newest(thread, block, total)) {
        if (fixed.checked && size < old) {
            header_write(block, size, total);
            track_resize(thread, block, size);
        }
        return true;
    }
    if (!is_newest(thread, block, total))
        return false;
    if (size > old) {
        if (!extend(thread, block, size))
            return false;
        hot.bytes += size - old;
    } else {
        thread_note_peak(thread, hot.cursor);
        hot.cursor = (uintptr_t)block - BLOCK_HEADER + total_size(size);
    }
    header_write(block, 0, total_size(size));
    return true;
}

static bool is_own(const struct thread *thread, const void *block)
{
    uintptr_t header = (uintptr_t)block - BLOCK_HEADER;
    return header >= thread->base && header < hot.cursor;
}

static void *move(void *block, size_t size, void *target)
{
    if (target) {
        size_t old = block_usable(block);
        memcpy(target, block, old < size ? old : size);
        if (!block_release(block))
            block_free(block);
    }
    return target;
}

OUT_OF_LINE void *block_resize(void *block, size_t size, uintptr_t caller)
{
    struct thread *thread = hot.thread;
    bool in_scope = hot.cursor != 0 && thread->depth > 0;
    if (size > PTRDIFF_MAX) {
        errno = ENOMEM;
        return NULL;
    }
    if (!in_scope || is_interrupted(thread))
        return move(block, size, fixed.next.malloc(size));

    uintptr_t gate = close_gate(thread);
    bool routed = is_routed(thread, caller, true);
    bool done = false;
    if (routed && is_own(thread, block))
        done = resize_in_place(thread, block, size);
    else if (routed)
        done = size <= block_usable(block);
    thread->in_place += done;
    open_gate(thread, gate);
    if (done)
        return block;
    if (!routed)
        return move(block, size, fixed.next.malloc(size));

    struct request request = {.size = size, .caller = caller};
    void *target = block_serve(&request);
    return move(block, size, target == BLOCK_PASS ? fixed.next.malloc(size) : target);
}
