/*
 * Blocks in an arena: drawing, freeing and resizing them, and the decision whether a call is
 * served from the arena at all.
 *
 * A block of n bytes lies behind an 8-byte header and occupies (n + bias) & mask bytes from the
 * header on, which keeps every block aligned to ARENASHIM_ALIGN:
 *
 *     | header | n bytes, rounded up | header | ...
 *              ^ aligned                      ^ hot.cursor, 8 below the next aligned address
 *
 * Where blocks are checked (by memcheck, or for ARENASHIM_DEBUG) the slow path alone draws them,
 * with longer headers and red zones: see header.h.
 */
#ifndef SHIM_BLOCK_H
#define SHIM_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"
#include "next/fixed.h"
#include "engine/header.h"
#include "thread/thread.h"

#define BLOCK_BIAS(align) (BLOCK_HEADER + (align)-1)
#define BLOCK_MASK(align) (~((align)-1))

/* A call for memory. */
struct request {
    size_t size;      /* bytes */
    size_t alignment; /* a power of two, or 0 for the default */
    bool zeroed;
    uintptr_t caller; /* the address that decides about the routing */
};

/* What block_serve returns when the call is for the next allocator. Not a valid block. */
#define BLOCK_PASS ((void *)1)

/* A request of this size in a thread without a record is counted in hot.calls: see start.c. */
#define BLOCK_PROBE ((size_t)4099)

/* True when the pointer lies in the region: in an arena, of whatever thread. Also true of every
 * pointer before start. */
static ALWAYS_INLINE bool block_is_ours(const void *block)
{
    return (uintptr_t)block - fixed.region.start < fixed.region.size;
}

/* The cursor of an empty arena whose memory starts at `memory`. */
static inline uintptr_t block_base(uintptr_t memory)
{
    return memory + fixed.config.align - BLOCK_HEADER;
}

/* Moves the cursor, unless a signal handler has done so; the gate is closed meanwhile. */
static ALWAYS_INLINE bool block_move_cursor(struct hot *h, uintptr_t from, uintptr_t to,
                                            uintptr_t gate)
{
    h->limit = 0;
    signal_fence();
    bool moves = LIKELY(h->cursor == from);
    if (LIKELY(moves))
        h->cursor = to;
    signal_fence();
    h->limit = gate;
    return moves;
}

/*
 * The fast path of malloc. Returns a block, or NULL when the call is not for this path: out of
 * scope, caller not the module of the last routed call, no room in the capacity, gate closed.
 */
