/* What the statistics report: stats CASE. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"

/* Counts that can be told exactly. */
static void counts(void)
{
    for (int i = 0; i < 3; i++) {
        ARENA_SCOPE("outer") {
            void *first = opaque(malloc(100));
            void *second = opaque(malloc(200));
            ARENA_SCOPE("inner") {
                opaque(calloc(4, 25));
            }
            free(second);
            ARENA_SCOPE_PAUSED free(opaque(malloc(10)));
            EXPECT(first != NULL);
        }
    }
}

static void odd_labels(void)
{
    static const arena_scope_site quoted = {"a \"label\" with \\ and \n and \x01", "a\tfile", 3, 0};
    static const arena_scope_site bytes = {"\xc3\xa4 and \xff\xc3", "\xe2\x82\xac", 4000000000u, 0};
    const arena_scope_site *sites[] = {&quoted, &bytes, NULL};
    for (int i = 0; i < 3; i++) {
        arena_scope_token token = arena_scope_begin(sites[i]);
        opaque(malloc(10));
        arena_scope_end(token);
    }
}

/* More sites than the table holds: the further ones share an entry, and no call is lost. */
static void many_sites(void)
{
    for (uint32_t i = 1; i <= 2000; i++) {
        const arena_scope_site site = {"many", "a file", i, 0};
        for (int k = 0; k < 2; k++) {
            arena_scope_token token = arena_scope_begin(&site);
            opaque(malloc(10));
            arena_scope_end(token);
        }
    }
}

/* Sites with equal contents at several addresses are one. */
static void equal_sites(void)
{
    char labels[3][6], files[3][6];
    for (int i = 0; i < 3; i++) {
        strcpy(labels[i], "label");
        strcpy(files[i], "file");
        const arena_scope_site site = {labels[i], files[i], 1, 0};
        arena_scope_token token = arena_scope_begin(&site);
        opaque(malloc(10));
        arena_scope_end(token);
    }
}

/* Deeper than the shim tells scopes apart: no call is lost, and everything
 * ends. */
static void nest(int levels)
{
    ARENA_SCOPE("nested") {
        unsigned char *block = opaque(malloc(10));
        fill(block, 10, (unsigned)levels);
        if (levels > 1)
            nest(levels - 1);
        EXPECT(arena_scope_active() == 1 && filled(block, 10, (unsigned)levels));
    }
}

static void deep_nesting(void)
{
    for (int i = 0; i < 2; i++) {
        nest(2000);
        EXPECT(arena_scope_active() == 0);
    }
}

/* Every fourth comes to 1,008 bytes, the others to 112. */
static void many_scopes(void)
{
    for (int i = 0; i < 40000; i++)
        ARENA_SCOPE("some")
            opaque(malloc(i % 4 == 0 ? 1000 : 100));
}

static void recurse(int levels)
{
    ARENA_SCOPE("recursion") {
        opaque(malloc(10));
        if (levels > 1)
            recurse(levels - 1);
    }
}

static void recursion(void)
{
    for (int i = 0; i < 3; i++)
        recurse(3);
}

/* The parent's scopes and the child's have another nesting; the child alone reports. */
static void fork_between(void)
{
    counts();
    if (fork() != 0) {
        int status;
        wait(&status);
        _exit(status != 0);
    }
    ARENA_SCOPE("child")
        opaque(malloc(10));
}

static __attribute__((noinline)) void *draws_what_stays(size_t size)
{
    return opaque(opaque(malloc(size))); /* line of what stays */
}

static __attribute__((noinline)) void draws_what_is_freed(void)
{
    for (int i = 0; i < 5; i++)
        free(opaque(malloc(50)));
}

