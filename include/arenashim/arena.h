/*
 * A bump allocator over one fixed buffer, and one such arena per thread.
 *
 * Allocation and reset are O(1) and spend no byte beside the memory asked for and its alignment
 * padding. There is no free: arena_reset, or arena_rewind to an arena_mark, gives memory back.
 * An allocation that does not fit returns NULL and changes nothing but the overflow count.
 *
 *     unsigned char buffer[4096];
 *     struct arena arena;
 *     arena_init(&arena, buffer, sizeof buffer);
 *     float *scores = arena_alloc_array(&arena, float, 100);
 *     ...
 *     arena_reset(&arena);
 *
 * Units: every size, capacity and offset is in bytes.
 * Errors: NULL, as said per function; errno is left alone (arena_thread: see there).
 * Threads: an arena has no lock and may be used by one thread at a time.
 *
 * AddressSanitizer: in code built with it, memory of an arena that is not allocated is poisoned:
 * an overrun of the newest allocation and a use after a reset or rewind are reported. See
 * arena_alloc(3) for what that asks of the program.
 *
 * Link with libarena.a. The functions are inline here and exist there as symbols, so that Rust,
 * Zig and others can call them over the C ABI. C99, C11 or C++11.
 */
#ifndef ARENASHIM_ARENA_H
#define ARENASHIM_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Read the fields through the functions; only `base` and `capacity` keep their meaning between
 * releases. Invariant: base <= next <= end = base + capacity. */
struct arena {
    unsigned char *base;     /* the caller's buffer */
    size_t capacity;         /* bytes in the buffer */
    uintptr_t next;          /* address behind the bytes in use, padding included */
    uintptr_t end;           /* address behind the buffer */
    size_t highest;          /* most bytes in use that reset or rewind went back from */
    uint64_t overflow_count; /* allocations refused for want of room */
};

/* A position in an arena, valid until the arena is rewound below it or reset. */
typedef size_t arena_position;

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN_
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN_
#endif
#endif

/* In C++ and under gnu89 rules `inline` alone would leave no or two external definitions. With
 * AddressSanitizer those in libarena.a, which may be built without, must not serve: only libarena.a
 * itself defines ARENA_EXTERNAL_. */
#if defined(ARENA_ASAN_) && !defined(ARENA_EXTERNAL_)
#define ARENA_INLINE_ static inline __attribute__((unused))
#elif defined(__cplusplus) || !defined(__GNUC_GNU_INLINE__)
#define ARENA_INLINE_ inline
#else
#define ARENA_INLINE_ extern inline
#endif

#ifdef ARENA_ASAN_
void __asan_poison_memory_region(void const volatile *start, size_t size);
void __asan_unpoison_memory_region(void const volatile *start, size_t size);
int __asan_address_is_poisoned(void const volatile *address);
const char *__asan_locate_address(void *address, char *name, size_t name_size, void **region,
                                  size_t *region_size);

/* Whether memory of the arena may be poisoned: not on a stack, where the poison would outlive the
 * function that has the buffer. Slow: tens of microseconds. */
ARENA_INLINE_ bool arena_may_poison_(const struct arena *arena)
{
    char name[1];
    void *region;
    size_t region_size;
    const char *kind;
    if (arena->capacity == 0)
        return false;
    kind = __asan_locate_address(arena->base, name, sizeof name, &region, &region_size);
    return !kind || kind[0] != 's' || kind[1] != 't'; /* "shadow" is something else */
}

ARENA_INLINE_ void arena_poison_all_(const struct arena *arena)
{
    if (arena_may_poison_(arena))
        __asan_poison_memory_region(arena->base, arena->capacity);
}

/* Before a rewind to `position`. What remains tells whether the arena is one that is poisoned, but
 * for a rest that may share its granule of 8 bytes with what follows the buffer. */
ARENA_INLINE_ void arena_poison_from_(const struct arena *arena, size_t position)
{
    size_t used = arena->next - (uintptr_t)arena->base;
    if (position < used &&
        (arena->capacity - used < 8 ? arena_may_poison_(arena)
                                    : __asan_address_is_poisoned(arena->base + used)))
        __asan_poison_memory_region(arena->base + position, used - position);
}

#define ARENA_POISON_ALL_(arena) arena_poison_all_(arena)
#define ARENA_POISON_FROM_(arena, position) arena_poison_from_((arena), (position))
#define ARENA_UNPOISON_(start, size) __asan_unpoison_memory_region((void *)(start), (size))
#else
#define ARENA_POISON_ALL_(arena) ((void)0)
#define ARENA_POISON_FROM_(arena, position) ((void)0)
#define ARENA_UNPOISON_(start, size) ((void)0)
#endif

/*
 * Makes `arena` an empty arena over `buffer`, which stays the caller's and must outlive it. The
 * buffer may have any alignment. A size of 0 (with any buffer, also NULL) gives an arena in which
 * every allocation of one byte or more overflows.
 */
ARENA_INLINE_ void arena_init(struct arena *arena, void *buffer, size_t size)
{
    arena->base = (unsigned char *)buffer;
    arena->capacity = buffer ? size : 0;
    arena->next = (uintptr_t)buffer;
    arena->end = arena->next + arena->capacity;
    arena->highest = 0;
    arena->overflow_count = 0;
    ARENA_POISON_ALL_(arena);
}

/* Counts a refused allocation. Out of line to keep arena_alloc small. Returns NULL. */
void *arena_refuse(struct arena *arena);

