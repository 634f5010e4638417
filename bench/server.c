/*
 * Works as a server does that keeps what it drew while its threads come and go: each thread has an
 * array of blocks of random sizes, and each of its steps frees one at random and draws another.
 * After so many steps the thread starts another one, hands its blocks on to it, and ends; so most
 * blocks are freed by another thread than drew them.
 *
 * usage: server [THREADS BLOCKS STEPS GENERATIONS]       (default: 4 4000 20000 80)
 *
 * THREADS work at once, with BLOCKS each, for STEPS in each of GENERATIONS. The work is the same in
 * each run. Every block is looked at when it is freed; what they held comes to the checksum that is
 * printed. Status 1 when a block holds something else than was written, or memory runs out.
 */
#include <err.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/sample.h"

enum { SMALLEST = 8, LARGEST = 1000, MOST_THREADS = 64 };

struct block {
    char *memory;
    uint32_t size;
    uint32_t mark; /* what its first and its last four bytes hold */
};

/* What a thread hands on. */
struct work {
    struct block *blocks;
    uint64_t count, steps, generations;
    uint64_t random; /* index of the next number */
    uint64_t sum;
};

static sem_t ended;

static void draw(struct block *block, uint64_t random)
{
    block->size = SMALLEST + (uint32_t)(random % (LARGEST - SMALLEST + 1));
    block->mark = (uint32_t)(random >> 32);
    block->memory = malloc(block->size);
    if (!block->memory)
        err(1, "a block of %" PRIu32 " bytes", block->size);
    memcpy(block->memory, &block->mark, sizeof block->mark);
    memcpy(block->memory + block->size - sizeof block->mark, &block->mark, sizeof block->mark);
}

static void release(struct work *work, struct block *block)
{
    if (memcmp(block->memory, &block->mark, sizeof block->mark) != 0 ||
        memcmp(block->memory + block->size - sizeof block->mark, &block->mark,
               sizeof block->mark) != 0)
        errx(1, "a block of %" PRIu32 " bytes has changed", block->size);
    free(block->memory);
    work->sum = work->sum * 31 + block->mark;
}

static void start(struct work *work);

static void *serve(void *argument)
{
    struct work *work = argument;
    for (uint64_t i = 0; i < work->steps; i++) {
        uint64_t random = sample_random(work->random++);
        struct block *block = &work->blocks[random % work->count];
        release(work, block);
        draw(block, sample_random(work->random++));
    }
    if (--work->generations > 0)
        start(work);
    else
        sem_post(&ended);
    return NULL;
}

static void start(struct work *work)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, serve, work);
    if (error == 0)
        error = pthread_detach(thread);
    if (error != 0)
        errx(1, "a thread: %s", strerror(error));
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);
    if (*end || value == 0 || value > UINT32_MAX)
        errx(2, "'%s' is no number from 1", text);
    return value;
}

int main(int argc, char **argv)
{
    uint64_t settings[] = {4, 4000, 20000, 80}, sum = 0;
    static struct work works[MOST_THREADS];
    if (argc != 1 && argc != 5)
        errx(2, "usage: server [THREADS BLOCKS STEPS GENERATIONS]");
    for (int i = 1; i < argc; i++)
        settings[i - 1] = number(argv[i]);
    if (settings[0] > MOST_THREADS)
        errx(2, "at most %d threads", MOST_THREADS);
    sem_init(&ended, 0, 0);
    for (uint64_t t = 0; t < settings[0]; t++) {
        struct work *work = &works[t];
        *work = (struct work){.count = settings[1],
                              .steps = settings[2],
                              .generations = settings[3],
                              .random = t << 40};
        work->blocks = calloc(work->count, sizeof work->blocks[0]);
        if (!work->blocks)
            err(1, "%" PRIu64 " blocks", work->count);
        for (uint64_t i = 0; i < work->count; i++)
            draw(&work->blocks[i], sample_random(work->random++));
    }
    for (uint64_t t = 0; t < settings[0]; t++)
        start(&works[t]);
    for (uint64_t t = 0; t < settings[0]; t++)
        while (sem_wait(&ended) != 0)
            ;
    for (uint64_t t = 0; t < settings[0]; t++) {
        for (uint64_t i = 0; i < works[t].count; i++)
            release(&works[t], &works[t].blocks[i]);
        free(works[t].blocks);
        sum ^= works[t].sum;
    }
    printf("%016" PRIx64 "\n", sum);
    return 0;
}
