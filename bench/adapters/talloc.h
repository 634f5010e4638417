/* talloc: a context for each scope, freed with all that hangs on it. */
#include <talloc.h>

#define ADAPTER_ALIGNMENT 16

struct heap {
    void *context;
};

static inline void heap_open(struct heap *heap)
{
    (void)heap;
}

static inline void heap_begin(struct heap *heap)
{
    heap->context = talloc_new(NULL);
}

static inline void *heap_take(struct heap *heap, size_t size)
{
    return talloc_size(heap->context, size);
}

static inline void heap_end(struct heap *heap, void **blocks, size_t count)
{
    (void)blocks;
    (void)count;
    talloc_free(heap->context);
}

static inline void heap_close(struct heap *heap)
{
    (void)heap;
}
