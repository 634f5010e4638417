/*
 * A program with arenas for AddressSanitizer: poison CASE. `correct` is, every other case has one
 * access that must be reported, on the line that is marked with its name. C and C++.
 */
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arenashim/arena.h"

enum { CAPACITY = 1 << 12 };

static struct arena arena;
static unsigned char buffer[CAPACITY];
static int failures;

#define EXPECT(condition)                                                                          \
    ((condition) ? (void)0 : (void)(failures++, fprintf(stderr, "not %s\n", #condition)))

static volatile unsigned char *take(struct arena *from, size_t size)
{
    unsigned char *block = (unsigned char *)arena_alloc(from, size, 1);
    if (!block)
        abort();
    memset(block, 1, size);
    return block;
}

static void overrun(void)
{
    arena_init(&arena, malloc(CAPACITY), CAPACITY);
    volatile unsigned char *block = take(&arena, 13);
    block[13] = 1; /* overrun */
}

static void overrun_of_global(void)
{
    arena_init(&arena, buffer, CAPACITY);
    volatile unsigned char *block = take(&arena, 13);
    block[13] = 1; /* overrun_of_global */
}

static void overrun_of_items(void)
{
    arena_init(&arena, malloc(CAPACITY), CAPACITY);
    volatile int *items = arena_alloc_array(&arena, int, 3);
    items[3] = 1; /* overrun_of_items */
}

static void after_reset(void)
{
    arena_init(&arena, malloc(CAPACITY), CAPACITY);
    volatile unsigned char *block = take(&arena, 100);
    arena_reset(&arena);
    block[0] = 1; /* after_reset */
}

static void after_reset_when_full(void)
{
    arena_init(&arena, buffer, CAPACITY);
    volatile unsigned char *block = take(&arena, CAPACITY);
    arena_reset(&arena);
    block[CAPACITY - 1] = 1; /* after_reset_when_full */
}

static void after_rewind(void)
{
    arena_init(&arena, malloc(CAPACITY), CAPACITY);
    volatile unsigned char *kept = take(&arena, 11);
    arena_position position = arena_mark(&arena);
    volatile unsigned char *block = take(&arena, 100);
    arena_rewind(&arena, position);
    kept[10] = 1;
    block[0] = 1; /* after_rewind */
}

static void overrun_in_thread(void)
{
    volatile unsigned char *block = take(arena_thread(), 100);
    block[100] = 1; /* overrun_in_thread */
}

static void after_thread_reset(void)
{
    volatile unsigned char *block = take(arena_thread(), 100);
    arena_thread_reset();
    block[0] = 1; /* after_thread_reset */
}

/* ---- nothing to report ------------------------------------------------------------------------
 */

__attribute__((noinline)) static void on_the_stack(void)
{
    unsigned char own[CAPACITY];
    struct arena local;
    arena_init(&local, own, sizeof own);
    take(&local, 100);
    arena_position position = arena_mark(&local);
    take(&local, CAPACITY - 100);
    arena_rewind(&local, position);
    arena_reset(&local);
}

/* Where the frame of on_the_stack was, without variables that reset what is poisoned. */
__attribute__((noinline)) static void on_the_stack_after(void)
{
    volatile unsigned char own[2 * CAPACITY];
    for (size_t i = 0; i < sizeof own; i++)
        own[i] = 1;
    EXPECT(!__asan_region_is_poisoned((void *)own, sizeof own));
}

static void *in_thread(void *place)
{
    struct arena *own = arena_thread();
    EXPECT(own && arena_thread() == own);
    take(own, 100);
    EXPECT(arena_thread() == own);
    *(unsigned char **)place = own->base;
    return place;
}

static void in_threads(void)
{
    pthread_t thread;
    unsigned char *place = NULL;
    arena_thread_reset();
    EXPECT(arena_thread_utilization() == 0.0);
    EXPECT(pthread_create(&thread, NULL, in_thread, &place) == 0);
    pthread_join(thread, NULL);
    EXPECT(place && !__asan_region_is_poisoned(place, ARENA_THREAD_CAPACITY));
}

static void correct(void)
{
    unsigned char *heap = (unsigned char *)malloc(CAPACITY);
    arena_init(&arena, heap, CAPACITY);
    for (size_t size = 0; size < 50; size++)
        take(&arena, size);
    arena_reset(&arena);
    take(&arena, CAPACITY);
    arena_reset(&arena);
    free(heap);

    arena_init(&arena, NULL, 0);
    arena_reset(&arena);
    EXPECT(!arena_alloc(&arena, 1, 1));

    /* Three arenas, in granules that they share. */
    struct arena arenas[3];
    for (size_t i = 0; i < 3; i++)
        arena_init(&arenas[i], buffer + 13 * i, 13);
    for (size_t round = 0; round < 50; round++) {
        for (size_t i = 0; i < 3; i++)
            memset((void *)take(&arenas[i], 1), 1, 1);
        if (round % 13 >= 9)
            arena_reset(&arenas[round % 3]);
        for (size_t i = 0; i < 3; i++)
            if (arena_remaining(&arenas[i]) == 0)
                arena_reset(&arenas[i]);
        for (size_t i = 0; i < 3; i++)
            for (size_t used = 13 - arena_remaining(&arenas[i]); used > 0; used--)
                EXPECT(arenas[i].base[used - 1] == 1);
    }
    buffer[39] = 1; /* behind the last */

    /* How a buffer goes back to other uses. */
    arena_init(&arena, buffer, CAPACITY);
    take(&arena, 100);
    arena_reset(&arena);
    arena_alloc(&arena, CAPACITY, 1);
    memset(buffer, 0, CAPACITY);

    on_the_stack();
    on_the_stack_after();
    in_threads();
    puts("works");
}

#define CASE(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {
        CASE(overrun),           CASE(overrun_of_global),  CASE(overrun_of_items),
        CASE(after_reset),       CASE(after_rewind),       CASE(after_reset_when_full),
        CASE(overrun_in_thread), CASE(after_thread_reset), CASE(correct),
    };
    for (size_t i = 0; argc == 2 && i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(cases[i].name, argv[1]) == 0) {
            cases[i].run();
            return failures > 0;
        }
    }
    return 2;
}
