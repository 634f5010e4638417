/* Threads, forks and exits with scopes open: threads CASE. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"
#include "interrupt.h"

/* Every thread fills its blocks with a number of its own and looks again at the end. */
static void *busy(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;
    for (int round = 0; round < 200; round++) {
        ARENA_SCOPE("busy") {
            unsigned char *blocks[20];
            for (unsigned i = 0; i < 20; i++) {
                size_t size = (seed * 7 + i * 50) % 900 + 1;
                blocks[i] = opaque(malloc(size));
                EXPECT(in_arena(blocks[i]));
                fill(blocks[i], size, seed + i);
            }
            for (unsigned i = 0; i < 20; i++)
                EXPECT(filled(blocks[i], (seed * 7 + i * 50) % 900 + 1, seed + i));
        }
    }
    return NULL;
}

static void all_at_once(void)
{
    enum { COUNT = 64 };
    pthread_t threads[COUNT];
    for (uintptr_t i = 0; i < COUNT; i++)
        EXPECT(pthread_create(&threads[i], NULL, busy, (void *)i) == 0);
    for (int i = 0; i < COUNT; i++)
        pthread_join(threads[i], NULL);
}

static void *brief(void *argument)
{
    ARENA_SCOPE("brief") {
        unsigned char *block = opaque(calloc(1, 5000));
        /* Memory of an earlier thread, perhaps. */
        EXPECT(in_arena(block) && zeroed(block, 5000));
        fill(block, 5000, 1);
    }
    return argument;
}

/* Arenas are used again: this many would not fit side by side. */
static void one_after_another(void)
{
    for (int i = 0; i < 2000; i++) {
        pthread_t thread;
        EXPECT(pthread_create(&thread, NULL, brief, NULL) == 0);
        pthread_join(thread, NULL);
    }
}

/* More threads at once than there are arenas: the rest go without. */
static pthread_barrier_t barrier;

static void *wait_in_scope(void *argument)
{
    ARENA_SCOPE("waiting") {
        unsigned char *block = opaque(malloc(100));
        fill(block, 100, (unsigned)(uintptr_t)argument);
        pthread_barrier_wait(&barrier);
        EXPECT(filled(block, 100, (unsigned)(uintptr_t)argument));
        free(block);
    }
    return NULL;
}

static void too_many(void)
{
    enum { COUNT = 1100 };
    static pthread_t threads[COUNT];
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 << 10);
    pthread_barrier_init(&barrier, NULL, COUNT);
    for (uintptr_t i = 0; i < COUNT; i++)
        if (pthread_create(&threads[i], &attributes, wait_in_scope, (void *)i) != 0)
            _exit(77);
    for (int i = 0; i < COUNT; i++)
        pthread_join(threads[i], NULL);
    /* Arenas of threads that have gone serve again. */
    one_after_another();
}

/* ---- fork -------------------------------------------------------------------------------------
 */

static volatile int stop;

static void *busy_until_stopped(void *argument)
{
    while (!stop)
        busy(argument);
    return NULL;
}

