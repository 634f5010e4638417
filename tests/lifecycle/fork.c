/*
 * Processes made from within scopes: fork CASE. Children report by their exit status.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"

extern char **environ;

static void wait_for(pid_t child, int wanted)
{
    int status = -1;
    EXPECT(child > 0 && waitpid(child, &status, 0) == child);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == wanted);
}

/* Resident and private memory of the process, in KiB. */
static long resident(void)
{
    char line[200];
    long sum = 0;
    long value;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    if (!file)
        _exit(77);
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "Private_Dirty: %ld", &value) == 1 ||
            sscanf(line, "Rss: %ld", &value) == 1)
            sum = value > sum ? value : sum;
    fclose(file);
    return sum;
}

static void some_scopes(const char *label, int count)
{
    arena_scope_site site = {label, NULL, 1, 0};
    for (int i = 0; i < count; i++) {
        arena_scope_token token = arena_scope_begin(&site);
        unsigned char *block = opaque(calloc(1, 2000));
        EXPECT(in_arena(block) && zeroed(block, 2000));
        fill(block, 2000, 9);
        opaque(aligned_alloc(256, 300));
        arena_scope_end(token);
    }
}

static volatile int stop;
static volatile int ready;

static void *busy_until_stopped(void *argument)
{
    __atomic_fetch_add(&ready, 1, __ATOMIC_RELAXED);
    while (!stop) {
        ARENA_SCOPE("busy") {
            unsigned char *block = opaque(malloc(5000));
            fill(block, 5000, 3);
            ARENA_SCOPE("busy inner")
                opaque(malloc(2 << 20));
            EXPECT(filled(block, 5000, 3));
        }
    }
    return argument;
}

static void *in_thread(void *argument)
{
    some_scopes("thread of a child", 5);
    return argument;
}

static void with_a_thread(void)
{
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, in_thread, NULL) == 0);
    pthread_join(thread, NULL);
}

/* ---- generations ------------------------------------------------------------------------------
 */

/* Forks from within nested and paused scopes, `generations` deep, while other threads are at work.
 * Each child goes on in its inherited scopes, ends them by the tokens of its parent, begins others,
 * starts a thread and exits as a program does. */
static void descend(int generations)
{
    int was_active = arena_scope_active();
    arena_scope_token outer = arena_scope_begin(NULL);
    unsigned char *block = opaque(malloc(1000));
    fill(block, 1000, 1);
    arena_scope_token inner = arena_scope_begin(NULL);
    unsigned char *second = opaque(malloc(1000));
    fill(second, 1000, 2);
    arena_scope_pause();
    pid_t child = fork();
    if (child == 0) {
        EXPECT(arena_scope_active() == 0 && !in_arena(opaque(malloc(10))));
        arena_scope_resume();
        EXPECT(arena_scope_active() == 1);
        EXPECT(filled(block, 1000, 1) && filled(second, 1000, 2));
        second = opaque(realloc(second, 3000));
        EXPECT(in_arena(second) && filled(second, 1000, 2));
        fill(second, 3000, 3);
        fill(block, 1000, 4);
        some_scopes("child", 10);
        with_a_thread();
        if (generations > 1)
            descend(generations - 1);
        EXPECT(filled(second, 3000, 3));
        arena_scope_end(inner);
        EXPECT(filled(block, 1000, 4) && arena_scope_active() == 1);
        arena_scope_end(outer);
        EXPECT(arena_scope_active() == was_active);
        some_scopes("child", 10);
        exit(expect_failures > 0 ? 1 : 7);
    }
    wait_for(child, 7);
    arena_scope_resume();
    EXPECT(filled(block, 1000, 1) && filled(second, 1000, 2));
    arena_scope_end(inner);
    arena_scope_end(outer);
}

static void generations(void)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        EXPECT(pthread_create(&threads[i], NULL, busy_until_stopped, NULL) == 0);
    while (ready < 3)
        sched_yield();
    for (int i = 0; i < 5; i++)
        descend(3);
    stop = 1;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

/* The child leaves its inherited scopes open. */
static void left_open(void)
{
    arena_scope_begin(NULL);
    arena_scope_begin(NULL);
    pid_t child = fork();
    if (child == 0) {
        some_scopes("child", 3);
        exit(expect_failures > 0 ? 1 : 7);
    }
    wait_for(child, 7);
}

static void *fork_and_return(void *unused)
{
    ARENA_SCOPE("forking thread") {
        unsigned char *block = opaque(malloc(1000));
        fill(block, 1000, 1);
        pid_t child = fork();
        if (child == 0) {
            EXPECT(filled(block, 1000, 1) && arena_scope_active() == 1);
            some_scopes("child", 4);
            with_a_thread();
            if (expect_failures > 0)
                _exit(1);
            return NULL; /* its only thread: the process exits */
        }
        wait_for(child, 0);
        EXPECT(filled(block, 1000, 1));
    }
    return unused;
}

