/*
 * A block, of whichever kind: where a call for memory is served, whose block a pointer is.
 */
#ifndef ENGINE_BLOCK_H
#define ENGINE_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "engine/drop.h"
#include "engine/request.h"
#include "engine/retain.h"
#include "next/fixed.h"

/* A request of this size in a thread without a record is counted in hot.calls: see start.c. */
#define BLOCK_PROBE ((size_t)4099)

/* hot.cursor while start.c asks whether calls arrive: those that take a block are counted in
 * hot.freed. */
#define BLOCK_PROBED ((uintptr_t)1)

static inline void block_note_arrival(void)
{
    if (hot.cursor == BLOCK_PROBED) /* else it may not be relocated, and is only to be read */
        hot.freed++;
}

/* True when the pointer lies in the region: in an arena, of whatever thread. Also true of every
 * pointer before start. */
static ALWAYS_INLINE bool block_is_ours(const void *block)
{
    return (uintptr_t)block - fixed.region.start < fixed.region.size;
}

/* The same for the entry points, for which no pointer is ours where blocks are checked: they then
 * call by fixed.outside, which block_checked_outside has set. */
static ALWAYS_INLINE bool block_is_for_fast_paths(const void *block)
{
    return (uintptr_t)block - fixed.fast.start < fixed.fast.size;
}

/* Where blocks are checked: free, realloc and malloc_usable_size judge pointers out of line, since
 * no header may be read before it is known that it is there. */
void block_checked_outside(struct outside *outside);

/* The fast paths of free, for a block of the region. False: block_free is next. In a scope that
 * retains the heap's blocks lie below hot.start. */
static ALWAYS_INLINE bool block_release(void *block)
{
    if (UNLIKELY((uintptr_t)block - BLOCK_HEADER < hot.start))
        return retain_release(block);
    return drop_release(block);
}

/*
 * The slow path, for a thread in a scope (hot.cursor is not 0). Decides as the routing table says
 * and applies the overflow policy. Returns a block (of the arena, or of the next allocator after
 * an overflow), BLOCK_PASS when the call is not routed, or NULL with errno ENOMEM.
 */
void *block_serve(const struct request *request);

/* Frees a block of the region when block_release did not. Never fails; preserves errno. */
void block_free(void *block);

/* The two, for calls that do not come from the program: where blocks are checked no header may be
 * read on the fast paths. */
static inline void block_give_back(void *block)
{
    if (fixed.checked || !block_release(block))
        block_free(block);
}

/* realloc of a block of the region to `size` > 0 bytes. NULL with errno ENOMEM leaves it alone. */
void *block_resize(void *block, size_t size, uintptr_t caller);

/* Bytes that the program may use of a block of the region. */
size_t block_usable(void *block);

#endif
