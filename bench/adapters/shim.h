/* malloc in a scope of the shim, which must be preloaded. With ADAPTER_FREES each block is freed,
 * too, in the order in which they were drawn. */
#include <arenashim/scope.h>

#define ADAPTER_ALIGNMENT 16

struct heap {
    arena_scope_token scope;
};

static inline void heap_begin(struct heap *heap)
{
    static const arena_scope_site site = {"work", __FILE__, __LINE__, 0};
    heap->scope = arena_scope_begin(&site);
}

static inline void *heap_take(struct heap *heap, size_t size)
{
    (void)heap;
    return malloc(size);
}

static inline void heap_end(struct heap *heap, void **blocks, size_t count)
{
#ifdef ADAPTER_FREES
    for (size_t i = 0; i < count; i++)
        free(blocks[i]);
#else
    (void)blocks;
    (void)count;
#endif
    arena_scope_end(heap->scope);
}

/* Without the shim no block would ever be given back. */
static inline void heap_open(struct heap *heap)
{
    heap_begin(heap);
    if (!arena_scope_active())
        errx(1, "libarenashim.so is not preloaded, or does not work");
    arena_scope_end(heap->scope);
}

static inline void heap_close(struct heap *heap)
{
    (void)heap;
}
