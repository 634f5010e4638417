/*
 * Times the hot paths: nanoseconds per operation, the median of ROUNDS rounds in which all
 * operations take turns. Run it under the shim, or under another allocator, or plain.
 *
 * usage: hot_paths [--count OPERATION N]
 *
 * With --count it runs one operation N times and measures nothing: for instruction counts.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <arenashim/scope.h>

#include "bench/empty.h"

#define ROUNDS 21
#define BATCH 10000 /* operations between two scopes: 10,000 blocks fit in the default capacity */
#define BATCHES 20  /* per operation and round */
#define BLOCK 48    /* bytes */

/* Keeps the compiler from dropping a block, and touches it. */
static inline void touch(void *block)
{
    *(volatile char *)block = 1;
}

static void empty_call(size_t count)
{
    for (size_t i = 0; i < count; i++)
        bench_empty();
}

static void routed_malloc(size_t count)
{
    ARENA_SCOPE_HERE("malloc");
    for (size_t i = 0; i < count; i++)
        touch(malloc(BLOCK));
}

static void routed_pair(size_t count)
{
    ARENA_SCOPE_HERE("pair");
    for (size_t i = 0; i < count; i++) {
        void *block = malloc(BLOCK);
        touch(block);
        free(block);
    }
}

static void routed_calloc(size_t count)
{
    ARENA_SCOPE_HERE("calloc");
    for (size_t i = 0; i < count; i++)
        touch(calloc(1, BLOCK));
}

static void unrouted_pair(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        void *block = malloc(BLOCK);
        touch(block);
        free(block);
    }
}

static void empty_scope(size_t count)
{
    for (size_t i = 0; i < count; i++)
        ARENA_SCOPE("empty") {
            __asm__ volatile("");
        }
}

static void scope_of_8(size_t count)
{
    for (size_t i = 0; i < count; i++)
        ARENA_SCOPE("eight") {
            for (int k = 0; k < 8; k++)
                touch(malloc(BLOCK));
        }
}

static const struct operation {
    const char *name;
    void (*run)(size_t count);
} operations[] = {
    {"empty_call", empty_call},       {"routed_malloc", routed_malloc},
    {"routed_pair", routed_pair},     {"routed_calloc", routed_calloc},
    {"unrouted_pair", unrouted_pair}, {"empty_scope", empty_scope},
    {"scope_of_8", scope_of_8},
};
#define OPERATIONS (sizeof operations / sizeof operations[0])

static double nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(void)
{
    static double samples[OPERATIONS][ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < OPERATIONS; i++) {
            double start = nanoseconds();
            for (int batch = 0; batch < BATCHES; batch++)
                operations[i].run(BATCH);
            samples[i][round] = (nanoseconds() - start) / BATCHES / BATCH;
        }
    }
    for (size_t i = 0; i < OPERATIONS; i++) {
        qsort(samples[i], ROUNDS, sizeof samples[i][0], compare);
        printf("%s %.2f\n", operations[i].name, samples[i][ROUNDS / 2]);
    }
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        measure();
        return 0;
    }
    for (size_t i = 0; argc == 4 && i < OPERATIONS; i++) {
        if (strcmp(argv[1], "--count") == 0 && strcmp(argv[2], operations[i].name) == 0) {
            operations[i].run(strtoul(argv[3], NULL, 10));
            return 0;
        }
    }
    fprintf(stderr, "usage: hot_paths [--count OPERATION N]\n");
    return 2;
}
