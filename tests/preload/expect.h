/*
 * What the test programs share: expectations, values that the compiler cannot see through, and the
 * question whether a block lies in the calling process's arenas. Each program runs the case that
 * its first argument names and exits with 1 when an expectation fails.
 */
#ifndef TESTS_PRELOAD_EXPECT_H
#define TESTS_PRELOAD_EXPECT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arenashim/scope.h>

#ifndef __GLIBC__ /* the shim has it, and musl has not */
#include <dlfcn.h>
static inline int malloc_trim(size_t pad)
{
    int (*shims)(size_t) = (int (*)(size_t))dlsym(RTLD_DEFAULT, "malloc_trim");
    return shims ? shims(pad) : 0;
}
#endif

static int expect_failures;

/* Emulators have memory of their own, which a process is said to have, too. */
#define EXPECT_MEMORY(condition) EXPECT(getenv("EMULATED") || (condition))

#define EXPECT(condition)                                                                          \
    ((condition) ? (void)0                                                                         \
                 : (void)(expect_failures++,                                                       \
                          fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition)))

/* Hides a value from the optimizer, which knows what malloc and free do. */
static inline void *opaque(void *pointer)
{
    __asm__ volatile("" : "+r"(pointer) : : "memory");
    return pointer;
}

static inline size_t opaque_size(size_t size)
{
    __asm__ volatile("" : "+r"(size));
    return size;
}

/* The lowest address that the first arena hands out; 0 before arena_learn or without the shim. */
static uintptr_t arena_first;

/* To be called before the first other scope, in the first thread that has one, by a program whose
 * calls are routed. */
static inline void arena_learn(void)
{
    arena_scope_token token = arena_scope_begin(NULL);
    void *first = opaque(malloc(1));
    void *kept = opaque(arena_scope_keep(first));
    /* Only blocks of an arena move. */
    if (kept != first)
        arena_first = (uintptr_t)first - 8;
    free(kept);
    arena_scope_end(token);
}

/* With the default limit the region is 2 TiB of address space and the first arena its beginning.
 * The libraries, mapped before it, lie above its end; later mappings and the heap below. */
static inline int in_arena(const void *block)
{
    return arena_first != 0 && (uintptr_t)block - arena_first < (uintptr_t)1 << 41;
}

/* Fills a block with bytes that depend on the seed, and says whether they are still there. */
static inline void fill(void *block, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)block)[i] = (unsigned char)(seed + i * 7);
}

static inline int filled(const void *block, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        if (((const unsigned char *)block)[i] != (unsigned char)(seed + i * 7))
            return 0;
    return 1;
}

static inline int zeroed(const void *block, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (((const unsigned char *)block)[i] != 0)
            return 0;
    return 1;
}

struct test_case {
    const char *name;
    void (*run)(void);
};

/* With no argument the names are printed, one a line. */
static inline int run_case(const struct test_case *cases, size_t count, int argc, char **argv)
{
    for (size_t i = 0; i < count; i++) {
        if (argc < 2)
            puts(cases[i].name);
        else if (strcmp(argv[1], cases[i].name) == 0) {
            cases[i].run();
            return expect_failures > 0;
        }
    }
    return argc < 2 ? 0 : 2;
}

#endif
