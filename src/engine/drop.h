/*
 * Blocks of scopes that drop: bumped one behind the other in the thread's arena, and all gone at
 * the end. A header holds the address of the next (header.h), and in two bits what is free:
 *
 *     | end, FREED | ....... header | end, AFTER_FREED | ...
 *       a freed block                 the one behind it
 *
 * The last word of a freed block is where its header lies. So when the newest block is freed, the
 * cursor steps back over all blocks in front of it that were freed before, in whatever order.
 *
 * When the room runs out the arena is swept (drop_sweep.c): headers lead from one block to the
 * next, and the fast path bumps through the gaps between the live blocks of the innermost scope
 * before the arena grows. In a gap `limit` is its end, thread->gap_top is where the arena ends, and
 * begin takes its slow path, which leaves the gap first.
 */
#ifndef ENGINE_DROP_H
#define ENGINE_DROP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"
#include "engine/header.h"
#include "engine/request.h"
#include "next/fixed.h"
#include "thread/thread.h"

/* Opens the gate that was found at `gate`, if a signal handler has been there since: it may have
 * gone into a gap, or left one. */
static ALWAYS_INLINE void drop_open_anew(struct hot *h, uintptr_t gate)
{
    signal_fence();
    h->limit = gate != 0 ? h->thread->open_limit : 0;
}

/* Moves the cursor, unless a signal handler has done so; the gate is closed meanwhile. The cursor
 * has been read before the gate. Where it is what it was the gate is, too, or no further away. */
static ALWAYS_INLINE bool drop_move_cursor(struct hot *h, uintptr_t from, uintptr_t to,
                                           uintptr_t gate)
{
    h->limit = 0;
    signal_fence();
    if (UNLIKELY(h->cursor != from)) {
        drop_open_anew(h, gate);
        return false;
    }
    h->cursor = to;
    signal_fence();
    h->limit = gate;
    return true;
}

/*
 * The fast path of malloc. Sets *total to the bytes that the block takes. Returns a block, or NULL
 * when the call is not for this path: no scope that drops, caller not the module of the last routed
 * call, no room, gate closed.
 */
static ALWAYS_INLINE void *drop_take(size_t size, size_t *total, uintptr_t caller)
{
    struct hot *h = &hot;
    uintptr_t cursor = h->cursor;
    signal_fence();
    uintptr_t gate = h->limit;
    *total = total_bytes(size);
    uintptr_t end = cursor + *total;
    if (UNLIKELY((ptrdiff_t)size < 0 || end > gate || caller - h->module_start >= h->module_size))
        return NULL;
    if (UNLIKELY(!drop_move_cursor(h, cursor, end, gate)))
        return NULL;
    *(uintptr_t *)cursor = end;
    h->calls++;
    signal_fence(); /* one instruction each, by which a handler that settles is not overwritten */
    h->bytes += size;
    if (cursor + BLOCK_HEADER == 0)
        __builtin_unreachable(); /* spares the caller a test for NULL */
    return (void *)(cursor + BLOCK_HEADER);
}

/* The same for a block aligned to `alignment`, a power of two. A freed block takes the room before
 * it, so that headers lead from one to the next; where there is none, the block's own header is
 * written over that of the freed one. */
static ALWAYS_INLINE void *drop_take_aligned(size_t size, size_t alignment, uintptr_t caller)
{
    struct hot *h = &hot;
    uintptr_t cursor = h->cursor;
    signal_fence();
    uintptr_t gate = h->limit;
    uintptr_t header = ((cursor + BLOCK_HEADER + alignment - 1) & -alignment) - BLOCK_HEADER;
    uintptr_t end = header + ((size + fixed.bias) & fixed.mask);
    /* Where neither is 2^63 or more no sum wraps: cursors lie far below 2^62. */
    if (UNLIKELY((ptrdiff_t)(size | alignment) < 0 || end > gate ||
                 caller - h->module_start >= h->module_size))
        return NULL;
    if (UNLIKELY(!drop_move_cursor(h, cursor, end, gate)))
        return NULL;
    *(uintptr_t *)cursor = header | BLOCK_FREED;
    *(uintptr_t *)header = end;
    h->calls++;
    signal_fence(); /* one instruction each, by which a handler that settles is not overwritten */
    h->bytes += size;
    return (void *)(header + BLOCK_HEADER);
}

/* The block whose header word is `word` ends at a header, or at `top`. */
static ALWAYS_INLINE bool drop_is_intact(uintptr_t header, uintptr_t word, uintptr_t top)
{
    uintptr_t end = word & ~BLOCK_AFTER_FREED; /* of a block freed already it is no multiple */
    return (end - header) % ALIGN_MIN == 0 && end - header - 1 < top - header;
}

/* Makes the block free that is not the newest, so that the cursor finds it when it comes there. */
static ALWAYS_INLINE void drop_mark(uintptr_t header, uintptr_t word)
{
    uintptr_t end = word & ~BLOCK_FLAGS;
    *(uintptr_t *)header = word | BLOCK_FREED;
    *(uintptr_t *)(end - BLOCK_HEADER) = header;
    *(uintptr_t *)end |= BLOCK_AFTER_FREED;
}

/*
 * The fast path of free, for a block of the region not below hot.start: the newest block, in front
 * of which nothing has been freed, steps the cursor back, an older one is marked. False when it is
 * another, or there is more to do: drop_release_slowly is next.
 */
