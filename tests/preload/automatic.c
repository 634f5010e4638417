/* A program in a scope that nobody marked: automatic CASE, with ARENASHIM_SCOPES set. */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"

/* Defined by a library that has no marks. */
extern void *library_malloc(size_t size);
extern void library_scope(void);

static void *in_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    void *result = NULL;
    EXPECT(pthread_create(&thread, NULL, body, argument) == 0);
    EXPECT(pthread_join(thread, &result) == 0);
    return result;
}

/* ---- process --------------------------------------------------------------------------------- */

static void *drawing(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;
    unsigned char *block = opaque(malloc(3000));
    EXPECT(in_arena(block));
    fill(block, 3000, seed);
    unsigned char *zeroes = opaque(calloc(100, 70));
    EXPECT(in_arena(zeroes) && zeroed(zeroes, 7000));
    memset(zeroes, 0xff, 7000);
    return block;
}

/* What a thread drew stays when it exits, and when others get its arena. */
static void threads(void)
{
    enum { COUNT = 300 };
    static unsigned char *blocks[COUNT];
    arena_learn();
    for (uintptr_t i = 0; i < COUNT; i++)
        blocks[i] = in_thread(drawing, (void *)i);
    for (unsigned i = 0; i < COUNT; i++) {
        EXPECT(filled(blocks[i], 3000, i));
        EXPECT(malloc_usable_size(blocks[i]) >= 3000);
        blocks[i] = opaque(realloc(blocks[i], 5000));
        EXPECT(filled(blocks[i], 3000, i));
    }
    for (unsigned i = 0; i < COUNT; i++)
        free(blocks[i]);
}

/* Everybody's calls are served, also the C library's. */
static void everybody(void)
{
    arena_learn();
    char *line = NULL;
    size_t size = 0;
    void *of_library = opaque(library_malloc(100));
    char *copy = opaque(strdup("a copy"));
    FILE *file = fopen("/dev/null", "r");
    EXPECT(in_arena(of_library) && in_arena(copy) && in_arena(file));
    EXPECT(getline(&line, &size, file) == -1 && in_arena(line));
    fclose(file);
    free(line);
    free(copy);
    free(of_library);
    EXPECT(arena_scope_active() == 1);
}

/* In a marked scope inside it the usual rule holds: what libraries keep lies elsewhere. */
static void marked_inside(void)
{
    arena_learn();
    unsigned char *before = opaque(malloc(100));
    fill(before, 100, 1);
    char *copy = NULL;
    for (int i = 0; i < 3; i++) {
        free(opaque(library_malloc(10))); /* the library's calls were the last that were routed */
        ARENA_SCOPE("inside") {
            EXPECT(in_arena(opaque(malloc(100))));
            void *of_library = opaque(library_malloc(100));
            EXPECT(!in_arena(of_library));
            free(of_library);
            copy = opaque(strdup("kept"));
            EXPECT(!in_arena(copy));
        }
        ARENA_SCOPE("inside again") {
            fill(opaque(malloc(100)), 100, 2);
        }
        EXPECT(strcmp(copy, "kept") == 0);
        free(copy);
        EXPECT(in_arena(opaque(malloc(1))));
    }
    EXPECT(filled(before, 100, 1));
}

/* operator new; the shim has it. */
extern void *_Znwm(size_t size) __attribute__((weak));

/* Whatever call is a thread's first. */
static void *first_call(void *argument)
{
    void *block = NULL;
    switch ((uintptr_t)argument) {
    case 0:
        block = opaque(malloc(100));
        break;
    case 1:
        block = opaque(calloc(1, 100));
        break;
    case 2:
        block = opaque(realloc(NULL, 100));
        break;
    case 3:
        block = opaque(aligned_alloc(64, 128));
        break;
    case 4:
        EXPECT(posix_memalign(&block, 64, 100) == 0);
        break;
    case 5:
        block = opaque(memalign(64, 100));
        break;
    case 6:
        block = opaque(valloc(100));
        break;
    case 7:
        block = opaque(_Znwm(100));
        break;
    }
    EXPECT(in_arena(block));
    free(block);
    return NULL;
}

static void first_calls(void)
{
    arena_learn();
    for (uintptr_t i = 0; i < 8; i++)
        in_thread(first_call, (void *)i);
}