/* A thread other than the first one forks: the child is that thread. */
static void from_a_thread(void)
{
    pthread_t thread;
    some_scopes("parent", 2);
    EXPECT(pthread_create(&thread, NULL, fork_and_return, NULL) == 0);
    pthread_join(thread, NULL);
}

/* ---- counts -----------------------------------------------------------------------------------
 */

static pthread_barrier_t at_work;

/* In a scope, with blocks that are alive. */
static __attribute__((noinline)) void held(void)
{
    ARENA_SCOPE("other thread") {
        for (int i = 0; i < 100; i++)
            opaque(malloc(32));
        pthread_barrier_wait(&at_work);
        pause();
    }
}

static void *hold_blocks(void *unused)
{
    some_scopes("other thread", 5);
    held();
    return unused;
}

static void draw(int count)
{
    while (count-- > 0)
        opaque(malloc(10));
}

static __attribute__((noinline)) void drawing(void)
{
    draw(1);
}

static pid_t raw_fork(void)
{
    return (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

/* The child draws in the scope that its parent has begun, and in some of its own, by two threads.
 */
static void child_counts(pid_t (*make)(void))
{
    pthread_t thread;
    pthread_barrier_init(&at_work, NULL, 4);
    for (int i = 0; i < 3; i++)
        EXPECT(pthread_create(&thread, NULL, hold_blocks, NULL) == 0);
    pthread_barrier_wait(&at_work);
    some_scopes("parent", 10);
    drawing();
    ARENA_SCOPE("outer") {
        draw(20);
        pid_t child = make();
        if (child == 0) {
            if (make != raw_fork)
                draw(50);
            some_scopes("child", 3);
            with_a_thread();
            drawing();
            if (make == raw_fork)
                draw(50);
            exit(expect_failures > 0 ? 1 : 7);
        }
        wait_for(child, 7);
    }
}

static void counts_fork(void)
{
    child_counts(fork);
}

static void counts_of_Fork(void)
{
    child_counts((pid_t(*)(void))dlsym(RTLD_DEFAULT, "_Fork"));
}

static void counts_raw(void)
{
    child_counts(raw_fork);
}

/* ---- memory -----------------------------------------------------------------------------------
 */

enum { THREADS = 200, TOUCHED = 300000 };

static pthread_barrier_t barrier;

static void *hold(void *unused)
{
    ARENA_SCOPE("hold") {
        memset(opaque(malloc(TOUCHED)), 1, TOUCHED);
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
    }
    return unused;
}

/* The arenas of the parent's other threads, and what the shim keeps of them, are not the child's
 * burden; its own threads can have them. */
static void memory(void)
{
    static pthread_t threads[THREADS];
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 << 10);
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    some_scopes("parent", 1);
    long before = resident();
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], &attributes, hold, NULL) != 0)
            _exit(77);
    pthread_barrier_wait(&barrier);
    long with = resident();
    EXPECT(with - before > (long)THREADS * TOUCHED / 1024);
    pid_t child = fork();
    if (child == 0) {
        long own = resident();
        /* Of each of the threads: less than four pages, for its stack and its descriptor. */
        EXPECT_MEMORY(own - before < THREADS * 16L);
        if (expect_failures > 0)
            fprintf(stderr, "%ld, %ld, %ld KiB\n", before, with, own);
        for (int i = 0; i < 20; i++)
            with_a_thread();
        some_scopes("child", 10);
        exit(expect_failures > 0 ? 1 : 7);
    }
    wait_for(child, 7);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    some_scopes("parent", 1);
}

/* ---- other ways -------------------------------------------------------------------------------
 */

/* vfork and exec, posix_spawn, system and popen, each in a scope that goes on. */
static void other_ways(void)
{
    char *arguments[] = {"sh", "-c", "exit 7", NULL};
    for (int round = 0; round < 5; round++) {
        ARENA_SCOPE("spawning") {
            unsigned char *block = opaque(malloc(1000));
            fill(block, 1000, 1);
            pid_t child = vfork();
            if (child == 0) {
                execv("/bin/sh", arguments);
                _exit(99);
            }
            wait_for(child, 7);
            EXPECT(posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environ) == 0);
            wait_for(child, 7);
            EXPECT(posix_spawnp(&child, "sh", NULL, NULL, arguments, environ) == 0);
            wait_for(child, 7);
            int status = system("exit 7");
            EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 7);
            char line[100] = "";
            FILE *pipe = popen("echo from a pipe", "r");
            EXPECT(pipe && fgets(line, sizeof line, pipe));
            EXPECT(strcmp(line, "from a pipe\n") == 0);
            EXPECT(pipe && pclose(pipe) == 0);
            EXPECT(filled(block, 1000, 1) && arena_scope_active() == 1);
            EXPECT(in_arena(opaque(malloc(10))));
        }
    }
    /* What stdio keeps of a pipe outlives the scope that it was opened in. */
    FILE *pipe = NULL;
    char line[100] = "";
    ARENA_SCOPE("opening")
        pipe = popen("echo later", "r");
    some_scopes("between", 5);
    EXPECT(pipe && fgets(line, sizeof line, pipe) && strcmp(line, "later\n") == 0);
    EXPECT(pipe && pclose(pipe) == 0);
}

