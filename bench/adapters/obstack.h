/* An obstack of the C library, emptied down to an object that was drawn first. Its chunks are as
 * large as the shim's default capacity. */
#include <obstack.h>

#include "bench/adapters/room.h"

#define obstack_chunk_alloc malloc
#define obstack_chunk_free free

#define ADAPTER_ALIGNMENT 16

struct heap {
    struct obstack stack;
    void *first;
};

static inline void heap_open(struct heap *heap)
{
    obstack_begin(&heap->stack, (int)ROOM);
    obstack_alignment_mask(&heap->stack) = ADAPTER_ALIGNMENT - 1;
    heap->first = obstack_alloc(&heap->stack, 0);
}

static inline void heap_begin(struct heap *heap)
{
    (void)heap;
}

static inline void *heap_take(struct heap *heap, size_t size)
{
    return obstack_alloc(&heap->stack, (int)size);
}

static inline void heap_end(struct heap *heap, void **blocks, size_t count)
{
    (void)blocks;
    (void)count;
    obstack_free(&heap->stack, heap->first);
}

static inline void heap_close(struct heap *heap)
{
    obstack_free(&heap->stack, NULL);
}
