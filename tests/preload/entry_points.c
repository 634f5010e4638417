/*
 * Every allocation function of C, in a scope and out of one: where the block comes from, its
 * alignment, contents and usable size, and how impossible requests fail. One case per run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "expect.h"

/* Newer than the C library's headers, or no longer in them. All are the shim's. */
void free_sized(void *block, size_t size) __attribute__((weak));
void free_aligned_sized(void *block, size_t alignment, size_t size) __attribute__((weak));
void cfree(void *block) __attribute__((weak));

#define PAGE ((size_t)sysconf(_SC_PAGESIZE))

/* Ways to ask for a block; `align` is what it must then be aligned to. */
static void *by_malloc(size_t size, size_t align)
{
    (void)align;
    return malloc(size);
}

static void *by_calloc(size_t size, size_t align)
{
    (void)align;
    return calloc(1, size);
}

static void *by_realloc(size_t size, size_t align)
{
    (void)align;
    return realloc(opaque(NULL), size);
}

static void *by_reallocarray(size_t size, size_t align)
{
    (void)align;
    return reallocarray(opaque(NULL), 1, size);
}

static void *by_memalign(size_t size, size_t align)
{
    return memalign(align, size);
}

static void *by_aligned_alloc(size_t size, size_t align)
{
    return aligned_alloc(align, size);
}

static void *by_posix_memalign(size_t size, size_t align)
{
    void *block = NULL;
    int error = posix_memalign(&block, align, size);
    if (error != 0) {
        EXPECT(block == NULL);
        errno = error;
    }
    return block;
}

static void *by_valloc(size_t size, size_t align)
{
    (void)align;
    return valloc(size);
}

static void *by_pvalloc(size_t size, size_t align)
{
    (void)align;
    return pvalloc(size);
}

static const struct way {
    void *(*draw)(size_t size, size_t align);
    size_t align; /* 0: a page */
} ways[] = {
    {by_malloc, 16},         {by_calloc, 16},
    {by_realloc, 16},        {by_reallocarray, 16},
    {by_memalign, 16},       {by_memalign, 128},
    {by_memalign, 4096},     {by_aligned_alloc, 16},
    {by_aligned_alloc, 64},  {by_aligned_alloc, 1 << 16},
    {by_posix_memalign, 16}, {by_posix_memalign, 256},
    {by_valloc, 0},          {by_pvalloc, 0},
};
#define WAYS (sizeof ways / sizeof ways[0])

static void free_by_size(void *block, size_t size)
{
    if (free_sized)
        free_sized(block, size);
    else
        free(block);
}

static void free_by_alignment(void *block, size_t align, size_t size)
{
    if (free_aligned_sized)
        free_aligned_sized(block, align, size);
    else
        free(block);
}

/* The same block is never given twice while it lives, nothing is overwritten, and all of them come
 * from where they should. */
static void draw_all(bool routed)
{
    static const size_t sizes[] = {0, 1, 15, 16, 17, 24, 100, 4096, 5000};
    enum { COUNT = WAYS * sizeof sizes / sizeof sizes[0] };
    unsigned char *blocks[COUNT];
    size_t usable[COUNT];
    size_t n = 0;
    for (size_t w = 0; w < WAYS; w++) {
        size_t align = ways[w].align ? ways[w].align : PAGE;
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++, n++) {
            void *block = blocks[n] = opaque(ways[w].draw(opaque_size(sizes[s]), align));
            usable[n] = malloc_usable_size(block);
            EXPECT(block != NULL);
            EXPECT((uintptr_t)block % align == 0);
            EXPECT(in_arena(block) == routed);
            EXPECT(usable[n] >= sizes[s] && usable[n] > 0);
            if (ways[w].draw == by_calloc)
                EXPECT(zeroed(block, sizes[s]));
            if (ways[w].draw == by_pvalloc)
                EXPECT(usable[n] >= (sizes[s] + PAGE - 1) / PAGE * PAGE);
            /* All that is usable is the program's. */
            fill(block, usable[n], (unsigned)n);
        }
    }
    for (size_t i = 0; i < n; i++) {
        EXPECT(filled(blocks[i], usable[i], (unsigned)i));
        EXPECT(malloc_usable_size(blocks[i]) == usable[i]);
    }
    for (size_t i = 0; i < n; i++) {
        size_t size = sizes[i % (sizeof sizes / sizeof sizes[0])];
        errno = 4711;
        if (i % 4 == 0)
            free(blocks[i]);
        else if (i % 4 == 1 && cfree)
            cfree(blocks[i]);
        else if (i % 4 == 2)
            free_by_size(blocks[i], size);
        else
            free_by_alignment(blocks[i], ways[i / (sizeof sizes / sizeof sizes[0])].align, size);
        EXPECT(errno == 4711);
    }
}

static void blocks_in_scope(void)
{
    ARENA_SCOPE("all ways") {
        draw_all(true);
    }
}

