/*
 * Threads that come and go: destructors in every round, cancellation, thousands of short ones, a
 * thousand at once, and blocks that other threads free and resize. One case per run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <unistd.h>

#include "expect.h"

/* Resident memory of the process, in KiB. Draws nothing. */
static long resident(void)
{
    char line[200];
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || !fgets(line, sizeof line, file) || sscanf(line, "%*d %ld", &pages) != 1)
        EXPECT(!"statm");
    if (file)
        fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static pthread_t started(void *(*body)(void *), void *argument, size_t stack_size)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack_size);
    if (pthread_create(&thread, &attributes, body, argument) != 0)
        _exit(77);
    pthread_attr_destroy(&attributes);
    return thread;
}

/* ---- destructors ------------------------------------------------------------------------------
 */

enum { THREADS = 20, KEYS = 3 };

static pthread_key_t keys[KEYS];
static __thread arena_scope_token open_token;
static __thread unsigned char *scope_block;
static __thread unsigned char *other_block;
static int rounds;

/* Asks to be called again in every round that the C library grants. */
static void destroy(void *value)
{
    /* The scope is closed by now, or is here; its block may be freed either way. */
    if (open_token.id != 0)
        arena_scope_end(open_token);
    open_token.id = 0;
    free(scope_block);
    scope_block = NULL;
    EXPECT(filled(other_block, 100, 1));
    unsigned char *grown = opaque(realloc(other_block, 5000));
    EXPECT(filled(grown, 100, 1));
    other_block = opaque(malloc(100));
    memcpy(other_block, grown, 100);
    free(grown);
    ARENA_SCOPE("destructor") {
        unsigned char *block = opaque(calloc(1, 300));
        EXPECT(zeroed(block, 300));
        fill(block, 300, 2);
        block = opaque(realloc(block, 3000));
        EXPECT(filled(block, 300, 2));
    }
    __atomic_fetch_add(&rounds, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < KEYS; i++)
        if (value == &keys[i])
            pthread_setspecific(keys[i], value);
}

static void *with_keys(void *unused)
{
    other_block = opaque(malloc(100));
    fill(other_block, 100, 1);
    for (int i = 0; i < KEYS; i++)
        pthread_setspecific(keys[i], &keys[i]);
    open_token = arena_scope_begin(NULL);
    scope_block = opaque(malloc(100));
    EXPECT(in_arena(scope_block));
    return unused;
}

