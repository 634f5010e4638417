/*
 * The ends of a process, each inside nested and paused scopes, with handlers that allocate and free
 * scope memory on the way out: exit CASE. With EXIT_LIBRARY a library whose destructor runs after
 * the shim's.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "expect.h"

/* Scope memory and memory of the next allocator, grown and freed while the process ends. */
static void *volatile scope_memory;
static void *volatile other_memory;

static void use_memory(unsigned seed)
{
    unsigned char *block = opaque(malloc(100));
    fill(block, 100, seed);
    other_memory = opaque(realloc(other_memory, 5000));
    EXPECT(filled(other_memory, 50, 1));
    ARENA_SCOPE("on the way out") {
        unsigned char *inner = opaque(malloc(3 << 20));
        fill(inner, 1000, seed + 1);
        EXPECT(filled(block, 100, seed) && filled(inner, 1000, seed + 1));
    }
    free(block);
    free(scope_memory);
    scope_memory = NULL;
}

/* By write alone: stdio may be gone. */
static void say(const char *text)
{
    if (write(STDOUT_FILENO, text, strlen(text)) < 0)
        _exit(99);
}

#ifdef EXIT_LIBRARY
void exit_library(void);

void exit_library(void)
{
    other_memory = opaque(malloc(50));
    fill(other_memory, 50, 1);
    ARENA_SCOPE("library")
        scope_memory = opaque(malloc(200));
}

__attribute__((destructor)) static void at_unload(void)
{
    for (unsigned i = 0; i < 10; i++)
        use_memory(i);
    free(other_memory);
    if (expect_failures == 0)
        say("library\n");
}

#else

void exit_library(void) __attribute__((weak));

static void at_exit(void)
{
    for (unsigned i = 0; i < 10; i++)
        use_memory(i);
    if (expect_failures == 0)
        say("handler\n");
}

__attribute__((destructor)) static void at_end(void)
{
    at_exit();
}

/* Two scopes left open, one of them paused, and scope memory that a handler frees. */
static void enter(void)
{
    arena_scope_begin(NULL);
    EXPECT(arena_first == 0 || in_arena(opaque(malloc(100))));
    arena_scope_pause();
    other_memory = opaque(malloc(50));
    fill(other_memory, 50, 1);
    arena_scope_begin(NULL);
    scope_memory = opaque(malloc(100));
    EXPECT(arena_first == 0 || in_arena(scope_memory));
    opaque(malloc(2 << 20)); /* past the capacity */
    if (exit_library)
        exit_library();
}

static void by_return(void)
{
    enter();
}

static void by_exit(void)
{
    enter();
    exit(3);
}

static void by_underscore_exit(void)
{
    enter();
    _exit(3);
}

static void *exit_beside(void *start)
{
    pthread_barrier_wait(start);
    _exit(3);
}

/* Whoever reports waits for a reader, if stdout is a pipe. */
static void by_two_exits(void)
{
    pthread_barrier_t start;
    pthread_t thread;
    for (int room = fcntl(STDOUT_FILENO, F_GETPIPE_SZ); room > 0; room--)
        EXPECT(write(STDOUT_FILENO, "\n", 1) == 1);
    enter();
    EXPECT(pthread_barrier_init(&start, NULL, 2) == 0);
    EXPECT(pthread_create(&thread, NULL, exit_beside, &start) == 0);
    exit_beside(&start);
}

static void by_quick_exit(void)
{
    EXPECT(at_quick_exit(at_exit) == 0);
    enter();
    quick_exit(3);
}

static void by_abort(void)
{
    enter();
    abort();
}

static void by_kill(void)
{
    enter();
    raise(SIGKILL);
}

static void by_segv(void)
{
    enter();
    raise(SIGSEGV);
}

static void handle(int signal)
{
    (void)signal;
    arena_scope_begin(NULL);
    opaque(malloc(100));
    exit(3);
}

static void in_handler(void)
{
    signal(SIGUSR1, handle);
    enter();
    raise(SIGUSR1);
}

static void *exiting(void *unused)
{
    (void)unused;
    enter();
    exit(3);
}

static void in_thread(void)
{
    pthread_t thread;
    arena_scope_begin(NULL);
    opaque(malloc(100));
    EXPECT(pthread_create(&thread, NULL, exiting, NULL) == 0);
    for (;;)
        pause();
}

static void *outlive(void *main_thread)
{
    pthread_t *thread = main_thread;
    EXPECT(pthread_join(*thread, NULL) == 0);
    ARENA_SCOPE("after main") {
        EXPECT(arena_first == 0 || in_arena(opaque(malloc(100))));
    }
    exit(3);
}

/* main has left, its scopes with it. */
static void main_leaves(void)
{
    static pthread_t self;
    pthread_t thread;
    self = pthread_self();
    enter();
    EXPECT(pthread_create(&thread, NULL, outlive, &self) == 0);
    pthread_exit(NULL);
}

static volatile int running;

static void *never_ending(void *number)
{
    running++;
    for (unsigned i = (unsigned)(uintptr_t)number;; i++) {
        ARENA_SCOPE("never ending") {
            unsigned char *block = opaque(malloc(i % 3000 + 1));
            fill(block, i % 3000 + 1, i);
            ARENA_SCOPE("nested")
                opaque(calloc(1, i % 100 == 0 ? 3 << 20 : 100));
            EXPECT(filled(block, i % 3000 + 1, i));
        }
    }
    return NULL;
}

/* Detached threads are in the midst of their scopes when the process ends. */
static void detached(void)
{
    pthread_t thread;
    for (uintptr_t i = 0; i < 4; i++) {
        EXPECT(pthread_create(&thread, NULL, never_ending, (void *)(i * 100)) == 0);
        pthread_detach(thread);
    }
    while (running < 4)
        usleep(1000);
    usleep(20000);
    enter();
    exit(3);
}

/* Standard error was closed at the start; the program's data file has its number. */
static void data_file(void)
{
    enter();
    int fd = open(getenv("EXIT_DATA"), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd != STDERR_FILENO || write(fd, "data\n", 5) != 5)
        _exit(98);
    arena_scope_token token = arena_scope_begin(NULL);
    arena_scope_end(token);
    arena_scope_end(token); /* misuse */
    exit(expect_failures > 0 ? 1 : 3);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"by_return", by_return},
        {"by_exit", by_exit},
        {"by_underscore_exit", by_underscore_exit},
        {"by_two_exits", by_two_exits},
        {"by_quick_exit", by_quick_exit},
        {"by_abort", by_abort},
        {"by_kill", by_kill},
        {"by_segv", by_segv},
        {"in_handler", in_handler},
        {"in_thread", in_thread},
        {"main_leaves", main_leaves},
        {"detached", detached},
        {"data_file", data_file},
    };
    arena_learn();
    atexit(at_exit);
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}
#endif