/* ---- threads that are gone without a word ---------------------------------------------------- */

/* Large blocks, so that the thread is on a slow path most of its time. */
static void *draw_large(void *argument)
{
    while (!stop)
        for (size_t size = 40000; size < 120000; size += 4096)
            free(opaque(malloc(size)));
    return argument;
}

/* A child in which threads start and end until the C library unmaps the stacks of those that it has
 * not got, and whose libraries are finalized at exit. */
static void busy_threads(void)
{
    enum { BUSY = 8, CHILDREN = 20 };
    static pthread_t threads[BUSY];
    free(opaque(malloc(100)));
    for (int i = 0; i < BUSY; i++)
        EXPECT(pthread_create(&threads[i], NULL, draw_large, NULL) == 0);
    usleep(20000);
    for (int i = 0; i < CHILDREN; i++) {
        pid_t child = fork();
        if (child == 0) {
            for (int k = 0; k < BUSY; k++)
                with_a_thread();
            exit(7);
        }
        wait_for(child, 7);
    }
    stop = 1;
    for (int i = 0; i < BUSY; i++)
        pthread_join(threads[i], NULL);
}

/* When a thread stays in the system call that gets memory for its arena, as far as others see. */
static volatile enum { NEVER, AT_BEGIN, IN_SCOPE } moment;
static volatile int may_stay, stays, is_drawn;

void *mmap(void *start, size_t size, int protection, int flags, int file, off_t offset)
{
    void *place = (void *)syscall(SYS_mmap, start, size, protection, flags, file, offset);
    if (may_stay && size >= 256 << 10 && place == start) {
        stays++;
        while (may_stay)
            usleep(100);
    }
    return place;
}

static void *draw_in_scope(void *argument)
{
    size_t size = ((size_t)moment + 1) << 22; /* more than the arena has come to */
    may_stay = moment == AT_BEGIN;
    ARENA_SCOPE("drawing") {
        may_stay = moment == IN_SCOPE;
        unsigned char *block = opaque(malloc(size));
        may_stay = 0;
        EXPECT(in_arena(block));
        fill(block, size, 1);
    }
    is_drawn = 1;
    return argument;
}

/* A child that is made meanwhile has threads with arenas, too. */
static void while_growing(void)
{
    pthread_t thread;
    for (moment = AT_BEGIN; moment <= IN_SCOPE; moment++) {
        int before = stays;
        is_drawn = 0;
        EXPECT(pthread_create(&thread, NULL, draw_in_scope, NULL) == 0);
        while (stays == before && !is_drawn)
            usleep(100);
        pid_t child = fork();
        if (child == 0) {
            moment = NEVER;
            may_stay = 0;
            for (int i = 0; i < 3; i++) {
                EXPECT(pthread_create(&thread, NULL, draw_in_scope, NULL) == 0);
                pthread_join(thread, NULL);
            }
            _exit(expect_failures > 0);
        }
        may_stay = 0;
        wait_for(child, 0);
        pthread_join(thread, NULL);
    }
    if (stays < 2)
        _exit(77); /* the region is reserved */
}

static void *leave_by_a_system_call(void *argument)
{
    free(opaque(malloc(100)));
    syscall(SYS_exit, 0);
    return argument;
}

/* Their stacks are unmapped before a library goes. */
static void gone_threads(void)
{
    enum { GONE = 12 };
    pthread_t threads[GONE];
    for (int i = 0; i < GONE; i++)
        EXPECT(pthread_create(&threads[i], NULL, leave_by_a_system_call, NULL) == 0);
    for (int i = 0; i < GONE; i++)
        pthread_join(threads[i], NULL);
    void *library = dlopen("libz.so.1", RTLD_NOW);
    if (!library)
        _exit(77);
    EXPECT(dlclose(library) == 0);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"generations", generations},       {"left_open", left_open},
        {"from_a_thread", from_a_thread},   {"memory", memory},
        {"other_ways", other_ways},         {"counts_fork", counts_fork},
        {"counts_of_Fork", counts_of_Fork}, {"counts_raw", counts_raw},
        {"busy_threads", busy_threads},     {"gone_threads", gone_threads},
        {"while_growing", while_growing},
    };
    arena_learn();
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}
