/*
 * Times what scopes named from outside cost: nanoseconds per operation (ns), the median of ROUNDS
 * rounds in which all operations take turns, and the median of what an operation takes more than
 * the plain one of its group in the same round (more_ns). bench/wrapped.sh and bench/plan.sh run it
 * with the specs that it needs.
 *
 * usage: wrapped [--expect LIBRARY] [--verify | --count OPERATION N]
 *
 * With --verify it runs each operation and measures nothing. With --count it runs one operation N
 * times: for instruction counts.
 */
#include <dlfcn.h>
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/empty.h"
#include "bench/sample.h"

#define ROUNDS 201
#define BATCH 20000 /* operations per turn */
#define BLOCK 48    /* bytes */

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

static void measure(void)
{
    static double samples[OPERATIONS][ROUNDS], differences[OPERATIONS][ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < OPERATIONS; i++) {
            double start = sample_now();
            operations[i].run(BATCH);
            samples[i][round] = (sample_now() - start) / BATCH;
        }
        for (size_t i = 0; i < OPERATIONS; i++)
            differences[i][round] = samples[i][round] - samples[operations[i].plain][round];
    }
    for (size_t i = 0; i < OPERATIONS; i++) {
        const char *name = operations[i].name;
        sample_print(name, "-", 1, "ns", sample_percentile(samples[i], ROUNDS, 50));
        sample_print(name, "-", 1, "more_ns", sample_percentile(differences[i], ROUNDS, 50));
    }
}

static void count(const char *name, size_t times)
{
    for (size_t i = 0; i < OPERATIONS; i++) {
        if (strcmp(name, operations[i].name) == 0) {
            operations[i].run(times);
            return;
        }
    }
    errx(2, "no such operation: %s", name);
}

int main(int argc, char **argv)
{
    void *libc = dlopen("libc.so.6", RTLD_NOW);
    int i = 1;
    libc_malloc = (void *(*)(size_t))(uintptr_t)dlsym(libc, "malloc");
    libc_free = (void (*)(void *))(uintptr_t)dlsym(libc, "free");
    if (i + 1 < argc && strcmp(argv[i], "--expect") == 0) {
        sample_expect(argv[i + 1]);
        i += 2;
    }
    sample_pin(sample_cores() - 1); /* the first takes most interrupts */
    if (i == argc)
        measure();
    else if (i + 1 == argc && strcmp(argv[i], "--verify") == 0)
        for (size_t k = 0; k < OPERATIONS; k++)
            operations[k].run(BATCH);
    else if (i + 3 == argc && strcmp(argv[i], "--count") == 0)
        count(argv[i + 1], strtoul(argv[i + 2], NULL, 10));
    else
        errx(2, "usage: wrapped [--expect LIBRARY] [--verify | --count OPERATION N]");
    return 0;
}
