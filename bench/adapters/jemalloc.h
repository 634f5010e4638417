/*
 * jemalloc: an arena that the thread has to itself, emptied by "arena.<i>.reset". Blocks come from
 * malloc, while "thread.arena" says so; the thread's cache is off, because it must not hold blocks
 * of the arena at a reset, nor bring other blocks into the scope. With ADAPTER_MALLOCX they come
 * from mallocx, each call of which names the arena: that is faster, but the program calls something
 * else.
 */
#include <jemalloc/jemalloc.h>

#define ADAPTER_ALIGNMENT 16

struct heap {
    unsigned arena;
    unsigned before; /* the thread's arena outside scopes */
    size_t enter[2]; /* "thread.arena" */
    size_t reset[3]; /* "arena.<i>.reset" */
};

static inline void heap_control(int error)
{
    if (error != 0)
        errx(1, "mallctl: %s", strerror(error));
}

static inline void heap_open(struct heap *heap)
{
    bool is_cached = false;
    size_t size = sizeof heap->arena, enter = 2, reset = 3;
    heap_control(mallctl("thread.tcache.enabled", NULL, NULL, &is_cached, sizeof is_cached));
    heap_control(mallctl("arenas.create", &heap->arena, &size, NULL, 0));
    heap_control(mallctlnametomib("thread.arena", heap->enter, &enter));
    heap_control(mallctlnametomib("arena.0.reset", heap->reset, &reset));
    heap->reset[1] = heap->arena;
}

static inline void heap_begin(struct heap *heap)
{
#ifdef ADAPTER_MALLOCX
    (void)heap;
#else
    size_t size = sizeof heap->before;
    heap_control(mallctlbymib(heap->enter, 2, &heap->before, &size, &heap->arena, size));
#endif
}

static inline void *heap_take(struct heap *heap, size_t size)
{
#ifdef ADAPTER_MALLOCX
    return mallocx(size, MALLOCX_ARENA(heap->arena) | MALLOCX_TCACHE_NONE);
#else
    (void)heap;
    return malloc(size);
#endif
}

static inline void heap_end(struct heap *heap, void **blocks, size_t count)
{
    (void)blocks;
    (void)count;
#ifndef ADAPTER_MALLOCX
    heap_control(mallctlbymib(heap->enter, 2, NULL, NULL, &heap->before, sizeof heap->before));
#endif
    heap_control(mallctlbymib(heap->reset, 3, NULL, NULL, NULL, 0));
}

static inline void heap_close(struct heap *heap)
{
    (void)heap;
}