static ALWAYS_INLINE void *block_take(size_t size, uintptr_t caller)
{
    struct hot *h = &hot;
    uintptr_t gate = h->limit;
    uintptr_t cursor = h->cursor;
    size_t total = (size + fixed.bias) & fixed.mask;
    if (UNLIKELY((ptrdiff_t)size < 0 || cursor + total > gate ||
                 caller - h->module_start >= h->module_size))
        return NULL;
    if (UNLIKELY(!block_move_cursor(h, cursor, cursor + total, gate)))
        return NULL;
    *(uintptr_t *)cursor = cursor + total;
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
static ALWAYS_INLINE void *block_take_aligned(size_t size, size_t alignment, uintptr_t caller)
{
    struct hot *h = &hot;
    uintptr_t gate = h->limit;
    uintptr_t cursor = h->cursor;
    uintptr_t header = ((cursor + BLOCK_HEADER + alignment - 1) & -alignment) - BLOCK_HEADER;
    uintptr_t end = header + ((size + fixed.bias) & fixed.mask);
    /* Where neither is 2^63 or more no sum wraps: cursors lie far below 2^62. */
    if (UNLIKELY((ptrdiff_t)(size | alignment) < 0 || end > gate ||
                 caller - h->module_start >= h->module_size))
        return NULL;
    if (UNLIKELY(!block_move_cursor(h, cursor, end, gate)))
        return NULL;
    *(uintptr_t *)cursor = header | BLOCK_FREED;
    *(uintptr_t *)header = end;
    h->calls++;
    signal_fence(); /* one instruction each, by which a handler that settles is not overwritten */
    h->bytes += size;
    return (void *)(header + BLOCK_HEADER);
}

/*
 * The fast path of free, for a block of the region. The newest block steps the cursor back, an
 * older one of the innermost scope is marked. False when it is neither, or there is something to
 * note first: block_free is next.
 */
static ALWAYS_INLINE bool block_release(void *block)
{
    struct hot *h = &hot;
    uintptr_t header = (uintptr_t)block - BLOCK_HEADER;
    uintptr_t cursor = h->cursor;
    if (UNLIKELY(header < h->start || header >= cursor))
        return false;
    uintptr_t end = *(uintptr_t *)header;
    if (LIKELY(end == cursor)) {
        uintptr_t gate = h->limit;
        if (UNLIKELY(cursor > h->thread->peak))
            return false; /* to be noted first; a call from here would cost every free a frame */
        if (LIKELY(block_move_cursor(h, cursor, header, gate))) {
            h->freed++;
            return true;
        }
    }
    if (UNLIKELY((end - header) % ALIGN_MIN != 0 || end - header - 1 >= cursor - header - 1))
        return false;
    *(uintptr_t *)header = end | BLOCK_FREED;
    h->freed++;
    return true;
}

/*
 * The fast path of realloc, for a block of the region: the newest block of the innermost scope ends
 * elsewhere, within the capacity. False when there is more to do: block_resize is next.
 */
static ALWAYS_INLINE bool block_resize_newest(void *block, size_t size, uintptr_t caller)
{
    struct hot *h = &hot;
    uintptr_t header = (uintptr_t)block - BLOCK_HEADER;
    uintptr_t gate = h->limit;
    uintptr_t cursor = h->cursor;
    if (UNLIKELY(header < h->start || header >= cursor || *(uintptr_t *)header != cursor))
        return false;
    uintptr_t end = header + ((size + fixed.bias) & fixed.mask);
    if (UNLIKELY((ptrdiff_t)size <= 0 || end > gate || caller - h->module_start >= h->module_size))
        return false;
    if (UNLIKELY(end < cursor && cursor > h->thread->peak))
        return false; /* to be noted first */
    if (UNLIKELY(!block_move_cursor(h, cursor, end, gate)))
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
 * Zeroes a block just drawn, except what lies in memory that nobody has written since the kernel
 * handed it out: a large calloc costs no more memory than what the program touches of it.
 */
static ALWAYS_INLINE void block_zero(void *block, size_t size)
{
    const struct thread *thread = hot.thread;
    uintptr_t start = (uintptr_t)block;
    uintptr_t written = thread->touched;
    /* Under a checker the block must become defined as a whole. */
    if (UNLIKELY(start + size > written && thread->checked == 0))
        size = start < written ? written - start : 0;
    memset(block, 0, size);
}

/*
 * The slow path, for a thread in a scope (hot.cursor is not 0). Decides as the routing table says
 * and applies the overflow policy. Returns a block (of the arena, or of the next allocator after
 * an overflow), BLOCK_PASS when the call is not routed, or NULL with errno ENOMEM.
 */
void *block_serve(const struct request *request);

/* Frees a block of the region when block_release did not. Never fails; preserves errno. */
void block_free(void *block);

/* The same for a block that does not lie in chunks (retain.h). */
void block_free_dropped(void *block);

/* realloc of a block of the region to `size` > 0 bytes. NULL with errno ENOMEM leaves it alone. */
void *block_resize(void *block, size_t size, uintptr_t caller);

/* Frees that block_free ignored in threads without a record; the others are counted there. */
uint64_t block_ignored_frees(void);

/* In a fork child: forgets them. */
void block_after_fork(void);

/* Bytes that the program may use of a block of the region. */
size_t block_usable(void *block);

/* More than there are addresses: refused by whoever serves the request, and not by the next
 * allocator, of which several add alignment to size without a look. */
static inline bool block_is_absurd(const struct request *request)
{
    return request->size > PTRDIFF_MAX || request->alignment > PTRDIFF_MAX - request->size;
}

/* The participating module that a call in the innermost scope comes from. NULL when the call is
 * not routed; counts the reason if `count` says so. */
const struct module *block_module_of(struct thread *thread, uintptr_t caller, bool count);

/* What the overflow policy says of a request that did not fit: a block of the next allocator, NULL
 * with errno ENOMEM, or the end of the process. */
void *block_refused(struct thread *thread, const struct request *request);

/* A block of the next allocator with the default alignment of routed blocks. */
void *block_outside(size_t size);

#endif