/* The child goes on in the scope, ends it, and begins others; the parent's arena is its own. */
static void fork_in_scope(void)
{
    pthread_t threads[3];
    for (uintptr_t i = 0; i < 3; i++)
        EXPECT(pthread_create(&threads[i], NULL, busy_until_stopped, (void *)i) == 0);
    for (int round = 0; round < 20; round++) {
        ARENA_SCOPE("forking") {
            unsigned char *block = opaque(malloc(1000));
            fill(block, 1000, 1);
            pid_t child = fork();
            if (child == 0) {
                EXPECT(arena_scope_active() == 1 && filled(block, 1000, 1));
                fill(block, 1000, 2);
                unsigned char *more = opaque(malloc(1000));
                EXPECT(in_arena(more) && more > block);
                pthread_t thread;
                EXPECT(pthread_create(&thread, NULL, brief, NULL) == 0);
                pthread_join(thread, NULL);
                EXPECT(filled(block, 1000, 2));
                _exit(expect_failures > 0);
            }
            int status = 1;
            EXPECT(child > 0 && waitpid(child, &status, 0) == child && status == 0);
            EXPECT(filled(block, 1000, 1));
        }
    }
    stop = 1;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

/* A child that exits as a program does writes statistics of its own; what its parent did before is
 * not in them. */
static void fork_and_exit(void)
{
    ARENA_SCOPE("parent")
        opaque(malloc(10));
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 5; i++) {
            ARENA_SCOPE("child")
                opaque(malloc(10));
        }
        exit(expect_failures > 0);
    }
    int status = 1;
    EXPECT(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

/* ---- exit -------------------------------------------------------------------------------------
 */

static pthread_key_t key;

static void destroy(void *block)
{
    /* Runs before or after the shim's own; at any time these must work. */
    char *other = opaque(malloc(100));
    fill(other, 100, 1);
    free(block);
    ARENA_SCOPE("destructor") {
        char *third = opaque(malloc(100));
        fill(third, 100, 2);
        EXPECT(filled(other, 100, 1));
    }
    other = opaque(realloc(other, 1000));
    EXPECT(filled(other, 100, 1));
    free(other);
}

static void *leave_open(void *argument)
{
    arena_scope_begin(NULL);
    ARENA_SCOPE("left") {
        /* Scope memory that the destructor will free. */
        pthread_setspecific(key, opaque(malloc(100)));
        if (argument)
            pthread_exit(NULL);
        arena_scope_begin(NULL);
    }
    return NULL;
}

static void exit_with_open_scopes(void)
{
    EXPECT(pthread_key_create(&key, destroy) == 0);
    for (uintptr_t i = 0; i < 50; i++) {
        pthread_t thread;
        EXPECT(pthread_create(&thread, NULL, leave_open, (void *)(i % 2)) == 0);
        pthread_join(thread, NULL);
    }
}

/* A destructor that runs after the shim's, while another thread has the arena that this one had. */
static void linger(void *unused)
{
    (void)unused;
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 10; i++) {
        ARENA_SCOPE("lingering")
            fill(opaque(malloc(1000)), 1000, 5);
    }
    pthread_barrier_wait(&barrier);
}

static void *scope_then_linger(void *argument)
{
    ARENA_SCOPE("before lingering")
        fill(opaque(malloc(1000)), 1000, 4);
    pthread_setspecific(key, &key);
    return argument;
}

static void *inherit(void *argument)
{
    ARENA_SCOPE("inheriting") {
        unsigned char *block = opaque(malloc(1000));
        fill(block, 1000, 6);
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
        EXPECT(filled(block, 1000, 6));
        EXPECT(arena_scope_active() == 1);
    }
    return argument;
}

static void late_destructor(void)
{
    pthread_t first, second;
    EXPECT(pthread_key_create(&key, linger) == 0);
    pthread_barrier_init(&barrier, NULL, 2);
    EXPECT(pthread_create(&first, NULL, scope_then_linger, NULL) == 0);
    pthread_barrier_wait(&barrier); /* it is in its destructor */
    EXPECT(pthread_create(&second, NULL, inherit, NULL) == 0);
    pthread_join(first, NULL);
    pthread_join(second, NULL);
}

static void *wait_for_cancel(void *argument)
{
    arena_scope_begin(NULL);
    opaque(malloc(100));
    pthread_barrier_wait(&barrier);
    for (;;)
        pause();
    return argument;
}

static void cancelled(void)
{
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        pthread_barrier_init(&barrier, NULL, 2);
        EXPECT(pthread_create(&thread, NULL, wait_for_cancel, NULL) == 0);
        pthread_barrier_wait(&barrier);
        EXPECT(pthread_cancel(thread) == 0 && pthread_join(thread, NULL) == 0);
    }
}

/* A block handed to another thread, which looks at it and frees it while the scope is open. */
static void *consume(void *block)
{
    EXPECT(filled(block, 500, 3));
    free(block);
    return NULL;
}

static void hand_over(void)
{
    for (int i = 0; i < 50; i++) {
        ARENA_SCOPE("producer") {
            pthread_t thread;
            void *block = opaque(malloc(500));
            fill(block, 500, 3);
            EXPECT(pthread_create(&thread, NULL, consume, block) == 0);
            pthread_join(thread, NULL);
        }
    }
}

/* ---- signals -----------------------------------------------------------------------------------
 */

static volatile sig_atomic_t handled;

