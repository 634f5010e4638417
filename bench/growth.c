/*
 * How memory grows: with the size of a scope, with the number of threads, and with the number of
 * scopes. Built once for each way to allocate; ADAPTER is the header in bench/adapters that says
 * how (bench/work.c says what it defines). C11 and C++17.
 *
 * usage: growth-NAME [--quick] [--littered] [--expect LIBRARY] [--verify]
 *
 * Each case runs in a process of its own, a child, so that none finds what another left. Blocks are
 * of 16 bytes to 8 KiB, and all of their pages are touched. The size of a sample is what grows:
 *
 *     scope_size   bytes that a scope draws; SCOPES scopes, one after the other
 *     threads      threads that are in scopes of THREAD_SCOPE bytes at the same time
 *     scopes       scopes of SMALL_SCOPE bytes, one after the other. Each replaces one of LIVE
 *                  blocks that malloc holds meanwhile, so that old and new blocks are neighbours
 *
 *     faults       page faults of all that
 *     peak_kb      the most memory that was resident
 *     retained_kb  what still is when no scope is open, but all threads are there
 *     trimmed_kb   the same after malloc_trim
 *     ended_kb     (threads) after the threads have ended
 *
 * With --littered the heap of malloc is littered first, in each process, and what stays of that is
 * in all figures but the faults. With --verify blocks are checked, and nothing is measured.
 */
#include <err.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/litter.h"
#include "bench/resident.h"
#include "bench/sample.h"
#include "bench/verify.h"

#include ADAPTER

#define PAGE 4096
#define SIZES 4096 /* drawn in turn, so that scopes differ */
#define SCOPES 4
#define SMALL_SCOPE ((size_t)8 << 10)
#define THREAD_SCOPE ((size_t)256 << 10)
#define LIVE 10000
#define MOST_THREADS 32
#define LITTER 20000 /* blocks, of which half are freed: about 13 MiB stay */
#define LARGEST ((size_t)64 << 20)

static const size_t scope_sizes[] = {(size_t)64 << 10,
                                     (size_t)256 << 10,
                                     (size_t)1 << 20,
                                     (size_t)4 << 20,
                                     (size_t)16 << 20,
                                     LARGEST,
                                     0};
static const size_t thread_counts[] = {1, 2, 4, 8, 16, MOST_THREADS, 0};
static const size_t scope_counts[] = {1, 10, 100, 1000, 10000, 100000, 0};

/* ---- scopes ---------------------------------------------------------------------------------- */

static uint16_t sizes[SIZES];

/* Each power of two has the same share. */
static void choose_sizes(void)
{
    for (size_t i = 0; i < SIZES; i++) {
        uint64_t random = sample_random(i);
        uint16_t base = (uint16_t)(16 << random % 9);
        sizes[i] = (uint16_t)(base + (random >> 32) % base);
    }
}

static size_t litter_size(size_t index)
{
    return sizes[index % SIZES];
}

/* One thread's heap and the blocks of its scope. */
struct job {
    struct heap heap;
    size_t position; /* in sizes */
    size_t count;
    void **blocks; /* room for the smallest blocks; what is not used takes no memory */
};

