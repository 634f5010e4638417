/*
 * Marks that ask for a scope that retains, in a process whose marks drop. Blocks are looked at
 * after the scopes that drew them; a case that is wrong leaves them to be overwritten.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"
#include "interrupt.h"

enum { SIZE = 100, ROUNDS = 2000 };

static const arena_scope_site retains = {"retains", "retaining.c", 1, ARENA_SCOPE_RETAINS};
static const arena_scope_site drops = {"drops", "retaining.c", 2, 0};

static char *draw(int seed)
{
    char *block = opaque(malloc(SIZE));
    memset(block, seed, SIZE);
    return block;
}

static int holds(const char *block, int seed)
{
    for (int i = 0; i < SIZE; i++)
        if (block[i] != (char)seed)
            return 0;
    return 1;
}

/* Scopes of the other kind go over the memory that drops. */
static void overwrite(void)
{
    arena_scope_token token = arena_scope_begin(&drops);
    for (int i = 0; i < 100; i++)
        draw(0xee);
    arena_scope_end(token);
}

static char *drawn_in_scope(const arena_scope_site *site, int seed)
{
    arena_scope_token token = arena_scope_begin(site);
    char *block = draw(seed);
    EXPECT(in_arena(block));
    arena_scope_end(token);
    return block;
}

static void survives(void)
{
    char *blocks[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        blocks[i] = drawn_in_scope(&retains, i);
        overwrite();
    }
    for (int i = 0; i < ROUNDS; i++) {
        EXPECT(holds(blocks[i], i));
        free(blocks[i]);
    }
}

/* The first scope that retains lies in scopes that drop, and others lie in it. */
static void nested(void)
{
    arena_scope_token outer = arena_scope_begin(&drops);
    char *dropped = draw(1);
    arena_scope_token middle = arena_scope_begin(&drops);
    arena_scope_token first = arena_scope_begin(&retains);
    char *kept = draw(2);
    arena_scope_token inner = arena_scope_begin(&drops);
    draw(3);
    char *inside = drawn_in_scope(&retains, 4);
    arena_scope_end(inner);
    kept = opaque(realloc(kept, 10 * SIZE));
    char *more = draw(5);
    arena_scope_end(first);
    draw(6);
    EXPECT(holds(dropped, 1));
    arena_scope_end(middle);
    EXPECT(holds(dropped, 1));
    arena_scope_end(outer);
    overwrite();
    EXPECT(holds(kept, 2) && holds(inside, 4) && holds(more, 5));
    free(kept);
    free(inside);
    free(more);
}

/* A place that asks for one kind and then for the other. */
static void turns(void)
{
    arena_scope_site site = {"turns", "retaining.c", 3, 0};
    char *block = NULL;
    for (int i = 0; i < ROUNDS; i++) {
        site.flags = i % 3 ? 0 : ARENA_SCOPE_RETAINS;
        char *next = drawn_in_scope(&site, i);
        EXPECT(!block || holds(block, i - 1));
        free(block);
        block = site.flags ? next : NULL;
    }
    free(block);
}

static void *thread_draws(void *seed)
{
    overwrite();
    return drawn_in_scope(&retains, *(int *)seed);
}

static void threads(void)
{
    void *block[8];
    pthread_t thread;
    for (int i = 0; i < 8; i++) {
        EXPECT(pthread_create(&thread, NULL, thread_draws, &i) == 0);
        EXPECT(pthread_join(thread, &block[i]) == 0);
    }
    for (int i = 0; i < 8; i++) {
        EXPECT(holds(block[i], i));
        free(block[i]);
    }
}

static void forks(void)
{
    char *block = drawn_in_scope(&retains, 1);
    pid_t child = fork();
    EXPECT(holds(block, 1));
    free(block);
    block = drawn_in_scope(&retains, 2);
    overwrite();
    EXPECT(holds(block, 2));
    free(block);
    if (child == 0)
        _exit(expect_failures != 0);
    int status;
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
}