/* Allocating in a handler is wrong by the book, and done. */
static void handler(int signal)
{
    (void)signal;
    unsigned char *block = opaque(malloc(64));
    fill(block, 64, 77);
    ARENA_SCOPE("handler") {
        unsigned char *inner = opaque(malloc(32));
        fill(inner, 32, 78);
        EXPECT(filled(block, 64, 77));
    }
    EXPECT(filled(block, 64, 77));
    handled++;
}

/* The handler interrupts the shim anywhere; no block may overlap another. Only in a scope: out of
 * one it would interrupt the next allocator. */
static void signals(void)
{
    timer_t timer = start_alarms(handler, 30000);
    for (int round = 0; round < 3000 || (handled < 1000 && round < 60000); round++) {
        ARENA_SCOPE("interrupted") {
            unsigned char *blocks[64];
            size_t sizes[64];
            opaque(malloc(1));
            mask_alarms(SIG_UNBLOCK);
            for (unsigned i = 0; i < 64; i++) {
                sizes[i] = (i * 37) % 200 + 1;
                blocks[i] = i % 3 ? opaque(malloc(sizes[i])) : opaque(calloc(1, sizes[i]));
                fill(blocks[i], sizes[i], i);
                if (i % 5 == 0) {
                    sizes[i] += 100;
                    blocks[i] = opaque(realloc(blocks[i], sizes[i]));
                    fill(blocks[i], sizes[i], i);
                }
            }
            mask_alarms(SIG_BLOCK);
            for (unsigned i = 0; i < 64; i++)
                EXPECT(filled(blocks[i], sizes[i], i));
        }
        if (expect_failures > 5)
            break;
    }
    timer_delete(timer);
    printf("%d signals\n", (int)handled > 100 ? 100 : (int)handled);
}

/*
 * The same at every instruction: the processor's trap flag makes a signal after each one. What the
 * handler does goes by step_mode. No call of the next allocator may be stepped through: the handler
 * calls it, too.
 */
static int step_mode;

static void step_handler(int signal)
{
    (void)signal;
    handled++;
    unsigned char *block = opaque(malloc(64));
    fill(block, 64, 77);
    if (step_mode > 0) {
        ARENA_SCOPE("step") {
            unsigned char *inner = opaque(malloc(32));
            fill(inner, 32, 78);
            ARENA_SCOPE_PAUSED free(opaque(malloc(8)));
            inner = opaque(realloc(inner, 80));
            EXPECT(filled(inner, 32, 78));
        }
    }
    EXPECT(filled(block, 64, 77));
    if (step_mode != 2)
        free(block);
}

static void stepped(void)
{
    on_signal(SIGTRAP, step_handler, 0);
    for (step_mode = 0; step_mode < 3; step_mode++) {
        unsigned char *a, *b, *c, *d, *e, *f;
        ARENA_SCOPE("stepped") {
            opaque(malloc(1));
            STEP_ON();
            a = opaque(malloc(40));
            fill(a, 40, 1);
            b = opaque(calloc(2, 30));
            int b_zeroed = zeroed(b, 60);
            c = opaque(malloc(30));
            fill(c, 30, 3);
            b = opaque(realloc(b, 100));
            c = opaque(realloc(c, 90)); /* the newest, unless the handler drew one */
            d = opaque(aligned_alloc(256, 20));
            fill(d, 20, 4);
            ARENA_SCOPE("stepped inner") {
                e = opaque(malloc(50));
                fill(e, 50, 5);
                free(a);
                e = opaque(realloc(e, 20));
                ARENA_SCOPE_PAUSED __asm__ volatile("" : : : "memory");
                f = opaque(malloc(300));
                fill(f, 100, 6);
                free(opaque(malloc(5)));
                EXPECT(filled(e, 20, 5) && filled(f, 100, 6));
            }
            a = opaque(malloc(40));
            fill(a, 40, 7);
            free(opaque(malloc(70)));
            e = opaque(malloc(2 << 20)); /* grows */
            fill(e, 30, 8);
            free(b);
            STEP_OFF();
            EXPECT(b_zeroed && filled(a, 40, 7) && filled(c, 30, 3) && filled(d, 20, 4));
            EXPECT(filled(e, 30, 8) && (uintptr_t)d % 256 == 0);
            EXPECT(arena_scope_active() == 1);
        }
        EXPECT(arena_scope_active() == 0);
    }
    if (handled == 0)
        _exit(77);
    puts(handled > 1000 ? "stepped" : "hardly stepped");
}

