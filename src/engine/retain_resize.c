/*
 * Resizing a block of scopes that retain where it lies. What becomes smaller stays, whoever asks.
 */
#include <string.h>

#include "base/track.h"
#include "engine/debug.h"
#include "engine/retain_heap.h"

/* A rest of less is not worth a block of its own. */
#define SPLIT_LEAST ((size_t)64)

static void set_bytes(const struct retain_block *found, size_t total)
{
    retain_store(found->block - BLOCK_HEADER, (found->header & ~RETAIN_BYTES) | total);
}

/* Makes the end of the block free. Headers lead over what is free before they lead to it. */
static void shrink(struct heap *heap, const struct retain_block *found, size_t total)
{
    uintptr_t start = found->block - BLOCK_HEADER, end = start + total;
    if (end + SPLIT_LEAST > found->end || !retain_is_rest(found->end - start, total))
        return; /* a class's bytes may be more than the block has */
    retain_put_room(heap, end, found->end);
    signal_fence();
    set_bytes(found, total);
}

/* The newest block takes of the room behind it. */
static bool grow(struct heap *heap, const struct retain_block *found, size_t total)
{
    uintptr_t place = found->block - BLOCK_HEADER;
    if (found->end != heap->cursor || total > RETAIN_SHARED || place + total > heap->end)
        return false;
    set_bytes(found, total);
    heap->cursor = place + total;
    return true;
}

/* The same for a block of the fast paths. */
static void shrink_small(struct heap *heap, uint64_t *header, size_t old, size_t total)
{
    if (total + SPLIT_LEAST > old || !retain_is_rest(old, total))
        return;
    hot.small = 0;
    signal_fence();
    retain_put(heap, (uintptr_t)header + total + BLOCK_HEADER, old - total);
    heap->blocks++;
    signal_fence();
    *header = hot.mark | total;
    signal_fence();
    hot.small = RETAIN_SMALL;
}

/* What is to have room to grow (block.c) is not for this path. */
#define COPIED_MOST ((size_t)512)

HOT void *retain_resize_small(void *block, size_t size)
{
    struct hot *h = &hot;
    size_t total = total_bytes(size);
    uintptr_t place = (uintptr_t)block - BLOCK_HEADER;
    if ((ptrdiff_t)size < 0 || total >= h->small || place >= h->start || (uintptr_t)block < h->heap)
        return NULL;
    uint64_t *header = retain_header((uintptr_t)block);
    uint64_t old = *header ^ h->mark;
    if (old >= h->small || (total > old && old > COPIED_MOST))
        return NULL;
    if (total <= old) {
        shrink_small(&h->thread->heap, header, old, total);
        h->thread->in_place++;
        return block;
    }
    void *target = retain_take_any(size);
    if (target) {
        memcpy(target, block, old - BLOCK_HEADER);
        if (UNLIKELY(!retain_release(block)))
            retain_free(block);
    }
    return target;
}

bool retain_resize(struct thread *thread, void *block, size_t size)
{
    struct heap *heap = &thread->heap;
    struct retain_block found;
    if (fixed.checked || !retain_inspect(heap, (uintptr_t)block, &found))
        return false;
    size_t usable = found.end - (uintptr_t)block;
    bool done = size <= usable;
    if (found.large)
        done = retain_resize_large(thread, &found, size);
    else if (found.block != (uintptr_t)block)
        return done;
    else if (done)
        shrink(heap, &found, retain_total(size));
    else
        done = size <= RETAIN_SHARED && grow(heap, &found, retain_total(size));
    if (done && size > usable)
        hot.bytes += size - usable;
    return done;
}
