/*
 * What an OpenMP run-time library keeps: the pool of threads, teams, work shares, tasks, and the
 * threads' own blocks. The parallel region runs in the scope of the thread that meets it; the
 * threads of the team are in no scope.
 */
#define _GNU_SOURCE
#include <omp.h>

#include "keeps.h"

/* A sum over `count` numbers by a team of `threads`, each of which allocates. */
static void sum(int threads, int count)
{
    long total = 0;
    int team = 0;
#pragma omp parallel num_threads(threads) reduction(+ : total)
    {
        int *own = opaque(malloc(1000 * sizeof *own));
        for (int i = 0; i < 1000; i++)
            own[i] = i;
#pragma omp for schedule(dynamic, 7)
        for (int i = 0; i < count; i++)
            total += own[i % 1000];
#pragma omp single
        team = omp_get_num_threads();
        free(own);
    }
    long wanted = 0;
    for (int i = 0; i < count; i++)
        wanted += i % 1000;
    EXPECT(team == threads && total == wanted);
}

static void parallel_first(void)
{
    sum(3, 1000);
}

static void parallel_again(void)
{
    static const int teams[] = {3, 2, 5, 1, 8, 4, 8};
    for (size_t i = 0; i < sizeof teams / sizeof teams[0]; i++)
        sum(teams[i], 500 + (int)i);
}

static int fibonacci(int n)
{
    int a, b;
    if (n < 2)
        return n;
#pragma omp task shared(a)
    a = fibonacci(n - 1);
#pragma omp task shared(b)
    b = fibonacci(n - 2);
#pragma omp taskwait
    return a + b;
}

/* Dependences are kept in tables. */
static void chain(void)
{
    int value = 0;
#pragma omp parallel num_threads(3)
#pragma omp single
    for (int i = 1; i <= 50; i++) {
#pragma omp task depend(inout : value) firstprivate(i) shared(value)
        value = value * 3 % 1000 + i;
    }
    int wanted = 0;
    for (int i = 1; i <= 50; i++)
        wanted = wanted * 3 % 1000 + i;
    EXPECT(value == wanted);
}

static void tasks(int threads)
{
    int result = 0;
#pragma omp parallel num_threads(threads)
#pragma omp single
    result = fibonacci(12);
    EXPECT(result == 144);
    chain();
}

static void tasks_first(void)
{
    tasks(3);
}

static void tasks_again(void)
{
    tasks(2);
    tasks(5);
    tasks(3);
}

static void nested(int outer, int inner)
{
    int count = 0;
    omp_set_max_active_levels(2);
#if !defined __clang__ && __GNUC__ < 11 /* more levels are not enough for it */
    omp_set_nested(1);
#endif
#pragma omp parallel num_threads(outer)
#pragma omp parallel num_threads(inner)
    {
        char *own = opaque(calloc(1, 500));
#pragma omp atomic
        count += 1 + own[499];
        free(own);
    }
    EXPECT(count == outer * inner);
}

static void nested_first(void)
{
    nested(2, 2);
}

static void nested_again(void)
{
    nested(3, 2);
    nested(2, 3);
}

static int private_value = 4711;
#pragma omp threadprivate(private_value)

static void work_shares(int threads)
{
    int order = 0, sections = 0, critical = 0;
#pragma omp parallel num_threads(threads) copyin(private_value)
    {
#pragma omp for ordered schedule(guided)
        for (int i = 0; i < 40; i++) {
#pragma omp ordered
            {
                EXPECT(order == i);
                order++;
            }
        }
#pragma omp sections
        {
#pragma omp section
#pragma omp atomic
            sections++;
#pragma omp section
#pragma omp atomic
            sections++;
        }
#pragma omp critical
        critical += private_value == 4711;
    }
    EXPECT(order == 40 && sections == 2 && critical == threads);
}

static omp_lock_t lock;
static char *from_runtime;
#if !defined __clang__ && __GNUC__ < 11 /* whose run-time library has no allocators */
static char from_nobody[100];
#define omp_alloc(size, allocator) ((void *)from_nobody)
#define omp_free(block, allocator) ((void)(block))
#endif

static void work_shares_first(void)
{
    omp_init_lock(&lock);
    from_runtime = omp_alloc(100, omp_default_mem_alloc);
    EXPECT(from_runtime != NULL);
    fill(from_runtime, 100, 3);
    work_shares(3);
}

static void work_shares_again(void)
{
    omp_set_lock(&lock);
    omp_unset_lock(&lock);
    omp_destroy_lock(&lock);
    EXPECT(filled(from_runtime, 100, 3));
    omp_free(from_runtime, omp_default_mem_alloc);
    work_shares(4);
    work_shares(2);
}

/* Regions in scopes and out of them by turns. */
static void turns_first(void)
{
    sum(2, 100);
}

static void turns_again(void)
{
    for (int i = 0; i < 10; i++) {
        ARENA_SCOPE("turn") {
            sum(1 + i % 4, 200);
        }
        sum(1 + (i + 2) % 5, 200);
        tasks(2);
    }
}

static const struct keep cases[] = {
    {"parallel", parallel_first, parallel_again},
    {"tasks", tasks_first, tasks_again},
    {"nested", nested_first, nested_again},
    {"work_shares", work_shares_first, work_shares_again},
    {"turns", turns_first, turns_again},
};
KEEPS_MAIN(cases)
