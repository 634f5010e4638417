/*
 * Threads that share what the shim hands them, for tools that look for races: races CASE. All cases
 * but `race` and `stale` are free of them. The C library's own machinery is kept out of the way:
 * what must not order two threads goes through a pipe, which these tools do not follow.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"

#define ROUNDS 5

static void scopes(unsigned seed)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        ARENA_SCOPE("outer") {
            unsigned char *blocks[10];
            for (unsigned i = 0; i < 10; i++) {
                blocks[i] = opaque(malloc(10 + i * 30));
                fill(blocks[i], 10 + i * 30, seed + i);
            }
            ARENA_SCOPE("inner") {
                unsigned char *zeroes = opaque(calloc(1, 3000));
                EXPECT(zeroed(zeroes, 3000));
                fill(zeroes, 3000, seed);
                free(opaque(realloc(zeroes, 5000)));
            }
            free(blocks[3]);
            for (unsigned i = 4; i < 10; i++)
                EXPECT(filled(blocks[i], 10 + i * 30, seed + i));
            fill(opaque(malloc(100000)), 1000, seed); /* past the capacity that the test sets */
        }
    }
}

static void *run_scopes(void *seed)
{
    scopes((unsigned)(uintptr_t)seed);
    return NULL;
}

static void at_once(void)
{
    enum { COUNT = 64 };
    pthread_t threads[COUNT];
    for (uintptr_t i = 0; i < COUNT; i++)
        EXPECT(pthread_create(&threads[i], NULL, run_scopes, (void *)i) == 0);
    for (int i = 0; i < COUNT; i++)
        pthread_join(threads[i], NULL);
}

/* ---- one arena, many owners -------------------------------------------------------------------
 */

static int channel[2];

struct news {
    pid_t thread;
    void *block; /* its first */
};

static void *live(void *argument)
{
    struct news news;
    memset(&news, 0, sizeof news); /* the padding, too */
    news.thread = (pid_t)syscall(SYS_gettid);
    ARENA_SCOPE("first")
        news.block = opaque(malloc(100));
    EXPECT(write(channel[1], &news, sizeof news) == sizeof news);
    scopes((unsigned)(uintptr_t)argument);
    if ((uintptr_t)argument % 2 == 1)
        arena_scope_begin(NULL); /* left open */
    return NULL;
}

/* Each thread has the arena of the one before, which has gone and whose end nobody waited for. */
static void one_after_another(void)
{
    enum { COUNT = 6 };
    pthread_t threads[COUNT];
    void *first = NULL;
    EXPECT(pipe(channel) == 0);
    for (uintptr_t i = 0; i < COUNT; i++) {
        struct news news = {0, NULL};
        char task[64];
        EXPECT(pthread_create(&threads[i], NULL, live, (void *)i) == 0);
        EXPECT(read(channel[0], &news, sizeof news) == sizeof news);
        snprintf(task, sizeof task, "/proc/self/task/%d", (int)news.thread);
        while (access(task, F_OK) == 0)
            usleep(1000);
        if (i == 0)
            first = news.block;
        /* Arenas are further apart; memcheck sees no address twice. */
        EXPECT(in_arena(news.block) && (uintptr_t)news.block - (uintptr_t)first < 64 << 20);
    }
    for (int i = 0; i < COUNT; i++)
        pthread_join(threads[i], NULL);
}

/* ---- blocks handed over ------------------------------------------------------------------------
 */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned char *queue[8];
static unsigned queued;
static bool closed;

static void *consume(void *argument)
{
    pthread_mutex_lock(&lock);
    while (queued > 0 || !closed) {
        if (queued == 0) {
            pthread_cond_wait(&changed, &lock);
            continue;
        }
        unsigned char *block = queue[queued - 1];
        EXPECT(filled(block, 300, 7));
        fill(block, 300, 8);
        if (queued % 2 == 0) {
            ARENA_SCOPE("consumer") {
                block = opaque(realloc(block, 700));
                EXPECT(filled(block, 300, 8));
            }
        } else {
            free(block);
        }
        queued--;
        pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&lock);
    return argument;
}

static void *produce(void *argument)
{
    for (int round = 0; round < ROUNDS; round++) {
        ARENA_SCOPE("producer") {
            pthread_mutex_lock(&lock);
            for (; queued < 8; queued++) {
                queue[queued] = opaque(malloc(300));
                fill(queue[queued], 300, 7);
            }
            pthread_cond_broadcast(&changed);
            while (queued > 0)
                pthread_cond_wait(&changed, &lock);
            pthread_mutex_unlock(&lock);
        }
    }
    pthread_mutex_lock(&lock);
    closed = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return argument;
}

