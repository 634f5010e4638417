/* Correct use of scopes under the debug switches: debug CASE. */
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"

/* Fills, resizes and frees in a scope, and looks at everything again at the end. */
static void draw_and_look(unsigned seed, size_t largest)
{
    enum { COUNT = 40 };
    unsigned char *blocks[COUNT];
    size_t sizes[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        sizes[i] = (seed * 31 + i * 97) % largest;
        blocks[i] = opaque(i % 3 ? malloc(sizes[i]) : calloc(1, sizes[i]));
        EXPECT(i % 3 || zeroed(blocks[i], sizes[i]));
        fill(blocks[i], sizes[i], seed + i);
        if (i % 5 == 2) {
            free(blocks[i - 1]);
            blocks[i - 1] = NULL;
        }
        if (i % 7 == 3) {
            size_t size = i % 2 ? sizes[i] / 2 : sizes[i] * 2 + 1;
            size_t kept = size < sizes[i] ? size : sizes[i];
            blocks[i] = opaque(realloc(blocks[i], size));
            EXPECT(filled(blocks[i], kept, seed + i));
            fill(blocks[i], size, seed + i);
            sizes[i] = size;
        }
    }
    for (unsigned i = 0; i < COUNT; i++)
        EXPECT(!blocks[i] || filled(blocks[i], sizes[i], seed + i));
}

static void patterns(void)
{
    for (unsigned i = 0; i < 50; i++)
        ARENA_SCOPE("patterns") {
            draw_and_look(i, 5000);
        }
}

static void nested(void)
{
    for (unsigned i = 0; i < 30; i++)
        ARENA_SCOPE("outer") {
            unsigned char *outer = opaque(malloc(3000));
            fill(outer, 3000, i);
            for (unsigned k = 0; k < 5; k++) {
                ARENA_SCOPE("inner") {
                    draw_and_look(i + k, 900);
                    ARENA_SCOPE("innermost") {
                        if (k % 2)
                            draw_and_look(k, 100);
                    }
                }
                unsigned char *between = opaque(malloc(70));
                fill(between, 70, k);
                EXPECT(filled(between, 70, k));
            }
            EXPECT(filled(outer, 3000, i));
        }
}

/* All that malloc_usable_size says of a block by calloc. */
static void zeroed_to_the_end(void)
{
    for (int round = 0; round < 3; round++)
        ARENA_SCOPE("zeroed") {
            for (size_t size = 0; size < 200; size++) {
                unsigned char *used = opaque(malloc(size));
                memset(used, 0xff, malloc_usable_size(used));
                free(used);
                unsigned char *block = opaque(calloc(1, size));
                EXPECT(zeroed(block, malloc_usable_size(block)));
            }
        }
}

/* Scopes that drop, in one that retains and behind it. */
static void nested_in_retaining(void)
{
    static const arena_scope_site retains = {"retains", __FILE__, __LINE__, ARENA_SCOPE_RETAINS};
    unsigned char *kept[100];
    for (unsigned i = 0; i < 100; i++) {
        arena_scope_token token = arena_scope_begin(&retains);
        ARENA_SCOPE("first")
            draw_and_look(i, 9000);
        kept[i] = opaque(malloc(100));
        fill(kept[i], 100, i);
        ARENA_SCOPE("second")
            draw_and_look(i + 1, 500);
        arena_scope_end(token);
        ARENA_SCOPE("behind")
            draw_and_look(i + 2, 9000);
    }
    for (unsigned i = 0; i < 100; i++) {
        EXPECT(filled(kept[i], 100, i));
        free(kept[i]);
    }
}

static void go_deep(unsigned depth)
{
    ARENA_SCOPE("deep") {
        unsigned char *block = opaque(malloc(depth + 1));
        fill(block, depth + 1, depth);
        if (depth < 300)
            go_deep(depth + 1);
        EXPECT(filled(block, depth + 1, depth));
    }
}

static void deep(void)
{
    go_deep(0);
    go_deep(0);
}

/* More scopes than are kept in mind. */
static void many(void)
{
    for (unsigned i = 0; i < 3000; i++)
        ARENA_SCOPE("many") {
            unsigned char *block = opaque(malloc(100));
            fill(block, 100, i);
            free(opaque(malloc(i)));
            EXPECT(filled(block, 100, i));
        }
}

static void aligned(void)
{
    for (unsigned i = 0; i < 20; i++)
        ARENA_SCOPE("aligned") {
            for (size_t alignment = 16; alignment <= 65536; alignment *= 2) {
                void *block = opaque(aligned_alloc(alignment, 100));
                EXPECT(block && (uintptr_t)block % alignment == 0);
                fill(block, 100, i);
                EXPECT(filled(block, 100, i));
            }
        }
}