static ALWAYS_INLINE bool drop_release(void *block)
{
    struct hot *h = &hot;
    uintptr_t header = (uintptr_t)block - BLOCK_HEADER;
    uintptr_t cursor = h->cursor;
    if (UNLIKELY(header >= cursor))
        return false;
    bool newest = LIKELY(*(uintptr_t *)header == cursor);
    signal_fence();
    uintptr_t gate = h->limit;
    if (newest) {
        if (UNLIKELY(cursor > h->thread->peak))
            return false; /* to be noted first; a call from here would cost every free a frame */
        if (UNLIKELY(!drop_move_cursor(h, cursor, header, gate)))
            return false;
    } else {
        uintptr_t word = *(uintptr_t *)header;
        bool collapses = word == (cursor | BLOCK_AFTER_FREED);
        if (UNLIKELY(collapses || gate == 0 || !drop_is_intact(header, word, cursor)))
            return false;
        h->limit = 0;
        signal_fence();
        if (UNLIKELY(h->cursor != cursor)) {
            drop_open_anew(h, gate);
            return false;
        }
        drop_mark(header, word);
        signal_fence();
        h->limit = gate;
    }
    h->freed++;
    return true;
}

/* The newest block is free: steps back over it and what is free in front of it, counts it, and
 * opens the gate that was found at `gate`. True. */
bool drop_collapse(uintptr_t header, uintptr_t gate);

/* The same of any block where the gate is closed: it is marked, and counted for its own scope. A
 * handler has interrupted the shim, perhaps, and the innermost one may be about to be another. */
bool drop_release_aside(uintptr_t header, uintptr_t word);

/* The rest of it for any block of the innermost scope, where blocks are not checked. Any state of
 * the gate is fine. False when it is none, or freed already. */
static ALWAYS_INLINE bool drop_release_slowly(void *block)
{
    struct hot *h = &hot;
    uintptr_t header = (uintptr_t)block - BLOCK_HEADER;
    uintptr_t gate = h->limit;
    h->limit = 0;
    signal_fence();
    uintptr_t cursor = h->cursor;
    bool done = false;
    if (LIKELY(header >= h->start && header < cursor)) {
        uintptr_t word = *(uintptr_t *)header;
        done = drop_is_intact(header, word & ~BLOCK_NOTED, cursor);
        if (LIKELY(done && gate != 0 && (word & ~BLOCK_FLAGS) == cursor))
            return drop_collapse(header, gate);
        if (UNLIKELY(done && gate == 0))
            return drop_release_aside(header, word);
        if (done)
            drop_mark(header, word);
        h->freed += done;
    }
    drop_open_anew(h, gate);
    return done;
}

/*
 * The fast path of realloc, for a block of the region: the newest block of the innermost scope ends
 * elsewhere, within the capacity. False when there is more to do: block_resize is next.
 */
static ALWAYS_INLINE bool drop_resize_newest(void *block, size_t size, uintptr_t caller)
{
    struct hot *h = &hot;
    uintptr_t header = (uintptr_t)block - BLOCK_HEADER;
    uintptr_t cursor = h->cursor;
    signal_fence();
    uintptr_t gate = h->limit;
    if (UNLIKELY(header < h->start || header >= cursor || *(uintptr_t *)header != cursor))
        return false;
    uintptr_t end = header + ((size + fixed.bias) & fixed.mask);
    if (UNLIKELY((ptrdiff_t)size <= 0 || end > gate || caller - h->module_start >= h->module_size))
        return false;
    if (UNLIKELY(end < cursor && cursor > h->thread->peak))
        return false; /* to be noted first */
    if (UNLIKELY(!drop_move_cursor(h, cursor, end, gate)))
        return false;
    *(uintptr_t *)header = end;
    uintptr_t usable = cursor - (uintptr_t)block;
    size_t more = size > usable ? size - usable : 0;
    __asm__("" : "+r"(more)); /* so that it is added by one instruction: a handler may settle */
    h->bytes += more;
    h->thread->in_place++;
    return true;
}

/*
 * Zeroes `size` bytes, all that may be used, of a block just drawn and returns it, except what lies
 * in memory that nobody has written since the kernel handed it out: a large calloc costs no more
 * memory than what the program touches of it.
 */
static ALWAYS_INLINE void *drop_zero(void *block, size_t size)
{
    const struct thread *thread = hot.thread;
    uintptr_t start = (uintptr_t)block;
    uintptr_t written = thread->touched;
    /* Under a checker the block must become defined as a whole. */
    if (UNLIKELY(start + size > written && !fixed.checked))
        size = start < written ? written - start : 0;
    return memset(block, 0, size);
}

/* A routed call in a scope that drops; the gate is closed. A block (of the arena, or of the next
 * allocator after an overflow), or NULL with errno ENOMEM. */
void *drop_draw(struct thread *thread, const struct request *request);

/* Frees a block when the fast paths did not; any thread. */
void drop_free(void *block);

/* Bytes that the program may use of a block. */
size_t drop_usable(void *block);

/* Resizes a block of the thread's open scopes where it lies, if that can be; the gate is closed. */
bool drop_resize(struct thread *thread, void *block, size_t size);

/* True when the block lies in the thread's open scopes. */
bool drop_is_own(const struct thread *thread, const void *block);

/* What is left of the capacity for the innermost scope. */
size_t drop_room(const struct thread *thread);

/* ---- sweeping (drop_sweep.c) ----------------------------------------------------------------- */

/* Looks for gaps in the innermost scope, if that is worth its time, and goes into one that holds
 * `bytes`, as the fast path draws them. False when there is none; the cursor is at the top then. */
bool drop_find_gap(struct thread *thread, size_t bytes);

/* Leaves the gap, if the cursor is in one; the gate is closed. */
void drop_leave_gap(struct thread *thread);

/* The top of the arena. */
static inline uintptr_t drop_top(const struct thread *thread)
{
    return thread->gap_top ? thread->gap_top : hot.cursor;
}

#endif