static char *volatile handlers;

static void handle(int signal)
{
    (void)signal;
    arena_scope_token token = arena_scope_begin(&retains);
    handlers = draw(7);
    arena_scope_end(token);
}

/* The first one comes in a signal handler, anywhere in a loop of scopes that drop. */
static void handler(void)
{
    struct sigaction action = {.sa_handler = handle};
    EXPECT(sigaction(SIGALRM, &action, NULL) == 0);
    for (int delay = 1; delay < 200; delay += 4) {
        pid_t child = fork();
        if (child == 0) {
            struct itimerval timer = {.it_value = {0, delay}};
            setitimer(ITIMER_REAL, &timer, NULL);
            while (!handlers) {
                arena_scope_token token = arena_scope_begin(&drops);
                char *block = draw(8);
                arena_scope_token inner = arena_scope_begin(&drops);
                draw(9);
                arena_scope_end(inner);
                EXPECT(holds(block, 8));
                free(block);
                arena_scope_end(token);
            }
            overwrite();
            EXPECT(holds(handlers, 7));
            free(handlers);
            _exit(expect_failures != 0);
        }
        int status;
        EXPECT(waitpid(child, &status, 0) == child && status == 0);
    }
}

/* ---- the first begin, interrupted at an instruction by another one -------------------------- */

static volatile int steps_left;

/* Blocks of several pages, each in a class of its own. */
enum { MOST = 400, OTHERS = 4 };
static struct sized {
    char *block;
    size_t size;
} mine[MOST], others[OTHERS];

static void draw_sized(struct sized *blocks, int count, int seed)
{
    for (int i = 0; i < count; i++) {
        blocks[i].size = 40 + (size_t)(i % 4) * 3000;
        blocks[i].block = opaque(malloc(blocks[i].size));
        memset(blocks[i].block, seed, blocks[i].size);
    }
}

static void free_sized(struct sized *blocks, int count, int seed)
{
    for (int i = 0; i < count; i++) {
        for (size_t k = 0; k < blocks[i].size; k++)
            EXPECT(blocks[i].block[k] == (char)seed);
        free(blocks[i].block);
    }
}

static void handle_step(int signal)
{
    (void)signal;
    if (--steps_left != 0)
        return;
    arena_scope_token token = arena_scope_begin(&retains);
    draw_sized(others, OTHERS, 1);
    arena_scope_end(token);
}

static void begin_stepped(int step)
{
    steps_left = step;
    STEP_ON();
    arena_scope_token token = arena_scope_begin(&retains);
    STEP_OFF();
    draw_sized(mine, MOST, 2);
    arena_scope_end(token);
    free_sized(others, others[0].block ? OTHERS : 0, 1);
    free_sized(mine, MOST, 2);
}

static void stepped(void)
{
#ifndef __x86_64__
    exit(77); /* a program steps by itself there alone */
#endif
    int inside = 0;
    on_signal(SIGTRAP, handle_step, 0);
    for (int step = 1;; step += 17) {
        pid_t child = fork();
        if (child == 0) {
            overwrite();
            begin_stepped(step);
            _exit(expect_failures ? 1 : others[0].block ? 0 : 2);
        }
        int status;
        EXPECT(waitpid(child, &status, 0) == child);
        if (status != 0) {
            EXPECT(WEXITSTATUS(status) == 2); /* that is behind its end */
            break;
        }
        inside++;
    }
    EXPECT(inside > 5);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {{"survives", survives}, {"nested", nested}, {"turns", turns},
                 {"threads", threads},   {"forks", forks},   {"handler", handler},
                 {"stepped", stepped}};
    arena_learn();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (argc < 2)
            puts(cases[i].name);
        else if (strcmp(argv[1], cases[i].name) == 0)
            cases[i].run();
    return expect_failures != 0;
}