static void hand_over(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        EXPECT(pthread_create(&threads[i], NULL, i == 0 ? produce : consume, NULL) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

/* ---- fork, exit ---------------------------------------------------------------------------------
 */

static void forks(void)
{
    pthread_t threads[3];
    for (uintptr_t i = 0; i < 3; i++)
        EXPECT(pthread_create(&threads[i], NULL, run_scopes, (void *)i) == 0);
    ARENA_SCOPE("forking") {
        unsigned char *block = opaque(malloc(1000));
        fill(block, 1000, 1);
        pid_t child = fork();
        if (child == 0) {
            pthread_t thread;
            EXPECT(filled(block, 1000, 1));
            scopes(5);
            EXPECT(pthread_create(&thread, NULL, run_scopes, NULL) == 0);
            pthread_join(thread, NULL);
            _exit(expect_failures > 0);
        }
        int status = 1;
        EXPECT(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    }
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

/* ---- a fork while another thread gets its arena -----------------------------------------------
 */

static __thread bool forking;
static int children;

/* The first thread gets the arena that was the main thread's, the second the one half made. */
static void *two_threads(void *second)
{
    pthread_t thread;
    ARENA_SCOPE("one of two") {
        EXPECT(in_arena(opaque(malloc(1))));
        if (second) {
            EXPECT(pthread_create(&thread, NULL, two_threads, NULL) == 0);
            pthread_join(thread, NULL);
        }
    }
    scopes(1);
    return NULL;
}

static void fork_and_begin(void)
{
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        forking = false;
        EXPECT(pthread_create(&thread, NULL, two_threads, &thread) == 0);
        pthread_join(thread, NULL);
        _exit(expect_failures > 0);
    }
    int status = 1;
    EXPECT(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    children++;
}

/* In place of the C library's, for the shim, too, which makes memory accessible with it. */
int mprotect(void *start, size_t size, int protection)
{
    int result = (int)syscall(SYS_mprotect, start, size, protection);
    if (forking)
        fork_and_begin();
    return result;
}

static void *begin_among_forks(void *unused)
{
    (void)unused;
    forking = true;
    arena_scope_token token = arena_scope_begin(NULL);
    forking = false;
    EXPECT(in_arena(opaque(malloc(1))));
    arena_scope_end(token);
    return NULL;
}

static void half_made(void)
{
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, begin_among_forks, NULL) == 0);
    pthread_join(thread, NULL);
    EXPECT(children >= 2); /* before the record is made, and between it and the arena */
    scopes(1);
}

static pthread_key_t key;

static void destroy(void *block)
{
    for (int i = 0; i < 5; i++) {
        ARENA_SCOPE("destructor") {
            unsigned char *own = opaque(malloc(200));
            fill(own, 200, 9);
            free(own);
        }
    }
    free(block);
}

static void *leave(void *argument)
{
    arena_scope_begin(NULL);
    pthread_setspecific(key, opaque(malloc(100)));
    pthread_exit(argument);
}

/* Threads that leave scopes open, at the same time and detached, with destructors that allocate. */
static void exits(void)
{
    pthread_t threads[8];
    EXPECT(pthread_key_create(&key, destroy) == 0);
    for (int i = 0; i < 8; i++)
        EXPECT(pthread_create(&threads[i], NULL, leave, NULL) == 0);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
}

/* ---- what must be found ------------------------------------------------------------------------
 */

static volatile int *shared;

static void *write_shared(void *argument)
{
    *shared = 1;
    return argument;
}

/* Two threads write to one block of a scope. */
static void race(void)
{
    pthread_t threads[2];
    ARENA_SCOPE("race") {
        shared = opaque(malloc(sizeof *shared));
        *shared = 0;
        for (int i = 0; i < 2; i++)
            EXPECT(pthread_create(&threads[i], NULL, write_shared, NULL) == 0);
        for (int i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
    }
}

/* A thread uses a block while its owner has ended the scope and uses the memory anew. */
static void stale(void)
{
    pthread_t thread;
    ARENA_SCOPE("ended") {
        shared = opaque(malloc(sizeof *shared));
        *shared = 0;
        EXPECT(pthread_create(&thread, NULL, write_shared, NULL) == 0);
    }
    ARENA_SCOPE("later") {
        volatile int *other = opaque(malloc(sizeof *other));
        EXPECT(other == shared);
        *other = 2;
    }
    pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"at_once", at_once},     {"one_after_another", one_after_another},
        {"hand_over", hand_over}, {"forks", forks},
        {"half_made", half_made}, {"exits", exits},
        {"race", race},           {"stale", stale},
    };
    arena_learn();
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}