/* A module counts as marked from its first begin on, also when its calls were routed before. */
static void marked_at_first_begin(void)
{
    free(opaque(malloc(10)));
    ARENA_SCOPE("first") {
        library_scope();
        void *block = opaque(malloc(100));
        EXPECT(arena_scope_keep(block) != block);
    }
}

static int stop;

static void *drawing_until_stopped(void *argument)
{
    unsigned char **last = argument;
    unsigned char *kept = opaque(malloc(5000));
    fill(kept, 5000, 7);
    __atomic_store_n(last, kept, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        unsigned char *block = opaque(malloc(200));
        fill(block, 200, 3);
        EXPECT(filled(block, 200, 3));
        free(block);
    }
    return NULL;
}

/* A child has the blocks of all threads, and those of new threads lie elsewhere. */
static void forks(void)
{
    enum { COUNT = 3 };
    static unsigned char *kept[COUNT];
    pthread_t workers[COUNT];
    arena_learn();
    for (int i = 0; i < COUNT; i++) {
        EXPECT(pthread_create(&workers[i], NULL, drawing_until_stopped, &kept[i]) == 0);
        while (!__atomic_load_n(&kept[i], __ATOMIC_ACQUIRE))
            usleep(100);
    }
    unsigned char *gone = in_thread(drawing, (void *)5);
    unsigned char *own = opaque(malloc(100));
    fill(own, 100, 9);
    for (int round = 0; round < 10; round++) {
        pid_t child = fork();
        if (child == 0) {
            for (uintptr_t i = 0; i < 10; i++)
                EXPECT(filled(in_thread(drawing, (void *)i), 3000, (unsigned)i));
            for (int i = 0; i < COUNT; i++) {
                EXPECT(filled(kept[i], 5000, 7));
                free(kept[i]);
            }
            EXPECT(filled(gone, 3000, 5) && filled(own, 100, 9));
            EXPECT(in_arena(opaque(malloc(10))));
            exit(expect_failures > 0);
        }
        int status;
        EXPECT(waitpid(child, &status, 0) == child && status == 0);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < COUNT; i++) {
        pthread_join(workers[i], NULL);
        EXPECT(filled(kept[i], 5000, 7));
    }
}

/* With ARENASHIM_LIMIT=1024G, which leaves room for some 30 arenas: a mark in a thread that got
 * none opens no scope in an arena that holds the blocks of others. */
enum { CROWD = 80 };
static unsigned char *of_crowd[CROWD];
static int crowd_may_go, latecomer_may_go, latecomer_came;

static void *one_of_crowd(void *argument)
{
    unsigned char *block = opaque(malloc(1000));
    fill(block, 1000, (unsigned)(uintptr_t)argument);
    __atomic_store_n(&of_crowd[(uintptr_t)argument], block, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&crowd_may_go, __ATOMIC_RELAXED))
        usleep(1000);
    return NULL;
}

static void *latecomer(void *argument)
{
    free(opaque(malloc(10)));
    __atomic_store_n(&latecomer_came, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&latecomer_may_go, __ATOMIC_RELAXED))
        usleep(1000);
    ARENA_SCOPE("late") {
        fill(opaque(malloc(100)), 100, 1);
    }
    return argument;
}

static void late_mark(void)
{
    pthread_t crowd[CROWD], late;
    for (uintptr_t i = 0; i < CROWD; i++) {
        EXPECT(pthread_create(&crowd[i], NULL, one_of_crowd, (void *)i) == 0);
        while (!__atomic_load_n(&of_crowd[i], __ATOMIC_ACQUIRE))
            usleep(100);
    }
    EXPECT(pthread_create(&late, NULL, latecomer, NULL) == 0);
    while (!__atomic_load_n(&latecomer_came, __ATOMIC_ACQUIRE))
        usleep(100);
    __atomic_store_n(&crowd_may_go, 1, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < CROWD; i++)
        pthread_join(crowd[i], NULL);
    __atomic_store_n(&latecomer_may_go, 1, __ATOMIC_RELAXED);
    pthread_join(late, NULL);
    for (unsigned i = 0; i < CROWD; i++)
        EXPECT(filled(of_crowd[i], 1000, i));
}

static void *drawing_in_full_arena(void *argument)
{
    for (unsigned i = 0; i < 100; i++) {
        unsigned char *block = opaque(malloc(100));
        fill(block, 100, i);
        EXPECT(filled(block, 100, i));
    }
    ARENA_SCOPE("in a full arena") {
        fill(opaque(malloc(100)), 100, 1);
    }
    return argument;
}

