/*
 * talloc: a pool as large as the shim's default capacity, whose children are freed. (The other
 * idiom, a context made and freed for each scope, is slower.)
 */
#include <talloc.h>

#include "bench/adapters/room.h"

#define ADAPTER_ALIGNMENT 16

struct heap {
    void *pool;
};

static inline void heap_open(struct heap *heap)
{
    heap->pool = talloc_pool(NULL, ROOM);
    if (!heap->pool)
        errx(1, "no memory");
}

static inline void heap_begin(struct heap *heap)
{
    (void)heap;
}

static inline void *heap_take(struct heap *heap, size_t size)
{
    return talloc_size(heap->pool, size);
}

static inline void heap_end(struct heap *heap, void **blocks, size_t count)
{
    (void)blocks;
    (void)count;
    talloc_free_children(heap->pool);
}

static inline void heap_close(struct heap *heap)
{
    talloc_free(heap->pool);
}
