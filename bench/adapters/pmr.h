/* C++: std::pmr::monotonic_buffer_resource over a buffer as large as the shim's default capacity,
 * and release(). */
#include <memory_resource>

#include "bench/adapters/room.h"

#define ADAPTER_ALIGNMENT 16

struct heap {
    std::pmr::monotonic_buffer_resource *resource;
    unsigned char *room;
};

static inline void heap_open(struct heap *heap)
{
    heap->room = room_open();
    heap->resource = new std::pmr::monotonic_buffer_resource(heap->room, ROOM);
}

static inline void heap_begin(struct heap *heap)
{
    (void)heap;
}

static inline void *heap_take(struct heap *heap, size_t size)
{
    return heap->resource->allocate(size, ADAPTER_ALIGNMENT);
}

static inline void heap_end(struct heap *heap, void **blocks, size_t count)
{
    (void)blocks;
    (void)count;
    heap->resource->release();
}

static inline void heap_close(struct heap *heap)
{
    delete heap->resource;
    free(heap->room);
}