/*
 * Returns `size` bytes aligned to `alignment`, uninitialised, disjoint from every allocation made
 * since the last reset (or above the last rewind). `alignment` is a power of two; any other value
 * returns NULL and changes nothing. NULL when padding plus size exceeds what remains: nothing
 * changes but the overflow count, which goes up by one.
 *
 * A size of 0 returns an aligned address in the arena or one past its end, not to be dereferenced;
 * only padding is used up. In an arena without a buffer it returns NULL.
 */
ARENA_INLINE_ void *arena_alloc(struct arena *arena, size_t size, size_t alignment)
{
    if (__builtin_expect(alignment == 0 || (alignment & (alignment - 1)) != 0, 0))
        return NULL;
    uintptr_t start = arena->next + (alignment - 1);
    /* No buffer reaches into the last page of the address space. */
    if (__builtin_expect(alignment > 4096 && start < arena->next, 0))
        return arena_refuse(arena);
    start &= 0 - (uintptr_t)alignment;
    if (__builtin_expect(start > arena->end, 0))
        return arena_refuse(arena);
    if (__builtin_expect(size > arena->end - start, 0))
        return arena_refuse(arena);
    arena->next = start + size;
    ARENA_UNPOISON_(start, size);
    return (void *)start;
}

/* Room for `count` items of `item_size` bytes. A product that overflows size_t is refused like
 * any allocation that does not fit. Otherwise as arena_alloc. */
ARENA_INLINE_ void *arena_alloc_items(struct arena *arena, size_t item_size, size_t alignment,
                                      size_t count)
{
    size_t size;
    if (__builtin_expect(__builtin_mul_overflow(item_size, count, &size), 0))
        return arena_refuse(arena);
    return arena_alloc(arena, size, alignment);
}

/* Room for `count` objects of `type`, as a `type *`. */
#define arena_alloc_array(arena, type, count)                                                      \
    ((type *)arena_alloc_items((arena), sizeof(type), __alignof__(type), (count)))

/* The current position, for arena_rewind. */
ARENA_INLINE_ arena_position arena_mark(const struct arena *arena)
{
    return arena->next - (uintptr_t)arena->base;
}

/* Gives back everything allocated since `position` was taken. A position above the current offset
 * (it was taken before an earlier rewind or reset) changes nothing. O(1). */
ARENA_INLINE_ void arena_rewind(struct arena *arena, arena_position position)
{
    size_t used = arena_mark(arena);
    if (position > used)
        return;
    if (used > arena->highest)
        arena->highest = used;
    ARENA_POISON_FROM_(arena, position);
    arena->next = (uintptr_t)arena->base + position;
}

/* Gives back everything. The counters stay. O(1): no byte of the buffer is touched. */
ARENA_INLINE_ void arena_reset(struct arena *arena)
{
    arena_rewind(arena, 0);
}

/* Bytes not in use. An allocation of this size fits when no padding is needed. */
ARENA_INLINE_ size_t arena_remaining(const struct arena *arena)
{
    return arena->capacity - arena_mark(arena);
}

/* Bytes in use / capacity, from 0.0 to 1.0; 0.0 for an arena without capacity. */
ARENA_INLINE_ double arena_utilization(const struct arena *arena)
{
    return arena->capacity ? (double)arena_mark(arena) / (double)arena->capacity : 0.0;
}

/* The largest number of bytes ever in use at once, since arena_init. */
ARENA_INLINE_ size_t arena_high_water(const struct arena *arena)
{
    return arena_mark(arena) > arena->highest ? arena_mark(arena) : arena->highest;
}

/* The number of allocations refused for want of room (or a product that overflowed), since
 * arena_init. */
ARENA_INLINE_ uint64_t arena_overflow_count(const struct arena *arena)
{
    return arena->overflow_count;
}

/* ---- the thread's own arena ----------------------------------------------------------------- */

/* Capacity of a thread's arena unless arena_thread_set_capacity says otherwise: 1 MiB. */
#define ARENA_THREAD_CAPACITY ((size_t)1 << 20)

/*
 * The calling thread's arena, made at the first call and the same for the life of the thread; its
 * memory is mapped (not malloc'ed) and starts on a page. It is unmapped when the thread exits:
 * after the destructors of C++ thread_local objects, and after those of the thread's keys, except
 * for keys whose destructor has put itself off twice or more.
 *
 * NULL with errno ENOMEM when there is no memory for it, or once it has been unmapped; EAGAIN when
 * the process has no thread key left. A later call tries again. Not for signal handlers.
 */
struct arena *arena_thread(void);

/* Capacity, in bytes, of the arenas that threads make from now on; those made already keep
 * theirs. May be called from any thread. */
void arena_thread_set_capacity(size_t capacity);

/* arena_reset and arena_utilization of the calling thread's arena. A thread that has made none is
 * left without: reset does nothing, utilization is 0.0. */
void arena_thread_reset(void);
double arena_thread_utilization(void);

#if defined(ARENA_ASAN_) && !defined(ARENA_EXTERNAL_)
/* An arena that libarena.a has just made is not poisoned when libarena.a is built without
 * AddressSanitizer, nor is what it resets. */
ARENA_INLINE_ struct arena *arena_thread_poisoned_(void)
{
    struct arena *arena = arena_thread();
    if (arena && arena_mark(arena) == 0 && arena->highest == 0)
        __asan_poison_memory_region(arena->base, arena->capacity);
    return arena;
}

ARENA_INLINE_ void arena_thread_reset_poisoned_(void)
{
    if (arena_thread_utilization() > 0.0) /* so there is one */
        arena_reset(arena_thread());
}

#define arena_thread() arena_thread_poisoned_()
#define arena_thread_reset() arena_thread_reset_poisoned_()
#endif

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* ARENASHIM_ARENA_H */
