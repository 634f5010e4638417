/*
 * Times what scopes named from outside cost: nanoseconds per operation, the median of ROUNDS rounds
 * in which all operations take turns, and the median of what an operation takes more than the plain
 * one of its group in the same round. bench/wrapped.sh runs it with the specs that it needs.
 *
 * usage: wrapped [--count OPERATION N]
 *
 * With --count it runs one operation N times and measures nothing: for instruction counts.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/empty.h"

#define ROUNDS 201
#define BATCH 20000 /* operations per turn */
#define BLOCK 48    /* bytes */

/* Keeps the compiler from dropping a block, and touches it. */
static inline void touch(void *block)
{
    *(volatile char *)block = 1;
}

static void plain_call(size_t count)
{
    for (size_t i = 0; i < count; i++)
        bench_empty();
}

static void retain_call(size_t count)
{
    for (size_t i = 0; i < count; i++)
        bench_empty_retain();
}

static void reset_call(size_t count)
{
    for (size_t i = 0; i < count; i++)
        bench_empty_reset();
}

/* The C library's own functions, whoever stands in front of them. */
static void *(*libc_malloc)(size_t);
static void (*libc_free)(void *);

static void libc_pair(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        void *block = libc_malloc(BLOCK);
        touch(block);
        libc_free(block);
    }
}

/* Wrapped: the specs name it. */
__attribute__((noinline)) static void retain_pair(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        void *block = malloc(BLOCK);
        touch(block);
        free(block);
    }
}

static const struct operation {
    const char *name;
    void (*run)(size_t count);
    size_t plain; /* the operation that it is compared with */
} operations[] = {
    {"plain_call", plain_call, 0}, {"retain_call", retain_call, 0}, {"reset_call", reset_call, 0},
    {"libc_pair", libc_pair, 3},   {"retain_pair", retain_pair, 3},
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

static double median(double *samples)
{
    qsort(samples, ROUNDS, sizeof samples[0], compare);
    return samples[ROUNDS / 2];
}

static void measure(void)
{
    static double samples[OPERATIONS][ROUNDS], differences[OPERATIONS][ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < OPERATIONS; i++) {
            double start = nanoseconds();
            operations[i].run(BATCH);
            samples[i][round] = (nanoseconds() - start) / BATCH;
        }
        for (size_t i = 0; i < OPERATIONS; i++)
            differences[i][round] = samples[i][round] - samples[operations[i].plain][round];
    }
    for (size_t i = 0; i < OPERATIONS; i++)
        printf("%s %.2f %.2f\n", operations[i].name, median(samples[i]), median(differences[i]));
}

int main(int argc, char **argv)
{
    void *libc = dlopen("libc.so.6", RTLD_NOW);
    libc_malloc = (void *(*)(size_t))(uintptr_t)dlsym(libc, "malloc");
    libc_free = (void (*)(void *))(uintptr_t)dlsym(libc, "free");
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
    fprintf(stderr, "usage: wrapped [--count OPERATION N]\n");
    return 2;
}
