/*
 * Arenas that run full. Sizes are for ARENASHIM_CAPACITY=256K unless a case says otherwise.
 * overflow CASE; the script knows under which policy.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"

enum { CAPACITY = 256 << 10 };

/* In the first arena: with another ARENASHIM_LIMIT the region's size is not what expect.h knows. */
static int in_first_arena(const void *block, size_t limit)
{
    return (uintptr_t)block - arena_first < limit;
}

static size_t resident(void)
{
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    EXPECT(statm && fscanf(statm, "%*d %ld", &pages) == 1);
    fclose(statm);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Grows by 64 MiB, in nested scopes; after the outermost end it is gone, and so again. */
static void grow_and_return(void)
{
    for (int round = 0; round < 3; round++) {
        size_t before = resident();
        ARENA_SCOPE("grow") {
            unsigned char *last = NULL;
            ARENA_SCOPE("inner") {
                for (int i = 0; i < 64; i++) {
                    unsigned char *block = opaque(malloc(1 << 20));
                    EXPECT(in_arena(block) && (!last || block > last));
                    memset(block, i, 1 << 20);
                    EXPECT(!last || (last[0] == i - 1 && last[(1 << 20) - 1] == i - 1));
                    last = block;
                }
                EXPECT(resident() > before + (60 << 20));
            }
        }
        EXPECT(resident() < before + (4 << 20));
        ARENA_SCOPE("after") {
            /* What went back to the kernel is zero, and calloc knows. */
            unsigned char *block = opaque(calloc(1, 1 << 20));
            EXPECT(in_arena(block) && zeroed(block, 1 << 20));
        }
    }
}

/* The memory within the capacity stays. */
static void capacity_is_kept(void)
{
    ARENA_SCOPE("warm")
        memset(opaque(malloc(CAPACITY / 2)), 1, CAPACITY / 2);
    size_t warm = resident();
    ARENA_SCOPE("grown")
        memset(opaque(malloc(CAPACITY * 8)), 1, CAPACITY * 8);
    EXPECT(resident() < warm + (CAPACITY * 2));
    EXPECT(resident() + CAPACITY / 4 > warm);
}

/* ARENASHIM_OVERFLOW=fallback, or grow past a limit of 1 MiB: the block is the next allocator's,
 * aligned as asked for, and lives until freed; the arena serves what still fits. */
static void *spilled[6];

static void fall_back(size_t limit, size_t align)
{
    /* Memory that the next allocator has given out before, so that its blocks are not zero by
     * chance. */
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    void *dirty = opaque(malloc(limit * 16));
    memset(dirty, 0xa5, limit * 16);
    free(opaque(dirty));
    ARENA_SCOPE("fallback") {
        char *small = opaque(malloc(1000));
        EXPECT(in_first_arena(small, limit) && (uintptr_t)small % align == 0);
        fill(small, 1000, 1);
        spilled[0] = opaque(malloc(limit));
        spilled[1] = opaque(calloc(2, limit / 2));
        spilled[2] = opaque(realloc(opaque(malloc(10)), limit));
        spilled[3] = opaque(aligned_alloc(512, limit));
        spilled[4] = opaque(reallocarray(NULL, 3, limit));
        EXPECT(posix_memalign(&spilled[5], 1024, limit) == 0);
        EXPECT(zeroed(spilled[1], limit));
        EXPECT((uintptr_t)spilled[3] % 512 == 0 && (uintptr_t)spilled[5] % 1024 == 0);
        for (int i = 0; i < 6; i++) {
            EXPECT(spilled[i] && !in_first_arena(spilled[i], limit));
            EXPECT((uintptr_t)spilled[i] % align == 0);
            EXPECT(malloc_usable_size(spilled[i]) >= limit);
            fill(spilled[i], limit, (unsigned)i);
        }
        EXPECT(in_first_arena(opaque(malloc(1000)), limit));
        EXPECT(filled(small, 1000, 1));
        free(spilled[0]);
    }
    ARENA_SCOPE("overwrite")
        memset(opaque(malloc(limit / 2)), 7, limit / 2);
    for (int i = 1; i < 6; i++) {
        EXPECT(filled(spilled[i], limit, (unsigned)i));
        free(spilled[i]);
    }
}

static void fallback(void)
{
    fall_back(CAPACITY, 16);
}

static void fallback_aligned(void)
{
    fall_back(CAPACITY, 64);
}

static void past_limit(void)
{
    ARENA_SCOPE("up to the limit")
        EXPECT(in_first_arena(opaque(malloc(900 << 10)), 1 << 20));
    fall_back(1 << 20, 16);
}

/* ARENASHIM_OVERFLOW=error: NULL, ENOMEM, and the arena as before. */
static void error(void)
{
    ARENA_SCOPE("error") {
        char *before = opaque(malloc(1000));
        fill(before, 1000, 1);
        void *unchanged = before;
        errno = 0;
        EXPECT(opaque(malloc(CAPACITY)) == NULL && errno == ENOMEM);
        errno = 0;
        EXPECT(opaque(calloc(CAPACITY, 2)) == NULL && errno == ENOMEM);
        errno = 0;
        EXPECT(opaque(realloc(before, CAPACITY)) == NULL && errno == ENOMEM);
        errno = 0;
        EXPECT(opaque(aligned_alloc(64, CAPACITY)) == NULL && errno == ENOMEM);
        errno = 0;
        EXPECT(posix_memalign(&unchanged, 64, CAPACITY) == ENOMEM && unchanged == before);
        opaque(NULL); /* compilers take for granted what is tested here */
        EXPECT(errno == 0);
        EXPECT(filled(before, 1000, 1));
        /* The offset is unchanged: the next block lies right behind. */
        char *next = opaque(malloc(1000));
        EXPECT(next > before && next < before + 1100);
        free(next);
        /* And the rest can be used up to the last byte: header and block end at the capacity. */
        size_t left = CAPACITY - (size_t)(next - ((char *)arena_first + 8)) - 24;
        EXPECT(opaque(malloc(left + 1)) == NULL);
        next = opaque(malloc(left));
        EXPECT(next != NULL);
        fill(next, left, 2);
        EXPECT(opaque(malloc(1)) == NULL && filled(before, 1000, 1));
    }
    ARENA_SCOPE("again")
        EXPECT(opaque(malloc(CAPACITY / 2)) != NULL);
    EXPECT(opaque(malloc(CAPACITY)) != NULL);
}

/* An arena ends in inaccessible memory, and begins behind such: an overrun does
 * not reach another thread's arena, nor the shim's own records. */
static int child_dies(volatile unsigned char *block, size_t far, int step)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        for (size_t i = 0; i < far; i++)
            block[step * (ptrdiff_t)i] = 1;
        _exit(0);
    }
    EXPECT(child > 0 && waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static void guarded(void)
{
    ARENA_SCOPE("guarded") {
        unsigned char *first = opaque(malloc(1000));
        unsigned char *last = opaque(malloc(200 << 10));
        EXPECT(!child_dies(last, 200 << 10, 1));
        EXPECT(child_dies(last, CAPACITY + 4096, 1));
        EXPECT(child_dies(first, 2 * 4096, -1));
    }
}

static pthread_barrier_t barrier;

static void *neighbour(void *unused)
{
    ARENA_SCOPE("neighbour") {
        opaque(malloc(1));
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
    }
    return unused;
}

/* In a region too small for the limit (ulimit -v) an arena grows right up to the next one. */
static void guarded_when_full(void)
{
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    ARENA_SCOPE("full") {
        unsigned char *last = NULL, *next = opaque(malloc(1000));
        EXPECT(pthread_create(&thread, NULL, neighbour, NULL) == 0);
        pthread_barrier_wait(&barrier);
        /* The first block that does not lie behind the last one is the next allocator's. */
        while (!last || (next > last && next < last + 1100)) {
            last = next;
            next = opaque(malloc(1000));
        }
        EXPECT(child_dies(last, 3 * 4096, 1));
        pthread_barrier_wait(&barrier);
        pthread_join(thread, NULL);
    }
}

static void aborting(void)
{
    ARENA_SCOPE("aborting") {
        puts("before");
        fflush(stdout);
        fill(opaque(malloc(4711 << 10)), 1, 1);
        puts("after");
    }
}

/* ARENASHIM_ALIGN=64: every block, and its memory does not overlap. */
static void aligned(void)
{
    ARENA_SCOPE("aligned") {
        unsigned char *blocks[200];
        for (size_t i = 0; i < 200; i++) {
            switch (i % 5) {
            case 0:
                blocks[i] = opaque(malloc(i));
                break;
            case 1:
                blocks[i] = opaque(calloc(1, i));
                break;
            case 2:
                blocks[i] = opaque(realloc(opaque(malloc(1)), i));
                break;
            case 3:
                blocks[i] = opaque(aligned_alloc(16, i));
                break;
            default:
                blocks[i] = opaque(reallocarray(NULL, 1, i));
            }
            EXPECT(in_arena(blocks[i]) && (uintptr_t)blocks[i] % 64 == 0);
            fill(blocks[i], malloc_usable_size(blocks[i]), (unsigned)i);
        }
        for (size_t i = 0; i < 200; i++)
            EXPECT(filled(blocks[i], malloc_usable_size(blocks[i]), (unsigned)i));
        void *kept = arena_scope_keep(blocks[100]);
        EXPECT(!in_arena(kept) && (uintptr_t)kept % 64 == 0);
        free(kept);
    }
}

/* A mixed load of about 800 KiB at its largest, for the recommended capacity. */
static void mixed(void)
{
    for (int round = 0; round < 3; round++) {
        ARENA_SCOPE("mixed") {
            for (int i = 0; i < 50; i++) {
                opaque(malloc((size_t)i * 100));
                opaque(aligned_alloc(256, 1000));
                ARENA_SCOPE("inner") {
                    opaque(calloc(10, 3000));
                    free(opaque(malloc(5000)));
                }
            }
            opaque(malloc(600000));
        }
    }
}

/* Blocks that grow. Once one of them has gone to the next allocator its further growth is not seen,
 * so this is for arenas that grow. */
static void growing(void)
{
    ARENA_SCOPE("growing") {
        void *block = NULL;
        for (size_t size = 1000; size < 1000000; size *= 2) {
            block = opaque(realloc(block, size));
            if (size > 100000)
                opaque(malloc(10));
        }
        opaque(malloc(600000));
    }
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"grow_and_return", grow_and_return},
        {"capacity_is_kept", capacity_is_kept},
        {"fallback", fallback},
        {"fallback_aligned", fallback_aligned},
        {"past_limit", past_limit},
        {"error", error},
        {"guarded", guarded},
        {"guarded_when_full", guarded_when_full},
        {"aborting", aborting},
        {"aligned", aligned},
        {"mixed", mixed},
        {"growing", growing},
    };
    arena_learn();
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}