/* After a scope and in a pause, as before any. */
static void blocks_out_of_scope(void)
{
    EXPECT(malloc(1) != NULL);
    draw_all(false);
    ARENA_SCOPE("short") {
        free(opaque(malloc(1)));
        ARENA_SCOPE_PAUSED
        {
            draw_all(false);
        }
    }
    draw_all(false);
}

/* calloc gives zeroes although the memory has been used before: below the cursor of an earlier
 * scope, in a stepped-back block, and partly above both. */
static void calloc_is_zeroed(void)
{
    for (size_t round = 1; round < 40; round++) {
        ARENA_SCOPE("dirty") {
            fill(opaque(malloc(round * 333)), round * 333, 1);
            void *last = opaque(malloc(round * 700));
            fill(last, round * 700, 2);
            free(last);
            unsigned char *block = opaque(calloc(round * 3, 350));
            EXPECT(in_arena(block) && zeroed(block, round * 3 * 350));
            fill(block, round * 3 * 350, 3);
            /* Grown and shrunk blocks have dirtied what lay past them. */
            block = opaque(realloc(block, round * 2000));
            fill(block, round * 2000, 4);
            block = opaque(realloc(block, 10));
            unsigned char *next = opaque(calloc(1, round * 1500));
            EXPECT(in_arena(next) && zeroed(next, round * 1500));
        }
        ARENA_SCOPE("next") {
            unsigned char *block = opaque(calloc(1, round * 4000));
            EXPECT(in_arena(block) && zeroed(block, round * 4000));
        }
    }
}

static void check_impossible(void *block, int error)
{
    EXPECT(block == NULL);
    EXPECT(errno == error);
    errno = 0;
}

/* Refused, with errno, and the next request is served from where it would have been. */
static void impossible_requests(void)
{
    static const size_t sizes[] = {PTRDIFF_MAX + (size_t)1, SIZE_MAX - 4096, SIZE_MAX - 15,
                                   SIZE_MAX - 8, SIZE_MAX};
    const size_t half = (size_t)1 << (sizeof half * 4);
    errno = 0;
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        size_t size = opaque_size(sizes[s]);
        for (size_t w = 0; w < WAYS; w++)
            check_impossible(ways[w].draw(size, ways[w].align ? ways[w].align : PAGE), ENOMEM);
        char *block = opaque(malloc(20));
        fill(block, 20, 5);
        check_impossible(realloc(block, size), ENOMEM);
        check_impossible(reallocarray(block, size, 2), ENOMEM);
        EXPECT(filled(block, 20, 5));
        free(block);
    }
    check_impossible(calloc(opaque_size(half), half), ENOMEM);
    check_impossible(calloc(opaque_size(half), half + 1), ENOMEM);
    check_impossible(calloc(SIZE_MAX / 2, opaque_size(3)), ENOMEM);
    check_impossible(reallocarray(NULL, opaque_size(half), half), ENOMEM);
    char *block = opaque(malloc(20));
    fill(block, 20, 6);
    check_impossible(reallocarray(block, opaque_size(half), half + 1), ENOMEM);
    EXPECT(filled(block, 20, 6));
    /* An alignment larger than any memory. */
    check_impossible(by_posix_memalign(16, opaque_size((size_t)1 << 63)), ENOMEM);
    EXPECT(memalign(opaque_size((size_t)1 << 63), 16) == NULL);
    errno = 0;
    /* posix_memalign leaves errno alone. */
    void *unchanged = block;
    errno = 4711;
    EXPECT(posix_memalign(&unchanged, 24, 8) == EINVAL && unchanged == block && errno == 4711);
    EXPECT(posix_memalign(&unchanged, 4, 8) == EINVAL && unchanged == block && errno == 4711);
    EXPECT(posix_memalign(&unchanged, 0, 8) == EINVAL && unchanged == block && errno == 4711);
    EXPECT(posix_memalign(&unchanged, 16, SIZE_MAX) == ENOMEM && unchanged == block);
    free(block);
}

static void impossible_in_scope(void)
{
    ARENA_SCOPE("impossible") {
        void *before = opaque(malloc(1));
        free(before);
        impossible_requests();
        EXPECT(opaque(malloc(1)) == before);
    }
}

/* An alignment that is no power of two: glibc's memalign rounds it up, and so does a scope. */
static void odd_alignments(void)
{
    ARENA_SCOPE("odd") {
        static const size_t odd[] = {0, 1, 3, 17, 48, 100};
        for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
            void *block = opaque(memalign(opaque_size(odd[i]), 8));
            EXPECT(in_arena(block) && (uintptr_t)block % 16 == 0);
            EXPECT((uintptr_t)block % 64 == 0 || odd[i] < 33);
            EXPECT((uintptr_t)block % 128 == 0 || odd[i] < 65);
        }
    }
}

