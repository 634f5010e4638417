#include "engine/block.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/text.h"
#include "base/track.h"
#include "engine/debug.h"
#include "thread/misuse.h"
#include "scope/named.h"
#include "engine/retain.h"
#include "scope/scope.h"

/* The extent of a block of `size` bytes, as the statistics see it, and as it is drawn. */
static size_t total_size(size_t size)
{
    return (size + fixed.bias) & fixed.mask;
}

static size_t drawn_size(size_t size)
{
    return total_size(fixed.checked ? size + BLOCK_RED_ZONE : size);
}

/* Whether a block that the fast path took for ours is not: it seems so of all before start. */
static bool is_foreign(const void *block)
{
    return fixed.region.start == 0 || !block_is_ours(block);
}

size_t block_usable(void *block)
{
    if (UNLIKELY(is_foreign(block)))
        return next_early_usable_size(block);
    if (UNLIKELY(fixed.retains) && retain_holds(block))
        return retain_usable(block);
    struct header header = header_read(block);
    if (fixed.checked)
        return header.asked;
    /* The header of a block that outlived its thread reads as 0. */
    uintptr_t end = header_end(&header);
    return end > (uintptr_t)block ? end - (uintptr_t)block : 0;
}

/* ---- drawing -------------------------------------------------------------------------------- */

/* Where a request would lie if it were served now. */
struct place {
    uintptr_t block;
    uintptr_t end; /* the next cursor */
};

/* False when the place would lie past the slot's memory. */
static bool find_place(struct thread *thread, const struct request *request, struct place *place)
{
    size_t alignment = request->alignment;
    if (alignment < fixed.config.align)
        alignment = fixed.config.align;
    uintptr_t room = thread->memory_end - thread->memory;
    if (alignment > room || request->size > room)
        return false;
    uintptr_t cursor = hot.cursor;
    /* What is to become inaccessible starts on a page of its own. */
    if (debug_has(DEBUG_QUARANTINE) && thread->depth > 1 &&
        cursor == thread_innermost(thread)->start)
        cursor = block_base(region_page_up(cursor));
    uintptr_t first = cursor + (fixed.checked ? sizeof(struct header) : BLOCK_HEADER);
    place->block = (first + alignment - 1) & ~(alignment - 1);
    place->end = place->block - BLOCK_HEADER + drawn_size(request->size);
    return place->end <= thread->memory_end;
}

/* Whether a place lies within `end`, capacity_end or limit_end. Under a checker, where red zones
 * and addresses not used again take room that the program would have otherwise, the bytes in live
 * blocks are compared instead. */
static bool fits(const struct thread *thread, const struct place *place, uintptr_t end)
{
    if (!fixed.checked)
        return place->end <= end;
    size_t total = place->end + BLOCK_HEADER - place->block - BLOCK_RED_ZONE;
    return thread->used + total <= end - thread->memory;
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
    thread->used += total_size(asked);
    track_alloc(thread, block, asked);
}

/* Makes a freed block of the room between the last block and a header that alignment moved: headers
 * lead from one to the next without a break, for whoever looks at an arena from outside. */
static void fill_gap(uintptr_t header)
{
    *(uintptr_t *)hot.cursor = header | BLOCK_FREED;
}

/* Draws the block at a place whose memory is committed. */
static void *draw(struct thread *thread, const struct request *request, const struct place *place)
{
    void *block = (void *)place->block;
    CHECK(place->block % fixed.config.align == 0);
    CHECK(place->block - BLOCK_HEADER >= hot.cursor && place->end > place->block);
    CHECK(place->end <= thread->committed && thread->committed <= thread->memory_end);
    if (place->block - BLOCK_HEADER > hot.cursor && !fixed.checked)
        fill_gap(place->block - BLOCK_HEADER);
    hot.cursor = place->end;
    if (fixed.checked)
        enter_checked(thread, request, place);
    else
        header_write(block, (struct header){.end = place->end});
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
        thread_innermost(thread)->stats->fallbacks++;
        thread->spilled += total_size(request->size) + request->alignment;
    }
    return block;
}

/* What is left of the capacity for the innermost scope. */
static size_t room_left(struct thread *thread)
{
    if (thread_innermost(thread)->retains)
        return retain_room(thread);
    return thread->capacity_end > hot.cursor ? thread->capacity_end - hot.cursor : 0;
}

__attribute__((noreturn)) static void abort_on_overflow(struct thread *thread,
                                                        const struct request *request)
{
    struct text line;
    text_message(&line);
    text_str(&line, "overflow: ");
    text_uint(&line, request->size);
    text_str(&line, " bytes do not fit in the ");
    text_uint(&line, room_left(thread));
    text_str(&line, " left of a capacity of ");
    text_uint(&line, fixed.config.capacity);
    text_str(&line, "; scope ");
    scope_describe(&line, thread_innermost(thread));
    text_str(&line, "; ARENASHIM_OVERFLOW=abort");
    text_end(&line);
    check_abort();
}