static void key_rounds(void)
{
    for (int i = 0; i < KEYS; i++)
        EXPECT(pthread_key_create(&keys[i], destroy) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(started(with_keys, NULL, 64 << 10), NULL);
    EXPECT(rounds == THREADS * KEYS * PTHREAD_DESTRUCTOR_ITERATIONS);
}

/* ---- cancellation ------------------------------------------------------------------------------
 */

static volatile int working;

/* In the midst of the shim, as a rule: no call here may hold a lock. */
static void *work_until_cancelled(void *argument)
{
    int old;
    arena_scope_begin(NULL);
    opaque(malloc(100));
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
    working = 1;
    for (;;) {
        arena_scope_token token = arena_scope_begin(NULL);
        opaque(malloc(100));
        opaque(aligned_alloc(64, 256)); /* by the slow path */
        free(opaque(malloc(50)));
        arena_scope_end(token);
    }
    return argument;
}

static void *work_once(void *argument)
{
    ARENA_SCOPE("after a cancelled thread") {
        unsigned char *block = opaque(aligned_alloc(64, 256));
        EXPECT(in_arena(block) && in_arena(opaque(malloc(100))));
        fill(block, 256, 1);
        block = opaque(realloc(block, 1000));
        EXPECT(in_arena(block) && filled(block, 256, 1));
        EXPECT(in_arena(opaque(malloc(2 << 20))));
    }
    return argument;
}

/* The next thread that has the arena finds nothing of the cancelled one. */
static void cancelled_at_work(void)
{
    for (int i = 0; i < 200; i++) {
        working = 0;
        pthread_t thread = started(work_until_cancelled, NULL, 64 << 10);
        while (!working)
            sched_yield();
        for (volatile int wait = 0; wait < i * 50; wait++)
            continue;
        EXPECT(pthread_cancel(thread) == 0 && pthread_join(thread, NULL) == 0);
        pthread_join(started(work_once, NULL, 64 << 10), NULL);
    }
}

static void *leave_by_exit(void *number)
{
    arena_scope_begin(NULL);
    opaque(malloc(100));
    arena_scope_pause();
    arena_scope_begin(NULL);
    opaque(malloc(2 << 20));
    pthread_exit(number);
}

static void by_pthread_exit(void)
{
    for (uintptr_t i = 0; i < 100; i++) {
        void *result;
        pthread_join(started(leave_by_exit, (void *)i, 64 << 10), &result);
        EXPECT((uintptr_t)result == i);
        pthread_join(started(work_once, NULL, 64 << 10), NULL);
    }
}

/* ---- numbers ----------------------------------------------------------------------------------
 */

static uintptr_t first_place;

static void *brief(void *argument)
{
    ARENA_SCOPE("brief") {
        unsigned char *block = opaque(calloc(1, 20000));
        EXPECT(in_arena(block) && zeroed(block, 20000));
        memset(block, 1, 20000);
        /* The slot that the thread before had. */
        if (first_place == 0)
            first_place = (uintptr_t)block;
        EXPECT((uintptr_t)block == first_place);
    }
    return argument;
}

/* 10,000 short threads in a row use the same slot again, and what is resident stays. */
static void ten_thousand(void)
{
    for (int i = 0; i < 100; i++)
        pthread_join(started(brief, NULL, 64 << 10), NULL);
    long before = resident();
    for (int i = 100; i < 10000; i++)
        pthread_join(started(brief, NULL, 64 << 10), NULL);
    long grown = resident() - before;
    EXPECT_MEMORY(grown < 1000);
    if (expect_failures > 0)
        fprintf(stderr, "%ld KiB more\n", grown);
}

enum { MANY = 1000, TOUCHED = 200000 };

static pthread_barrier_t barrier;

static void *hold(void *number)
{
    unsigned seed = (unsigned)(uintptr_t)number;
    ARENA_SCOPE("hold") {
        unsigned char *block = opaque(malloc(TOUCHED));
        EXPECT(in_arena(block));
        memset(block, (int)(seed % 255), TOUCHED);
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
        EXPECT(block[0] == seed % 255 && block[TOUCHED - 1] == seed % 255);
    }
    return NULL;
}

static void a_thousand(pthread_t *threads, long *at_most)
{
    for (uintptr_t i = 0; i < MANY; i++)
        threads[i] = started(hold, (void *)i, 64 << 10);
    pthread_barrier_wait(&barrier);
    *at_most = resident();
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < MANY; i++)
        pthread_join(threads[i], NULL);
}

/* A thousand arenas at once, twice: when the threads are gone so is their memory but for the
 * statistics, and the second thousand adds nothing. */
static void thousand_at_once(void)
{
    static pthread_t threads[MANY];
    long at_most;
    pthread_barrier_init(&barrier, NULL, MANY + 1);
    long before = resident();
    a_thousand(threads, &at_most);
    long after = resident();
    EXPECT(at_most - before > (long)MANY * TOUCHED / 1024);
    EXPECT_MEMORY(after - before < MANY * 24L);
    a_thousand(threads, &at_most);
    long again = resident();
    EXPECT_MEMORY(again - after < (at_most - before) / 50);
    if (expect_failures > 0)
        fprintf(stderr, "%ld, at most %ld, %ld, %ld KiB\n", before, at_most, after, again);
}

/* ---- other threads' blocks --------------------------------------------------------------------
 */

enum { BLOCKS = 100 };

static unsigned char *blocks[BLOCKS];

static size_t block_size(unsigned i)
{
    return i * 37 % 3000 + 1;
}

