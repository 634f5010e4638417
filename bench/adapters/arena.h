/* libarena.a: arena_alloc, inline, and arena_reset. */
#include <arenashim/arena.h>

#include "bench/adapters/room.h"

#define ADAPTER_ALIGNMENT 16

struct heap {
    struct arena arena;
};

static inline void heap_open(struct heap *heap)
{
    arena_init(&heap->arena, room_open(), ROOM);
}

static inline void heap_begin(struct heap *heap)
{
    (void)heap;
}

static inline void *heap_take(struct heap *heap, size_t size)
{
    return arena_alloc(&heap->arena, size, ADAPTER_ALIGNMENT);
}

static inline void heap_end(struct heap *heap, void **blocks, size_t count)
{
    (void)blocks;
    (void)count;
    arena_reset(&heap->arena);
}

static inline void heap_close(struct heap *heap)
{
    free(heap->arena.base);
}
