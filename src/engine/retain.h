/*
 * Blocks of scopes that retain what is alive: a reap (Berger, Zorn, McKinley, "Reconsidering custom
 * memory allocation", OOPSLA 2002). Blocks are bumped as in an arena, and a freed one is the next
 * that its class gives out. Nothing that is alive ever moves; where nothing is alive at the end of
 * the outermost such scope, bumping begins anew at the front, through warm memory.
 *
 * In front of each block lie 8 bytes. While it is alive:
 *
 *     63  58 57       48 47                       16 15          4 3      0
 *     | 1..1 | slot     | serial number of the scope | bytes / 16 | 0      |
 *
 * and when it is free, the next block of its class (or of the remote stack) and the same bytes:
 *
 *     |  0 | address of the next                     | bytes / 16 | FREED  |
 *
 * A block that is noted (trace.h) has another serial number, RETAIN_NOTED apart from its scope's,
 * so that no fast path frees it. The bytes lead to the next header. What is large lies in pages of
 * its own, and what is aligned to more than usual inside a larger block; their "bytes" say so.
 *
 * Who frees: on the fast path the owner, in the scope that drew the block, which one compare of the
 * header with hot.mark tells. The owner in another scope takes the slow path. Others, signal
 * handlers that interrupted the owner's paths, and the owner outside such scopes put the block on
 * the owner's remote stack, by one atomic exchange; the owner, or the slot's next, takes all of it
 * when a class has run out.
 */
#ifndef ENGINE_RETAIN_H
#define ENGINE_RETAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"
#include "engine/request.h"
#include "next/fixed.h"
#include "thread/thread.h"

#define RETAIN_TAG ((uint64_t)0x3f << 58)
#define RETAIN_FREED ((uint64_t)1)
#define RETAIN_REMOTE ((uint64_t)2) /* freed, and not yet taken from the remote stack */
#define RETAIN_NOTED ((uint64_t)1 << 47)
#define RETAIN_BYTES ((uint64_t)0xfff0)
#define RETAIN_LARGE ((uint64_t)0xfff0)   /* a block in pages of its own */
#define RETAIN_ALIGNED ((uint64_t)0xffe0) /* in a larger block, so many bytes before: see below */

/* fixed.small: more bytes than the blocks of the fast paths take. */
#define RETAIN_SMALL (RETAIN_EXACT + RETAIN_UNIT)

/* hot.mark of a scope. */
static ALWAYS_INLINE uint64_t retain_mark(const struct thread *thread, uint64_t token)
{
    return RETAIN_TAG | (uint64_t)thread->slot << 48 | token >> 32 << 16;
}

static ALWAYS_INLINE uint64_t *retain_header(uintptr_t block)
{
    return (uint64_t *)(block - BLOCK_HEADER);
}

/* The fast path of malloc in a scope that retains: a block freed before, of `total` bytes for
 * `size`, which is below 2^63. NULL when the call is not for this path, and nothing has changed. */
static ALWAYS_INLINE void *retain_take(size_t total, size_t size)
{
    struct hot *h = &hot;
    if (UNLIKELY(total >= h->small))
        return NULL;
    struct heap *heap = &h->thread->heap;
    uintptr_t *first = (uintptr_t *)((uintptr_t)heap->exact + total);
    h->small = 0;
    signal_fence();
    uintptr_t block = *first;
    if (UNLIKELY(block == 0)) {
        h->small = RETAIN_SMALL;
        return NULL;
    }
    *first = *retain_header(block) >> 16;
    *retain_header(block) = h->mark | total;
    h->calls++;
    signal_fence(); /* one instruction each, by which a handler that settles is not overwritten */
    h->bytes += size;
    signal_fence();
    h->small = RETAIN_SMALL;
    return (void *)block;
}

/* Zeroes all that may be used of a block that has been drawn by the functions here. */
static ALWAYS_INLINE void *retain_zero(void *block)
{
    size_t total = *retain_header((uintptr_t)block) & RETAIN_BYTES;
    return memset(block, 0, total - BLOCK_HEADER);
}

/* The fast path of free, for a block of the region below hot.start: one of the innermost scope,
 * which retains. False when it is another. */
static ALWAYS_INLINE bool retain_release(void *block)
{
    struct hot *h = &hot;
    if (UNLIKELY((uintptr_t)block < h->heap))
        return false; /* no header may be read there */
    uint64_t *header = retain_header((uintptr_t)block);
    uint64_t total = *header ^ h->mark;
    if (UNLIKELY(total >= h->small))
        return false;
    uintptr_t *first = (uintptr_t *)((uintptr_t)h->thread->heap.exact + total);
    h->small = 0;
    signal_fence();
    *header = (*first << 16) + total + RETAIN_FREED;
    *first = (uintptr_t)block;
    h->freed++;
    signal_fence();
    h->small = RETAIN_SMALL;
    return true;
}

/* The same for any size up to RETAIN_SHARED, and of memory not used before. */
void *retain_take_any(size_t size);

/* The same as retain_release for blocks up to RETAIN_SHARED. */
bool retain_release_any(void *block);

/* realloc of a block of the innermost scope, which retains, to a size, both such as the fast paths
 * take. NULL when it is not for this path, and nothing has changed. */
void *retain_resize_small(void *block, size_t size);

/* A routed call in a scope that retains; the gate is closed. A block (of the heap, or of the next
 * allocator after an overflow), or NULL with errno ENOMEM. */
void *retain_draw(struct thread *thread, const struct request *request);

/* True when the block, of the region, lies in a heap. */
static inline bool retain_holds(const void *block)
{
    const struct thread *owner = thread_of_address((uintptr_t)block);
    return owner && (uintptr_t)block >= owner->memory_end;
}

/* Frees, measures, resizes a block that lies in a heap; any thread. */
void retain_free(void *block);
size_t retain_usable(void *block);

/* Resizes a block where it lies, if that can be; the gate is closed. */
bool retain_resize(struct thread *thread, void *block, size_t size);

/* Moves a large block of the thread's own, whose pages the kernel takes along, to where it can
 * grow. The new block, or NULL when that is not to be had; the gate is closed. */
void *retain_move(struct thread *thread, void *block, size_t size);

/* The innermost scope, which retains, has been settled and is about to end: notes what it came to.
 */
void retain_look_back(struct thread *thread, struct frame *frame);

/* The outermost such scope ends; the gate is closed. Where nothing is alive bumping begins anew,
 * and what recent scopes had no use for goes back to the kernel. */
void retain_start_afresh(struct thread *thread);

/* Gives pages of the idle heap back to the kernel, but for `pad` bytes. True when it took some. */
bool retain_trim(struct thread *thread, size_t pad);

/* The thread exits, its scopes have ended. */
void retain_leave(struct thread *thread);

/* In a fork child, of a thread that does not exist there, and where a signal handler has jumped out
 * of a slow path: lists and counts are made anew. */
void retain_recover(struct thread *thread);

/* What is left of the capacity. */
size_t retain_room(const struct thread *thread);

#endif