/*
 * The same with a handler that draws at every STEP_PERIODth instruction alone, so that the blocks
 * of the scope mostly are the newest, in as many runs as it takes to have drawn at each. What it
 * drew stays, and is looked at before the scope ends that it was drawn in.
 */
#define STEP_PERIOD 61

static int step_phase;
static int step_number;         /* in this run */
static volatile int step_level; /* open scopes, from 0; -1 while one begins or ends */
static unsigned char *step_drawn[2][1000];
static size_t step_count[2];

static void phase_handler(int signal)
{
    (void)signal;
    int level = step_level;
    handled++;
    if (++step_number % STEP_PERIOD != step_phase)
        return;
    unsigned char *block = opaque(malloc(48));
    fill(block, 48, 77);
    if (level >= 0 && step_count[level] < 1000)
        step_drawn[level][step_count[level]++] = block;
}

static void check_drawn(int level)
{
    for (size_t i = 0; i < step_count[level]; i++)
        EXPECT(filled(step_drawn[level][i], 48, 77));
    step_count[level] = 0;
}

static int is_all(const unsigned char *block, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++)
        if (block[i] != value)
            return 0;
    return 1;
}

/* Draws, resizes and frees newest and older blocks; stepped from begin to end, so it fills them by
 * memset, in few instructions. */
static void stepped_calls(int level)
{
    STEP_ON();
    unsigned char *a = opaque(malloc(40));
    memset(a, 1, 40);
    unsigned char *b = opaque(calloc(2, 20));
    static const unsigned char zeroes[40];
    int b_zeroed = memcmp(b, zeroes, sizeof zeroes) == 0;
    memset(b, 2, 40);
    unsigned char *c = opaque(malloc(30));
    memset(c, 3, 30);
    free(opaque(malloc(2000))); /* higher than what follows */
    free(opaque(malloc(50)));
    unsigned char *d = opaque(malloc(100));
    memset(d, 4, 100);
    d = opaque(realloc(d, 160));
    d = opaque(realloc(d, 24));
    unsigned char *e = opaque(aligned_alloc(64, 40));
    memset(e, 5, 40);
    b = opaque(realloc(b, 80));
    free(c);
    free(e);
    e = opaque(malloc(90));
    memset(e, 6, 90);
    unsigned char *f = opaque(malloc(2 << 20)); /* grows */
    memset(f, 7, 30);
    free(f);
    f = opaque(malloc(40));
    memset(f, 8, 40);
    STEP_OFF();
    EXPECT(b_zeroed && is_all(a, 40, 1) && is_all(b, 40, 2) && is_all(d, 24, 4));
    EXPECT(is_all(e, 90, 6) && is_all(f, 40, 8));
    check_drawn(level);
}

static void stepped_apart(void)
{
    on_signal(SIGTRAP, phase_handler, 0);
    for (step_phase = 0; step_phase < STEP_PERIOD && expect_failures < 5; step_phase++) {
        ARENA_SCOPE("apart") {
            step_number = 0;
            opaque(malloc(1));
            stepped_calls(0);
            step_level = -1;
            STEP_ON();
            arena_scope_token token = arena_scope_begin(NULL);
            STEP_OFF();
            step_level = 1;
            stepped_calls(1);
            step_level = -1;
            STEP_ON();
            arena_scope_end(token);
            STEP_OFF();
            step_level = 0;
            EXPECT(arena_scope_active() == 1 && in_arena(opaque(malloc(1))));
        }
        EXPECT(arena_scope_active() == 0);
    }
    if (handled == 0)
        _exit(77);
    puts(handled > 1000 ? "stepped" : "hardly stepped");
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"all_at_once", all_at_once},
        {"one_after_another", one_after_another},
        {"too_many", too_many},
        {"fork_in_scope", fork_in_scope},
        {"fork_and_exit", fork_and_exit},
        {"exit_with_open_scopes", exit_with_open_scopes},
        {"late_destructor", late_destructor},
        {"cancelled", cancelled},
        {"hand_over", hand_over},
        {"signals", signals},
        {"stepped", stepped},
        {"stepped_apart", stepped_apart},
    };
    arena_learn();
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}