/* Counts the overflow and the capacity that would have held the request, if one could be set, with
 * its header at `header` or behind it. */
static void count_overflow(struct thread *thread, const struct request *request, uintptr_t header)
{
    scope_settle(thread);
    thread_innermost(thread)->stats->overflows++;
    if (request->size > CAPACITY_MAX || request->alignment > CAPACITY_MAX)
        return;
    size_t padding = request->alignment > fixed.config.align ? request->alignment : 0;
    uint64_t need = header - thread->base + thread->spilled + total_size(request->size) + padding;
    if (need > thread->need && need <= CAPACITY_MAX)
        thread->need = need;
}

void *block_refused(struct thread *thread, const struct request *request)
{
    if (fixed.config.overflow == OVERFLOW_ABORT)
        abort_on_overflow(thread, request);
    if (fixed.config.overflow != OVERFLOW_ERROR)
        return fall_back(thread, request);
    errno = ENOMEM;
    return NULL;
}

static OUT_OF_LINE void *overflow(struct thread *thread, const struct request *request)
{
    struct place place;
    count_overflow(thread, request, hot.cursor);
    if (fixed.config.overflow == OVERFLOW_GROW && find_place(thread, request, &place) &&
        fits(thread, &place, thread->limit_end) &&
        (place.end <= thread->committed || thread_commit(thread, place.end)))
        return draw(thread, request, &place);
    return block_refused(thread, request);
}

/* ---- the slow path -------------------------------------------------------------------------- */