static void open_job(struct job *job)
{
    size_t room = LARGEST / 16 * sizeof job->blocks[0];
    memset(job, 0, sizeof *job);
    void *blocks = mmap(NULL, room, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (blocks == MAP_FAILED)
        err(1, "mmap");
    job->blocks = (void **)blocks;
    heap_open(&job->heap);
}

static void touch_pages(void *block, size_t size)
{
    for (size_t offset = 0; offset < size; offset += PAGE)
        touch((char *)block + offset);
    touch((char *)block + size - 1);
}

/* Begins a scope and draws blocks of `bytes` in all, or a little more. */
static void fill(struct job *job, size_t bytes)
{
    heap_begin(&job->heap);
    job->count = 0;
    for (size_t drawn = 0; drawn < bytes; job->count++) {
        size_t size = sizes[job->position++ % SIZES];
        void *block = heap_take(&job->heap, size);
        if (!block)
            errx(1, "no memory after %zu bytes", drawn);
        touch_pages(block, size);
        job->blocks[job->count] = block;
        drawn += size;
    }
}

static void drop(struct job *job)
{
    heap_end(&job->heap, job->blocks, job->count);
}

/* ---- cases ----------------------------------------------------------------------------------- */

struct result {
    long peak_kb;
    long retained_kb;
    long trimmed_kb;
    long ended_kb; /* 0 without threads */
};

static void measure_retained(struct result *result)
{
    result->retained_kb = resident_kb();
    malloc_trim(0);
    result->trimmed_kb = resident_kb();
}

static void run_scope_size(size_t bytes, struct result *result)
{
    static struct job job;
    open_job(&job);
    for (int i = 0; i < SCOPES; i++) {
        fill(&job, bytes);
        result->peak_kb = resident_peak_kb();
        drop(&job);
    }
    measure_retained(result);
}

static void run_scopes(size_t count, struct result *result)
{
    static struct job job;
    static void *live[LIVE];
    open_job(&job);
    for (size_t i = 0; i < count; i++) {
        uint64_t random = sample_random(i);
        void **replaced = &live[random % LIVE];
        fill(&job, SMALL_SCOPE);
        if (i + 1 == count)
            result->peak_kb = resident_peak_kb();
        drop(&job);
        free(*replaced);
        *replaced = malloc(sizes[(random >> 32) % SIZES] / 16 + 16);
        touch(*replaced);
    }
    measure_retained(result);
}

static pthread_barrier_t barrier;

static void *run_thread(void *argument)
{
    static struct job jobs[MOST_THREADS];
    struct job *job = &jobs[(size_t)argument];
    sample_pin((int)(size_t)argument);
    open_job(job);
    for (int i = 1; i < SCOPES; i++) {
        fill(job, THREAD_SCOPE);
        drop(job);
    }
    fill(job, THREAD_SCOPE);
    pthread_barrier_wait(&barrier); /* all scopes are full */
    pthread_barrier_wait(&barrier);
    drop(job);
    pthread_barrier_wait(&barrier); /* all are over */
    pthread_barrier_wait(&barrier);
    heap_close(&job->heap);
    return NULL;
}

static void run_threads(size_t count, struct result *result)
{
    pthread_t threads[MOST_THREADS];
    pthread_barrier_init(&barrier, NULL, (unsigned)count + 1);
    for (size_t i = 0; i < count; i++) {
        errno = pthread_create(&threads[i], NULL, run_thread, (void *)i);
        if (errno != 0)
            err(1, "thread %zu", i);
    }
    pthread_barrier_wait(&barrier);
    result->peak_kb = resident_peak_kb();
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    measure_retained(result);
    pthread_barrier_wait(&barrier);
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    result->ended_kb = resident_kb();
}

/* ---- the run --------------------------------------------------------------------------------- */

static const struct growth {
    const char *name;
    void (*run)(size_t size, struct result *result);
    const size_t *values; /* up to a 0 */
} growths[] = {
    {"scope_size", run_scope_size, scope_sizes},
    {"threads", run_threads, thread_counts},
    {"scopes", run_scopes, scope_counts},
};
#define GROWTHS (sizeof growths / sizeof growths[0])

static bool is_littered;

static void measure(const struct growth *growth, size_t value)
{
    struct result result = {0, 0, 0, 0};
    char size[32];
    int threads = growth->run == run_threads ? (int)value : 1;
    if (threads == 1)
        sample_pin(sample_cores() - 1); /* the first takes most interrupts */
    if (is_littered)
        litter(LITTER, litter_size);
    long faults = resident_faults();
    growth->run(value, &result);
    faults = resident_faults() - faults;
    snprintf(size, sizeof size, "%zu", value);
    sample_print(growth->name, size, threads, "faults", (double)faults);
    sample_print(growth->name, size, threads, "peak_kb", (double)result.peak_kb);
    sample_print(growth->name, size, threads, "retained_kb", (double)result.retained_kb);
    sample_print(growth->name, size, threads, "trimmed_kb", (double)result.trimmed_kb);
    if (result.ended_kb > 0)
        sample_print(growth->name, size, threads, "ended_kb", (double)result.ended_kb);
}

static void measure_in_child(const struct growth *growth, size_t value)
{
    int status;
    pid_t child = fork();
    if (child < 0)
        err(1, "fork");
    if (child == 0) {
        measure(growth, value);
        exit(0);
    }
    if (waitpid(child, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        errx(1, "%s %zu failed", growth->name, value);
}

/* Quickly, only every second value. */
static void measure_all(bool is_quick)
{
    for (size_t k = 0; k < GROWTHS; k++)
        for (const size_t *value = growths[k].values; *value != 0; value++)
            if (!is_quick || (value - growths[k].values) % 2 == 0)
                measure_in_child(&growths[k], *value);
}

static bool verify(void)
{
    static struct job job;
    static size_t wanted[SIZES];
    open_job(&job);
    for (int pass = 0; pass < SCOPES; pass++) {
        size_t first = job.position;
        fill(&job, (size_t)1 << 20);
        if (job.count > SIZES)
            errx(1, "more blocks than expected");
        for (size_t i = 0; i < job.count; i++)
            wanted[i] = sizes[(first + i) % SIZES];
        bool is_good = verify_blocks(job.blocks, wanted, job.count, ADAPTER_ALIGNMENT);
        drop(&job);
        if (!is_good)
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    bool is_quick = false, is_check = false, is_understood = true;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            is_quick = true;
        else if (strcmp(argv[i], "--littered") == 0)
            is_littered = true;
        else if (strcmp(argv[i], "--verify") == 0)
            is_check = true;
        else if (strcmp(argv[i], "--expect") == 0 && i + 1 < argc)
            sample_expect(argv[++i]);
        else
            is_understood = false;
    }
    if (!is_understood)
        errx(2, "usage: %s [--quick] [--littered] [--expect LIBRARY] [--verify]", argv[0]);
    sample_cores(); /* before anything is pinned */
    choose_sizes();
    if (is_check)
        return verify() ? 0 : 1;
    measure_all(is_quick);
    return 0;
}
