/* A bump allocator by hand, the floor: it looks at alignment and limit, and nothing else. */
#include "bench/adapters/room.h"

#define ADAPTER_ALIGNMENT 16

struct heap {
    uintptr_t next;
    uintptr_t limit;
    unsigned char *room;
};

static inline void heap_open(struct heap *heap)
{
    heap->room = room_open();
    heap->limit = (uintptr_t)heap->room + ROOM;
}

static inline void heap_begin(struct heap *heap)
{
    heap->next = (uintptr_t)heap->room;
}

static inline void *heap_take(struct heap *heap, size_t size)
{
    uintptr_t start = (heap->next + ADAPTER_ALIGNMENT - 1) & ~(uintptr_t)(ADAPTER_ALIGNMENT - 1);
    if (start > heap->limit || size > heap->limit - start)
        return NULL;
    heap->next = start + size;
    return (void *)start;
}

static inline void heap_end(struct heap *heap, void **blocks, size_t count)
{
    (void)heap;
    (void)blocks;
    (void)count;
}

static inline void heap_close(struct heap *heap)
{
    free(heap->room);
}