/* All the program's calls come from a library before ours, and none is routed. */
static COLD void say_wrapped(const struct module *module)
{
    static bool said;
    if (__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
        return;
    struct text line;
    text_message(&line);
    text_str(&line, "behind ");
    text_str(&line, module->name);
    text_str(&line, ", which makes the calls in the program's place, so that they are not routed: "
                    "put libarenashim.so first in LD_PRELOAD, or name that library in "
                    "ARENASHIM_MODULES");
    text_end(&line);
}

const struct module *block_module_of(struct thread *thread, uintptr_t caller, bool count)
{
    struct passed *passed = &thread->passed;
    if (thread_innermost(thread)->pauses > 0) {
        passed->paused += count;
        return NULL;
    }
    const struct module *module = modules_find(&thread->modules, caller);
    if (module && UNLIKELY(module->is_wrapper))
        module = named_module(thread);
    if (!module) {
        passed->unknown += count;
        return NULL;
    }
    bool all = thread->automatic == SCOPES_PROCESS && thread->depth == 1;
    if (!modules_participates(module, all)) {
        passed->modules[module->index] += count;
        if (UNLIKELY(fixed.wrapper - module->start < module->end - module->start))
            say_wrapped(module);
        return NULL;
    }
    /* A module that has no mark must not stay in use in a scope that it begins: the next begin is
     * to go the slow way, which enters the mark. */
    if (all)
        thread->modules.generation = modules_generation - 1;
    return module;
}

/* Whether the thread's innermost scope serves this caller now. Counts the reason when not, if
 * `count` says so, and makes the caller's module the fast path's when it does. */
static bool is_routed(struct thread *thread, uintptr_t caller, bool count)
{
    if (thread_innermost(thread)->pauses == 0 && caller - hot.module_start < hot.module_size)
        return true;
    const struct module *module = block_module_of(thread, caller, count);
    if (module)
        scope_use_module(module);
    return module != NULL;
}

/* True when a signal handler is running that interrupted the shim in this thread. */
static bool is_interrupted(const struct thread *thread)
{
    return thread_is_busy(thread) ||
           (thread->open_gate != 0 && hot.limit == 0 && thread->depth > 0 &&
            thread->frames[thread->depth - 1].pauses == 0);
}

/* Closes the gate for a slow path. Returns what open_gate takes. */
static uintptr_t close_gate(struct thread *thread)
{
    uintptr_t gate = hot.limit;
    hot.limit = 0;
    thread->busy = thread_innermost(thread)->token;
    signal_fence();
    return gate;
}

static void open_gate(struct thread *thread, uintptr_t gate)
{
    signal_fence();
    thread->busy = 0;
    hot.limit = gate != 0 ? thread->open_gate : 0; /* it may have grown */
}

static void *serve(struct thread *thread, const struct request *request)
{
    if (!is_routed(thread, request->caller, true))
        return BLOCK_PASS;
    if (block_is_absurd(request)) {
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
    if (UNLIKELY(!thread)) { /* before start; what looks like a scope then is none */
        if (!next_is_relocated())
            return next_boot_alloc(request->size, request->alignment);
        hot.calls += request->size == BLOCK_PROBE;
        return BLOCK_PASS;
    }
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
    struct frame *frame = thread_innermost(thread);
    while (frame > thread->frames && (uintptr_t)block - BLOCK_HEADER < frame->start)
        frame--;
    return frame;
}

static bool is_block(const struct header *header, const void *block)
{
    uintptr_t start = (uintptr_t)block - BLOCK_HEADER;
    uintptr_t end = header_end(header);
    return (uintptr_t)block % ALIGN_MIN == 0 && (end - start) % ALIGN_MIN == 0 && end > start &&
           end <= hot.cursor;
}

static void free_own(struct thread *thread, void *block)
{
    if (debug_has(DEBUG_QUARANTINE) && debug_is_quarantined(thread, block)) {
        ignore_free(); /* its scope has ended */
        return;
    }
    thread_note_peak(thread, hot.cursor);
    if (block_release(block))
        return;
    struct header header = header_read(block);
    if (!is_block(&header, block)) {
        debug_not_a_block(thread);
        misuse_report(MISUSE_NOT_A_BLOCK, block);
        return;
    }
    if (header.end & BLOCK_FREED) {
        misuse_report(MISUSE_DOUBLE_FREE, block);
        return;
    }
    if (fixed.checked)
        debug_freed(block, &header);
    header.end |= BLOCK_FREED;
    header_write(block, header);
    struct frame *frame = frame_of(thread, block);
    if (frame == thread_innermost(thread)) {
        hot.freed++;
    } else {
        frame->live--;
        thread->freed++;
    }
    if (fixed.checked) {
        track_free(thread, block);
        thread->used -= total_size(header.asked);
    }
}

/* Whether a block may have been there, of whatever thread and at whatever time. */
static bool can_be_a_block(const void *block)
{
    uintptr_t address = (uintptr_t)block;
    int slot = (int)((address - fixed.region.start) / fixed.region.span);
    return address % ALIGN_MIN == 0 && slot < region_slots_seen() &&
           address > region_memory(&fixed.region, slot) &&
           address < region_memory_end(&fixed.region, slot);
}

OUT_OF_LINE void block_free_dropped(void *block)
{
    if (UNLIKELY(is_foreign(block))) {
        next_early_free(block);
        return;
    }
    struct thread *thread = hot.thread;
    uintptr_t header = (uintptr_t)block - BLOCK_HEADER;
    if (!can_be_a_block(block))
        misuse_report(MISUSE_NOT_A_BLOCK, block);
    else if (hot.cursor == 0 || header < thread->base || header >= hot.cursor || thread->depth == 0)
        ignore_free();
    else
        free_own(thread, block);
}

OUT_OF_LINE void block_free(void *block)
{
    if (UNLIKELY(fixed.retains)) /* not before start */
        retain_free(block);
    else
        block_free_dropped(block);
}

/* ---- resizing ------------------------------------------------------------------------------- */

/* A newest block of the innermost scope can change its size where it lies. */
static bool is_newest(struct thread *thread, const void *block, const struct header *header)
{
    uintptr_t start = (uintptr_t)block - BLOCK_HEADER;
    return !fixed.checked && start >= thread_innermost(thread)->start && header->end == hot.cursor;
}

/* Grows the newest block in place. False when it does not fit. */
static bool extend(struct thread *thread, void *block, size_t size)
{
    struct request request = {.size = size};
    struct place place = {(uintptr_t)block, (uintptr_t)block - BLOCK_HEADER + total_size(size)};
    if (place.end > thread->memory_end)
        return false;
    bool overflows = !fits(thread, &place, thread->capacity_end);
    if (overflows &&
        (fixed.config.overflow != OVERFLOW_GROW || !fits(thread, &place, thread->limit_end)))
        return false;
    if (place.end > thread->committed && !thread_commit(thread, place.end))
        return false;
    if (overflows)
        count_overflow(thread, &request, (uintptr_t)block - BLOCK_HEADER);
    hot.cursor = place.end;
    return true;
}

static void shrink_checked(struct thread *thread, void *block, struct header header, size_t size)
{
    struct header next = header;
    next.asked = size;
    debug_shrinking(block, &header, &next);
    signal_fence(); /* a handler may jump away: the red zone is there before the header says so */
    header_write(block, next);
    thread->used -= total_size(header.asked) - total_size(size);
    track_resize(thread, block, size);
}

/* Resizes a block where it lies, if that can be. */
static bool resize_in_place(struct thread *thread, void *block, size_t size)
{
    size_t old = block_usable(block);
    struct header header = header_read(block);
    if (size <= old && !is_newest(thread, block, &header)) {
        if (fixed.checked && size < old)
            shrink_checked(thread, block, header, size);
        return true;
    }
    if (!is_newest(thread, block, &header))
        return false;
    if (size > old) {
        if (!extend(thread, block, size))
            return false;
        hot.bytes += size - old;
    } else {
        thread_note_peak(thread, hot.cursor);
        hot.cursor = (uintptr_t)block - BLOCK_HEADER + total_size(size);
    }
    header_write(block, (struct header){.end = hot.cursor});
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
    if (UNLIKELY(is_foreign(block)))
        return next_early_realloc(block, size);
    if (UNLIKELY(fixed.retains) && retain_holds(block))
        return retain_resize(block, size, caller);
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
