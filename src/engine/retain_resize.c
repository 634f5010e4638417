/*
 * Resizing a block of scopes that retain where it lies. What becomes smaller stays, whoever asks.
 */
#include "base/track.h"
#include "engine/debug.h"
#include "engine/retain_heap.h"

/* Less than this is not worth a block of its own. */
#define SPLIT_LEAST ((size_t)64)

static void set_bytes(const struct retain_block *found, size_t total)
{
    retain_store(found->block - BLOCK_HEADER, (found->header & ~RETAIN_BYTES) | total);
}

/* Makes the end of the block free. */
static void shrink(struct heap *heap, const struct retain_block *found, size_t total)
{
    uintptr_t end = found->block - BLOCK_HEADER + total;
    if (end + SPLIT_LEAST > found->end)
        return; /* a class's bytes may be more than the block has */
    set_bytes(found, total);
    if (found->end == heap->cursor)
        heap->cursor = end;
    else
        retain_put_room(heap, end, found->end);
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
