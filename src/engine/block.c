#include "engine/block.h"

#include <errno.h>
#include <string.h>

#include "base/numbers.h"
#include "engine/trace.h"
#include "next/next.h"
#include "thread/gate.h"

/* Whether a block that the fast path took for ours is not: it seems so of all before start. */
static bool is_foreign(const void *block)
{
    if (UNLIKELY(fixed.region.start == 0))
        block_note_arrival();
    return fixed.region.start == 0 || !block_is_ours(block);
}

static bool is_retained(const void *block)
{
    return UNLIKELY(threads_retain) && retain_holds(block);
}

/* ---- drawing --------------------------------------------------------------------------------- */

static void *draw(struct thread *thread, const struct request *request)
{
    return thread_innermost(thread)->retains ? retain_draw(thread, request)
                                             : drop_draw(thread, request);
}

static void *serve(struct thread *thread, const struct request *request)
{
    if (!is_routed(thread, request->caller))
        return BLOCK_PASS;
    if (!request_is_absurd(request))
        return draw(thread, request);
    errno = ENOMEM;
    return NULL;
}

/* A signal handler is running that interrupted the shim in this thread. */
static bool is_interrupted(struct thread *thread)
{
    return thread_innermost(thread)->retains ? gate_heap_is_shut(thread) : gate_is_shut(thread);
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
    uintptr_t open = gate_close(thread);
    void *block = serve(thread, request);
    if (trace_goes_on(thread) && block != BLOCK_PASS && block)
        trace_drawn(thread, (uintptr_t)block, request);
    gate_open(thread, open);
    return block;
}

/* ---- freeing --------------------------------------------------------------------------------- */

static OUT_OF_LINE void free_otherwise(void *block)
{
    if (UNLIKELY(is_foreign(block)))
        next_early_free(block);
    else if (retain_release_any(block))
        return;
    else if (is_retained(block))
        retain_free(block);
    else
        drop_free(block);
}

OUT_OF_LINE void block_free(void *block)
{
    /* Before start nothing here may be touched. */
    if (UNLIKELY(fixed.region.start == 0 || !drop_release_slowly(block)))
        free_otherwise(block);
}

/* ---- measuring, resizing --------------------------------------------------------------------- */

size_t block_usable(void *block)
{
    if (UNLIKELY(is_foreign(block)))
        return next_early_usable_size(block);
    return is_retained(block) ? retain_usable(block) : drop_usable(block);
}

static void *move(void *block, size_t size, void *target)
{
    if (target) {
        size_t old = block_usable(block);
        memcpy(target, block, lower(old, size));
        block_give_back(block);
    }
    return target;
}

static void *move_outside(void *block, size_t size)
{
    return move(block, size, fixed.next.malloc(size));
}

/* What is to spare must not be what does not fit. Two pages: what is rounded up. */
static bool has_room_for(struct thread *thread, size_t size)
{
    if (!fixed.config.capacity_is_set && fixed.config.overflow == OVERFLOW_GROW)
        return true;
    if (thread_innermost(thread)->retains)
        return size + 2 * PAGE_BYTES <= retain_room(thread);
    return total_bytes(size) <= drop_room(thread);
}

/* What grows in small steps is copied to where it has half as much room again, so that its growth
 * costs no more than its size. Who takes larger steps has seen to that already, and small blocks
 * have less to copy than to lose. */
#define GROWTH_LEAST ((size_t)512)

static size_t room_to_grow(struct thread *thread, size_t old, size_t size)
{
    size_t larger = old + old / 2;
    if (size <= old || old < GROWTH_LEAST || size - old >= old / 8)
        return 0;
    bool overflows = !has_room_for(thread, size) && fixed.config.overflow == OVERFLOW_GROW;
    return overflows || has_room_for(thread, larger) ? larger - size : 0;
}

/* A block of the thread's own, where its innermost scope draws; the gate is closed. */
static void *resize_here(struct thread *thread, void *block, size_t size, bool retained)
{
    bool done = retained ? retain_resize(thread, block, size) : drop_resize(thread, block, size);
    return done ? block : retained ? retain_move(thread, block, size) : NULL;
}

OUT_OF_LINE void *block_resize(void *block, size_t size, uintptr_t caller)
{
    void *small = retain_resize_small(block, size);
    if (LIKELY(small != NULL))
        return small;
    if (UNLIKELY(is_foreign(block)))
        return next_early_realloc(block, size);
    struct thread *thread = hot.thread;
    if (size > PTRDIFF_MAX) {
        errno = ENOMEM;
        return NULL;
    }
    bool retained = is_retained(block);
    size_t old = block_usable(block);
    bool in_scope = thread && thread->depth > 0 && hot.cursor != 0;
    if (!in_scope || is_interrupted(thread))
        return size <= old && retained ? block : move_outside(block, size);

    bool own = retained
                   ? thread_of_address((uintptr_t)block) == thread && !gate_heap_is_shut(thread)
                   : drop_is_own(thread, block);
    uintptr_t open = gate_close(thread);
    trace_goes_on(thread);
    bool routed = is_routed(thread, caller);
    bool retains = thread_innermost(thread)->retains;
    void *target = NULL;
    if (routed && own)
        target = resize_here(thread, block, size, retained);
    else if (routed && size <= old)
        target = block;
    thread->in_place += target != NULL;
    gate_open(thread, open);
    if (target)
        return target;
    if (!routed || retained != retains)
        return move_outside(block, size);

    struct request request = {
        .size = size, .caller = caller, .spare = room_to_grow(thread, old, size)};
    target = block_serve(&request);
    if (UNLIKELY(!target) && size <= old)
        return block; /* it is too large, and stays for want of a smaller one */
    return target == BLOCK_PASS ? move_outside(block, size) : move(block, size, target);
}

/* ---- where blocks are checked ---------------------------------------------------------------- */

static void checked_free(void *block)
{
    if (block_is_ours(block))
        block_free(block);
    else
        fixed.next.free(block);
}

static void *checked_realloc(void *block, size_t size)
{
    uintptr_t caller = CALLER();
    if (!block_is_ours(block))
        return fixed.next.realloc(block, size);
    if (size > 0)
        return block_resize(block, size, caller);
    block_free(block);
    return NULL;
}

static size_t checked_usable(void *block)
{
    return block_is_ours(block) ? block_usable(block) : fixed.next.malloc_usable_size(block);
}

void block_checked_outside(struct outside *outside)
{
    outside->free = checked_free;
    outside->realloc = checked_realloc;
    outside->malloc_usable_size = checked_usable;
}
