/* mimalloc: a heap for each scope, which is destroyed with all of its blocks. */
#include <mimalloc.h>

#define ADAPTER_ALIGNMENT 16

struct heap {
    mi_heap_t *heap;
};

static inline void heap_open(struct heap *heap)
{
    (void)heap;
}

static inline void heap_begin(struct heap *heap)
{
    heap->heap = mi_heap_new();
}

static inline void *heap_take(struct heap *heap, size_t size)
{
    return mi_heap_malloc(heap->heap, size);
}

static inline void heap_end(struct heap *heap, void **blocks, size_t count)
{
    (void)blocks;
    (void)count;
    mi_heap_destroy(heap->heap);
}

static inline void heap_close(struct heap *heap)
{
    (void)heap;
}