/* In either kind of scope; the inner ones keep blocks of their own. */
static void alive(void)
{
    for (int i = 0; i < 40; i++) {
        void *outer = NULL, *inner = NULL;
        ARENA_SCOPE("outer") {
            draws_what_is_freed();
            void *older = opaque(malloc(60));
            outer = draws_what_stays(100);
            free(older); /* it is not the newest */
            ARENA_SCOPE("inner") {
                inner = opaque(calloc(1, 30)); /* line of calloc */
                draws_what_is_freed();
            }
            draws_what_is_freed();
        }
        if (getenv("ARENASHIM_END")) {
            free(outer);
            free(inner);
        }
    }
}

static __attribute__((noinline)) void *draws_late(size_t size)
{
    return opaque(opaque(malloc(size))); /* line of what comes late */
}

/* One scope that draws much. */
static void alive_in_one(void)
{
    ARENA_SCOPE("one") {
        for (int i = 0; i < 10000; i++)
            draws_what_stays(i % 100 + 1U);
        for (int i = 0; i < 50000; i++)
            draws_late(i % 100 + 1U);
    }
}

/* A scope around all others, which draw more than it does. */
static void alive_around(void)
{
    ARENA_SCOPE("around") {
        draws_what_stays(100);
        for (int i = 0; i < 1000; i++) {
            ARENA_SCOPE("first")
                for (int k = 0; k < 20; k++)
                    draws_what_is_freed();
            ARENA_SCOPE("second")
                draws_what_is_freed();
            draws_late(100);
        }
    }
}

/* What stays is drawn after much that does not. */
static void alive_late(void)
{
    for (int i = 0; i < 40; i++)
        ARENA_SCOPE("late") {
            for (int k = 0; k < 100; k++)
                draws_what_is_freed();
            draws_late(70);
        }
}

/* Where a block was that is freed when nobody looks any more lies another one of its size. */
static void alive_in_its_place(void)
{
    ARENA_SCOPE("place") {
        void *freed[50];
        for (int i = 0; i < 50; i++)
            freed[i] = opaque(malloc(100));
        for (int i = 0; i < 50; i++)
            draws_what_is_freed();
        for (int i = 50; i-- > 0;)
            free(freed[i]);
        for (int i = 0; i < 50; i++)
            draws_late(100);
    }
}

static void print_stats(void)
{
    counts();
    arenashim_stats_print(1);
    ARENA_SCOPE("open") {
        opaque(malloc(10));
        arenashim_stats_print(1);
    }
    arenashim_stats_print(-1);
}

static void exit_in_scope(void)
{
    ARENA_SCOPE("first") {
        ARENA_SCOPE("second") {
            opaque(malloc(10));
            exit(expect_failures > 0);
        }
    }
}

static void quick_exit_in_scope(void)
{
    ARENA_SCOPE("quick")
        _exit(opaque(malloc(10)) == NULL);
}

static void close_output(void)
{
    counts();
    close(1);
    close(2);
}

static void *one_scope(void *unused)
{
    ARENA_SCOPE("thread")
        opaque(malloc(10));
    return unused;
}

static void *no_scope(void *unused)
{
    free(opaque(malloc(10)));
    return unused;
}

/* Threads that had a scope are counted, one after another or at once. */
static void threads(void)
{
    for (int i = 0; i < 10; i++) {
        pthread_t thread;
        EXPECT(pthread_create(&thread, NULL, i < 7 ? one_scope : no_scope, NULL) == 0);
        pthread_join(thread, NULL);
    }
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"counts", counts},
        {"odd_labels", odd_labels},
        {"many_sites", many_sites},
        {"equal_sites", equal_sites},
        {"deep_nesting", deep_nesting},
        {"alive", alive},
        {"alive_in_one", alive_in_one},
        {"alive_around", alive_around},
        {"alive_late", alive_late},
        {"alive_in_its_place", alive_in_its_place},
        {"many_scopes", many_scopes},
        {"recursion", recursion},
        {"fork_between", fork_between},
        {"print_stats", print_stats},
        {"exit_in_scope", exit_in_scope},
        {"quick_exit_in_scope", quick_exit_in_scope},
        {"close_output", close_output},
        {"threads", threads},
    };
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}