static void *thread_body(void *argument)
{
    for (unsigned i = 0; i < 20; i++)
        ARENA_SCOPE("thread") {
            draw_and_look(i + (unsigned)(uintptr_t)argument, 2000);
        }
    return NULL;
}

static void threads(void)
{
    pthread_t all[8];
    for (int round = 0; round < 5; round++) {
        for (uintptr_t i = 0; i < 8; i++)
            EXPECT(pthread_create(&all[i], NULL, thread_body, (void *)i) == 0);
        for (int i = 0; i < 8; i++)
            pthread_join(all[i], NULL);
    }
}

static void forks(void)
{
    patterns();
    ARENA_SCOPE("forking") {
        unsigned char *block = opaque(malloc(5000));
        fill(block, 5000, 3);
        for (int i = 0; i < 3; i++) {
            pid_t child = fork();
            if (child == 0) {
                EXPECT(filled(block, 5000, 3));
                nested();
                threads();
                _exit(expect_failures > 0);
            }
            int status;
            EXPECT(waitpid(child, &status, 0) == child && status == 0);
        }
        EXPECT(filled(block, 5000, 3));
    }
}

static int nested_scopes_ended;

static void *leaving_nested_scopes(void *argument)
{
    (void)argument;
    ARENA_SCOPE("outer") {
        fill(opaque(malloc(100)), 100, 1);
        for (unsigned i = 0; i < 20; i++)
            ARENA_SCOPE("inner") {
                fill(opaque(malloc(5000)), 5000, i);
            }
        __atomic_store_n(&nested_scopes_ended, 1, __ATOMIC_RELEASE);
        pause();
    }
    return NULL;
}

static void *drawing_much(void *argument)
{
    ARENA_SCOPE("much") {
        for (unsigned i = 0; i < 1000; i++) {
            unsigned char *block = opaque(malloc(500));
            fill(block, 500, i);
            EXPECT(filled(block, 500, i));
        }
    }
    return argument;
}

/* In a child the arena of a thread that was in a scope is as good as new. */
static void fork_beside_nested(void)
{
    pthread_t worker;
    EXPECT(pthread_create(&worker, NULL, leaving_nested_scopes, NULL) == 0);
    while (!__atomic_load_n(&nested_scopes_ended, __ATOMIC_ACQUIRE))
        usleep(100);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 3; i++) {
            pthread_t thread;
            EXPECT(pthread_create(&thread, NULL, drawing_much, NULL) == 0);
            pthread_join(thread, NULL);
        }
        exit(expect_failures > 0);
    }
    int status;
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
    pthread_cancel(worker);
    pthread_join(worker, NULL);
    drawing_much(NULL);
}

/* More scopes inside an open one than the kernel grants mappings: others are still to be had. */
static void many_inside(void)
{
    ARENA_SCOPE("outer") {
        for (unsigned i = 0; i < 40000; i++) {
            fill(opaque(malloc(100)), 100, i);
            ARENA_SCOPE("inner") {
                fill(opaque(malloc(100)), 100, i);
            }
        }
        pthread_t thread;
        EXPECT(pthread_create(&thread, NULL, drawing_much, NULL) == 0);
        pthread_join(thread, NULL);
    }
}

/* One after the other as well: addresses that nobody may use are one mapping. */
static void many_outermost(void)
{
    for (unsigned i = 0; i < 40000; i++) {
        ARENA_SCOPE("outermost") {
            fill(opaque(malloc(i % 5000 + 1)), i % 5000 + 1, i);
            ARENA_SCOPE("inner")
                fill(opaque(malloc(100)), 100, i);
        }
    }
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, drawing_much, NULL) == 0);
    pthread_join(thread, NULL);
}

static sigjmp_buf before_work;
static volatile sig_atomic_t may_jump;

static void jump_away(int number)
{
    (void)number;
    if (may_jump) {
        may_jump = 0;
        siglongjmp(before_work, 1);
    }
}

static void work_in_scopes(unsigned depth)
{
    ARENA_SCOPE("work") {
        unsigned char *blocks[20];
        for (unsigned i = 0; i < 20; i++) {
            blocks[i] = opaque(malloc(i * 37 + 20));
            fill(blocks[i], i * 37 + 20, i);
        }
        if (depth < 4)
            work_in_scopes(depth + 1);
        for (unsigned i = 0; i < 20; i++) {
            EXPECT(filled(blocks[i], i * 37 + 20, i));
            if (i % 2)
                free(blocks[i]);
            else
                opaque(realloc(blocks[i], i * 30 + 1));
        }
    }
}