static void *own_blocks(void *unused)
{
    ARENA_SCOPE("owner") {
        for (unsigned i = 0; i < BLOCKS; i++) {
            blocks[i] = opaque(malloc(block_size(i)));
            fill(blocks[i], block_size(i), i);
        }
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier); /* others are done with them */
        /* What they freed and moved is still as it was. */
        for (unsigned i = 0; i < BLOCKS; i++)
            EXPECT(filled(blocks[i], block_size(i), i));
    }
    return unused;
}

/* What other threads do with the blocks of a living owner. */
static void *use_blocks(void *unused)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        size_t size = block_size(i);
        EXPECT(malloc_usable_size(blocks[i]) >= size);
        EXPECT(malloc_usable_size(blocks[i]) < size + 32);
        errno = 4711;
        if (i % 3 == 0) {
            free(blocks[i]);
        } else {
            size_t wanted = i % 3 == 1 ? size * 2 : size / 2 + 1;
            unsigned char *moved;
            if (i % 2 == 0) {
                moved = opaque(realloc(blocks[i], wanted));
                EXPECT(!in_arena(moved));
                EXPECT(filled(moved, size < wanted ? size : wanted, i));
                free(moved);
            } else {
                ARENA_SCOPE("user") {
                    moved = opaque(realloc(blocks[i], wanted));
                    EXPECT(in_arena(moved));
                    EXPECT(filled(moved, size < wanted ? size : wanted, i));
                }
            }
        }
        EXPECT(errno == 4711);
    }
    return unused;
}

static void during_the_owners_life(void)
{
    pthread_barrier_init(&barrier, NULL, 2);
    for (int round = 0; round < 20; round++) {
        pthread_t owner = started(own_blocks, NULL, 64 << 10);
        pthread_barrier_wait(&barrier);
        pthread_join(started(use_blocks, NULL, 64 << 10), NULL);
        pthread_barrier_wait(&barrier);
        pthread_join(owner, NULL);
    }
}

static void *leave_blocks(void *unused)
{
    arena_scope_begin(NULL);
    for (unsigned i = 0; i < BLOCKS; i++)
        blocks[i] = opaque(malloc(block_size(i)));
    return unused;
}

/* The blocks are gone with their owner; to free or resize them is wrong, and harmless. */
static void use_left_blocks(void)
{
    for (int round = 0; round < 20; round++) {
        pthread_join(started(leave_blocks, NULL, 64 << 10), NULL);
        for (unsigned i = 0; i < BLOCKS; i++) {
            errno = 4711;
            if (i % 2 == 0) {
                free(blocks[i]);
            } else {
                EXPECT(malloc_usable_size(blocks[i]) == 0);
                unsigned char *moved = opaque(realloc(blocks[i], 5000));
                EXPECT(moved && !in_arena(moved));
                fill(moved, 5000, i);
                free(moved);
            }
            EXPECT(errno == 4711);
        }
        /* The next owner's blocks do not suffer. */
        pthread_join(started(work_once, NULL, 64 << 10), NULL);
    }
}

enum { CROWD = 40 };

static void *hold_an_arena(void *unused)
{
    ARENA_SCOPE("crowd") {
        EXPECT(in_arena(opaque(malloc(1))));
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
    }
    return unused;
}

/* The first arenas are kept for the next threads as they are, those behind them are not. */
static void after_the_owners_life(void)
{
    use_left_blocks();
    pthread_t crowd[CROWD];
    pthread_barrier_init(&barrier, NULL, CROWD + 1);
    for (int i = 0; i < CROWD; i++)
        crowd[i] = started(hold_an_arena, NULL, 64 << 10);
    pthread_barrier_wait(&barrier);
    use_left_blocks();
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < CROWD; i++)
        pthread_join(crowd[i], NULL);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"key_rounds", key_rounds},
        {"cancelled_at_work", cancelled_at_work},
        {"by_pthread_exit", by_pthread_exit},
        {"ten_thousand", ten_thousand},
        {"thousand_at_once", thousand_at_once},
        {"during_the_owners_life", during_the_owners_life},
        {"after_the_owners_life", after_the_owners_life},
    };
    arena_learn();
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}