/* With ARENASHIM_LIMIT=4K: a child goes on behind what a thread had made writable, which is all. */
static void forks_full(void)
{
    static unsigned char *kept;
    pthread_t worker;
    EXPECT(pthread_create(&worker, NULL, drawing_until_stopped, &kept) == 0);
    while (!__atomic_load_n(&kept, __ATOMIC_ACQUIRE))
        usleep(100);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 3; i++)
            in_thread(drawing_in_full_arena, NULL);
        exit(expect_failures > 0);
    }
    int status;
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    pthread_join(worker, NULL);
    EXPECT(filled(kept, 5000, 7));
}

/* With ARENASHIM_LIMIT=1M: what does not fit goes to the next allocator, and all of it is good. */
static void past_the_limit(void)
{
    enum { COUNT = 1000 };
    static unsigned char *blocks[COUNT];
    arena_learn();
    for (unsigned i = 0; i < COUNT; i++) {
        blocks[i] = opaque(malloc(4000));
        fill(blocks[i], 4000, i);
    }
    int outside = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        EXPECT(filled(blocks[i], 4000, i));
        outside += !in_arena(blocks[i]);
        free(blocks[i]);
    }
    EXPECT(outside > 700 && outside < 800);
}

/* A block grows where it lies past what has been made writable so far. */
static void grows_in_place(void)
{
    arena_learn();
    size_t size = 1000;
    unsigned char *block = opaque(malloc(size));
    unsigned char *first = block;
    fill(block, size, 5);
    while (size < (size_t)40 << 20) {
        size_t old = size;
        size += size / 4;
        block = opaque(realloc(block, size));
        EXPECT(block == first && filled(block, 1000, 5));
        memset(block + old, 1, size - old);
    }
    fill(opaque(malloc(100)), 100, 1);
}

static unsigned char *at_exit_block;

static void at_exit(void)
{
    EXPECT(filled(at_exit_block, 100, 4) && in_arena(opaque(malloc(50))));
    free(at_exit_block);
    if (expect_failures > 0)
        _exit(3);
}

static void exits(void)
{
    arena_learn();
    at_exit_block = opaque(malloc(100));
    fill(at_exit_block, 100, 4);
    atexit(at_exit);
}

/* ---- thread ---------------------------------------------------------------------------------- */

static pthread_key_t key;
static int destroyed;

static void destroy(void *value)
{
    EXPECT(in_arena(value) && filled(value, 100, 6));
    EXPECT(in_arena(opaque(malloc(10))));
    free(value);
    destroyed++;
}

static void *thread_body(void *unused)
{
    unsigned char *block = opaque(malloc(100));
    EXPECT(in_arena(block) && arena_scope_active() == 1);
    fill(block, 100, 6);
    pthread_setspecific(key, block);
    void *of_library = opaque(library_malloc(100));
    int everybody = getenv("EVERYBODY") != NULL;
    EXPECT(in_arena(of_library) == (everybody || getenv("LIBRARY_PARTICIPATES") != NULL));
    free(of_library);
    char *copy = opaque(strdup("of libc"));
    EXPECT(in_arena(copy) == everybody);
    free(copy);
    ARENA_SCOPE("inside") {
        fill(opaque(malloc(1000)), 1000, 1);
    }
    EXPECT(filled(block, 100, 6));
    return unused;
}

static void *exiting_body(void *unused)
{
    thread_body(unused);
    pthread_exit(NULL);
}

static void bodies(void)
{
    arena_learn();
    pthread_key_create(&key, destroy);
    EXPECT(!in_arena(opaque(malloc(1))) && arena_scope_active() == 0);
    for (int i = 0; i < 50; i++) {
        in_thread(thread_body, NULL);
        in_thread(exiting_body, NULL);
    }
    EXPECT(destroyed == 100);
    EXPECT(!in_arena(opaque(malloc(1))) && arena_scope_active() == 0);
    ARENA_SCOPE("in main") {
        EXPECT(in_arena(opaque(malloc(1))));
    }
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"threads", threads},
        {"first_calls", first_calls},
        {"everybody", everybody},
        {"marked_inside", marked_inside},
        {"forks", forks},
        {"marked_at_first_begin", marked_at_first_begin},
        {"late_mark", late_mark},
        {"forks_full", forks_full},
        {"past_the_limit", past_the_limit},
        {"grows_in_place", grows_in_place},
        {"exits", exits},
        {"bodies", bodies},
    };
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}