/* Whatever a signal handler interrupts when it jumps out of the scopes, they end in order. */
static void jumps(void)
{
    struct itimerval often = {{0, 150}, {0, 150}};
    struct itimerval never = {{0, 0}, {0, 0}};
    struct sigaction action = {.sa_handler = jump_away};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (volatile int i = 0; i < 3000; i++)
        ARENA_SCOPE("outermost") {
            fill(opaque(malloc(100)), 100, 1);
            if (sigsetjmp(before_work, 1) == 0) {
                may_jump = 1;
                work_in_scopes(0);
            }
            may_jump = 0;
        }
    setitimer(ITIMER_REAL, &never, NULL);
}

/* With ARENASHIM_LIMIT=16M: through the address space of an arena several times. */
static void rounds(void)
{
    for (unsigned i = 0; i < 100; i++)
        ARENA_SCOPE("round") {
            unsigned char *small = opaque(calloc(1, 500));
            EXPECT(zeroed(small, 500));
            fill(small, 500, i);
            unsigned char *large = opaque(malloc((size_t)1 << 20));
            fill(large, 1000, i);
            large[(1 << 20) - 1] = 1;
            EXPECT(filled(small, 500, i) && filled(large, 1000, i));
        }
}

static int is_all(const unsigned char *block, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++)
        if (block[i] != value)
            return 0;
    return 1;
}

static void poison_fresh(void)
{
    ARENA_SCOPE("fresh") {
        EXPECT(is_all(opaque(malloc(100)), 100, 0xa5));
        EXPECT(is_all(opaque(aligned_alloc(64, 1000)), 1000, 0xa5));
        EXPECT(zeroed(opaque(calloc(10, 10)), 100));
    }
}

static void poison_released(void)
{
    unsigned char *block;
    ARENA_SCOPE("released") {
        block = opaque(calloc(1, 100));
        unsigned char *other = opaque(calloc(1, 100));
        free(block);
        EXPECT(is_all(opaque(block), 100, 0x5a) && zeroed(other, 100));
        block = other;
    }
    EXPECT(is_all(opaque(block), 100, 0x5a));
}

static void draw_many(int count)
{
    for (int i = 0; i < count; i++)
        opaque(malloc(8));
}

/* With 64K for the arena: a nested scope for which quarantine has no room, with one in it for which
 * it has. */
static void poison_past_half(void)
{
    ARENA_SCOPE("outer") {
        unsigned char *early, *late;
        ARENA_SCOPE("middle") {
            early = opaque(calloc(1, 100));
            ARENA_SCOPE("inner") {
                opaque(malloc(100));
            }
            draw_many(2500);
            late = opaque(calloc(1, 100));
        }
        EXPECT(is_all(early, 100, 0x5a) && is_all(late, 100, 0x5a));
    }
}

/* The same for a scope that is not nested. */
static void poison_too_small(void)
{
    for (int i = 0; i < 3; i++) {
        unsigned char *block;
        ARENA_SCOPE("large") {
            block = opaque(calloc(1, 100));
            EXPECT(zeroed(block, 100));
            draw_many(2000);
        }
        EXPECT(is_all(opaque(block), 100, 0x5a));
    }
}

static void not_used_again(void)
{
    enum { COUNT = 200 };
    static uintptr_t places[2 * COUNT];
    for (int i = 0; i < COUNT; i++)
        ARENA_SCOPE("outer") {
            places[2 * i] = (uintptr_t)opaque(malloc(100)) >> 12;
            ARENA_SCOPE("inner") {
                places[2 * i + 1] = (uintptr_t)opaque(malloc(100)) >> 12;
            }
        }
    for (int i = 0; i < 2 * COUNT; i++)
        for (int k = 0; k < i; k++)
            EXPECT(places[i] != places[k]);
}

/* With ARENASHIM_OVERFLOW=error: says how many small blocks there is room for. */
static void fills_up(void)
{
    ARENA_SCOPE("full") {
        int count = 0;
        while (opaque(malloc(8)))
            count++;
        printf("%d\n", count);
    }
}

static void logged(void)
{
#line 10
    ARENA_SCOPE("outer") {
#line 11
        ARENA_SCOPE("inner") {
            free(opaque(malloc(10)));
            opaque(malloc(20));
        }
#line 12
        ARENA_SCOPE("empty") {
        }
        opaque(malloc(100));
    }
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"patterns", patterns},
        {"nested", nested},
        {"nested_in_retaining", nested_in_retaining},
        {"zeroed_to_the_end", zeroed_to_the_end},
        {"deep", deep},
        {"many", many},
        {"aligned", aligned},
        {"threads", threads},
        {"forks", forks},
        {"fork_beside_nested", fork_beside_nested},
        {"many_inside", many_inside},
        {"many_outermost", many_outermost},
        {"jumps", jumps},
        {"rounds", rounds},
        {"poison_fresh", poison_fresh},
        {"poison_released", poison_released},
        {"poison_past_half", poison_past_half},
        {"poison_too_small", poison_too_small},
        {"not_used_again", not_used_again},
        {"fills_up", fills_up},
        {"logged", logged},
    };
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}