/* aligned_alloc does with one what it does outside scopes: an error since glibc 2.38. */
static void odd_alignments_of_c11(void)
{
    static const size_t odd[] = {0, 3, 17, 48, 100, ((size_t)1 << 63) + 1};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        errno = 0;
        void *outside = opaque(aligned_alloc(opaque_size(odd[i]), 8));
        int error = errno;
        ARENA_SCOPE("odd") {
            EXPECT(in_arena(opaque(aligned_alloc(32, 8))));
            errno = 0;
            void *block = opaque(aligned_alloc(opaque_size(odd[i]), 8));
            EXPECT(!in_arena(block) && !block == !outside && errno == error);
            free(block);
        }
        free(outside);
    }
}

/* Null and zero. */
static void empty_requests(bool routed)
{
    void *a = opaque(malloc(opaque_size(0)));
    void *b = opaque(malloc(opaque_size(0)));
    void *c = opaque(calloc(opaque_size(0), 8));
    EXPECT(a && b && c && a != b && b != c && a != c);
    EXPECT(in_arena(a) == routed && in_arena(c) == routed);
    EXPECT(malloc_usable_size(a) > 0 && malloc_usable_size(NULL) == 0);
    errno = 4711;
    EXPECT(realloc(a, opaque_size(0)) == NULL);
    EXPECT(reallocarray(b, 7, opaque_size(0)) == NULL);
    EXPECT(errno == 4711);
    free(NULL);
    free_by_size(NULL, 8);
    free_by_alignment(NULL, 8, 8);
    if (cfree)
        cfree(NULL);
    EXPECT(errno == 4711);
    free(c);
}

static void empty_in_and_out(void)
{
    empty_requests(false);
    ARENA_SCOPE("empty") {
        empty_requests(true);
        /* realloc(p, 0) freed: the newest block's place is used again. */
        void *block = opaque(malloc(10));
        uintptr_t place = (uintptr_t)block;
        EXPECT(realloc(block, opaque_size(0)) == NULL);
        EXPECT((uintptr_t)opaque(malloc(10)) == place);
    }
}

/* A successful call leaves errno alone. */
static void errno_is_kept(void)
{
    ARENA_SCOPE("errno") {
        errno = 4711;
        void *block = opaque(malloc(100));
        void *more = opaque(calloc(10, 10));
        block = opaque(realloc(block, 500));
        EXPECT(errno == 4711);
        free(block);
        free(more);
        EXPECT(errno == 4711);
        block = opaque(malloc(4 << 20)); /* grows */
        EXPECT(block != NULL && errno == 4711);
        free(block);
        EXPECT(errno == 4711);
    }
    EXPECT(errno == 4711);
}

/* Blocks of many sizes, all filled, never touch each other: checked against what was written. */
static void many_blocks(void)
{
    enum { COUNT = 3000 };
    static unsigned char *blocks[COUNT];
    static size_t sizes[COUNT];
    uint32_t random = 4711;
    for (int round = 0; round < 3; round++) {
        ARENA_SCOPE("many") {
            memset(blocks, 0, sizeof blocks);
            for (int step = 0; step < 4 * COUNT; step++) {
                random = random * 1664525 + 1013904223;
                unsigned i = (random >> 8) % COUNT;
                size_t size = (random >> 4) % (step % 50 == 0 ? 20000 : 300);
                if (blocks[i])
                    EXPECT(filled(blocks[i], sizes[i], i));
                switch (blocks[i] ? random >> 30 : 3) {
                case 0:
                case 1:
                    free(blocks[i]);
                    blocks[i] = NULL;
                    break;
                case 2: {
                    size_t kept = size < sizes[i] ? size : sizes[i];
                    blocks[i] = realloc(blocks[i], size + 1);
                    EXPECT(filled(blocks[i], kept, i));
                    sizes[i] = size + 1;
                    fill(blocks[i], sizes[i], i);
                    break;
                }
                default:
                    if (blocks[i])
                        break;
                    blocks[i] = random >> 29 & 1 ? aligned_alloc(64, size) : malloc(size);
                    sizes[i] = size;
                    EXPECT(in_arena(blocks[i]));
                    fill(blocks[i], size, i);
                }
                if (expect_failures > 20)
                    return;
            }
        }
    }
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"blocks_in_scope", blocks_in_scope},
        {"blocks_out_of_scope", blocks_out_of_scope},
        {"calloc_is_zeroed", calloc_is_zeroed},
        {"impossible_in_scope", impossible_in_scope},
        {"impossible_out_of_scope", impossible_requests},
        {"odd_alignments", odd_alignments},
        {"odd_alignments_of_c11", odd_alignments_of_c11},
        {"empty_in_and_out", empty_in_and_out},
        {"errno_is_kept", errno_is_kept},
        {"many_blocks", many_blocks},
    };
    arena_learn();
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}
