/*
 * APR: a pool that the thread clears, with an allocator of its own, which needs no lock. (The other
 * idiom, a pool made and destroyed for each scope, is slower.) Blocks are aligned to 8 bytes.
 */
#include <apr_general.h>
#include <apr_pools.h>

#define ADAPTER_ALIGNMENT 8

struct heap {
    apr_pool_t *pool;
};

static inline void heap_open(struct heap *heap)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of apr_initialize */
    apr_allocator_t *allocator;
    pthread_mutex_lock(&lock);
    if (apr_initialize() != APR_SUCCESS || apr_allocator_create(&allocator) != APR_SUCCESS ||
        apr_pool_create_ex(&heap->pool, NULL, NULL, allocator) != APR_SUCCESS)
        errx(1, "APR has no pool");
    pthread_mutex_unlock(&lock);
    apr_allocator_owner_set(allocator, heap->pool);
}

static inline void heap_begin(struct heap *heap)
{
    (void)heap;
}

static inline void *heap_take(struct heap *heap, size_t size)
{
    return apr_palloc(heap->pool, size);
}

static inline void heap_end(struct heap *heap, void **blocks, size_t count)
{
    (void)blocks;
    (void)count;
    apr_pool_clear(heap->pool);
}

static inline void heap_close(struct heap *heap)
{
    apr_pool_destroy(heap->pool);
}
