/*
 * Scope-shaped work: draws 8, 100 or 1,000 blocks of mixed small sizes, touches each, and gives all
 * of them back, over and over. Built once for each way to do that; ADAPTER is the header in
 * bench/adapters that says how. C11 and C++17.
 *
 * usage: work-NAME [--quick] [--littered] [--threads N] [--expect LIBRARY] [--verify]
 *
 * Prints nanoseconds per block, with what begins and ends the scope: the median of rounds in which
 * the three shapes take turns.
 *
 * With --threads N it prints, for N threads that work in scopes of 100 blocks at the same time, the
 * blocks per second and core, the context switches per second, and `contention`: the percentage of
 * the threads' time, waiting for a core left out, that they spent asleep or in the kernel. Alone a
 * thread has nothing to sleep for, so that is waiting for locks, and the system calls and page
 * faults by which an allocator gets and returns memory. Spinning on a lock shows as throughput
 * only.
 *
 * With --littered the heap of malloc is littered first, by each thread its share. With --verify the
 * blocks are checked, in each thread, and nothing is measured.
 *
 * An adapter defines ADAPTER_ALIGNMENT, struct heap, and
 *
 *     heap_open(heap)                 once in each thread, before its work
 *     heap_begin(heap)                begins a scope
 *     heap_take(heap, size)           draws a block
 *     heap_end(heap, blocks, count)   gives back all that was drawn in the scope
 *     heap_close(heap)                after the thread's work
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench/litter.h"
#include "bench/sample.h"
#include "bench/verify.h"

#include ADAPTER

#define MOST_BLOCKS 1000
#define MOST_THREADS 1024
#define SIZES 4096     /* drawn in turn, so that scopes differ */
#define LITTER 200000  /* blocks, of which half are freed: about 15 MB stay */
#define WARM_UP 200    /* scopes of each thread */
#define THREAD_SHAPE 1 /* that of the run with threads */

static const struct shape {
    const char *name;
    size_t blocks;
} shapes[] = {{"scope_8", 8}, {"scope_100", 100}, {"scope_1000", 1000}};
#define SHAPES (sizeof shapes / sizeof shapes[0])

struct options {
    bool is_quick;
    bool is_littered;
    bool is_check;
    int threads; /* 0: time the shapes */
};

static struct options options;

/* ---- the work -------------------------------------------------------------------------------- */

/* The first ones stand once more behind the last, so that no scope needs to look for the end. */
static uint16_t sizes[SIZES + MOST_BLOCKS];

/* 16 to 511 bytes, small ones as often as large ones: each power of two has the same share. */
static void choose_sizes(void)
{
    for (size_t i = 0; i < SIZES; i++) {
        uint64_t random = sample_random(i);
        uint16_t base = (uint16_t)(16 << random % 5);
        sizes[i] = (uint16_t)(base + (random >> 32) % base);
    }
    memcpy(sizes + SIZES, sizes, MOST_BLOCKS * sizeof sizes[0]);
}

struct work {
    struct heap heap;
    size_t position; /* in sizes */
    void *blocks[MOST_BLOCKS];
};

/* Not inline: the same loop in each measurement. */
__attribute__((noinline)) static void run_scope(struct work *work, size_t count)
{
    const uint16_t *size = sizes + work->position;
    heap_begin(&work->heap);
    for (size_t i = 0; i < count; i++) {
        void *block = heap_take(&work->heap, size[i]);
        touch(block);
        work->blocks[i] = block;
    }
    heap_end(&work->heap, work->blocks, count);
    work->position = (work->position + count) % SIZES;
}

static size_t litter_size(size_t index)
{
    return sizes[index % SIZES];
}

/* ---- one thread ------------------------------------------------------------------------------ */

struct timed_shape {
    struct work *work;
    size_t blocks;
    size_t batch; /* scopes */
};

static void run_timed_shape(void *argument)
{
    const struct timed_shape *timed = (const struct timed_shape *)argument;
    run_scope(timed->work, timed->blocks);
}

static void time_shapes(struct work *work)
{
    enum { ROUNDS = 41 };
    static double samples[SHAPES][ROUNDS];
    struct timed_shape timed[SHAPES];
    size_t rounds = options.is_quick ? 15 : ROUNDS;
    for (size_t k = 0; k < SHAPES; k++) {
        timed[k].work = work;
        timed[k].blocks = shapes[k].blocks;
        timed[k].batch = sample_batch(run_timed_shape, &timed[k], options.is_quick ? 5e5 : 1e6);
    }
    for (size_t round = 0; round < rounds; round++) {
        for (size_t k = 0; k < SHAPES; k++) {
            double start = sample_now();
            for (size_t i = 0; i < timed[k].batch; i++)
                run_scope(work, timed[k].blocks);
            samples[k][round] =
                (sample_now() - start) / (double)timed[k].batch / (double)timed[k].blocks;
        }
    }
    for (size_t k = 0; k < SHAPES; k++)
        sample_print(shapes[k].name, "mixed", 1, "ns", sample_percentile(samples[k], rounds, 50));
}

/* ---- many threads ---------------------------------------------------------------------------- */

/* What a thread has used so far: nanoseconds and counts. */
struct usage {
    double now;
    double cpu;
    double kernel; /* part of cpu */
    double queued; /* ready to run, but another thread had the core */
    double voluntary;
    double involuntary;
};

/* `schedstat` is the thread's file of that name: opened beforehand, because threads that open files
 * in /proc at the same time wait for each other. */
static double nanoseconds_queued(int schedstat)
{
    char text[128];
    double queued;
    ssize_t length = pread(schedstat, text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    if (sscanf(text, "%*s %lf", &queued) != 1)
        errx(1, "/proc/thread-self/schedstat has no times");
    return queued;
}

static struct usage usage_now(int schedstat)
{
    struct usage usage;
    struct rusage counts;
    struct timespec cpu;
    getrusage(RUSAGE_THREAD, &counts);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    usage.cpu = (double)cpu.tv_sec * 1e9 + (double)cpu.tv_nsec;
    usage.kernel = (double)counts.ru_stime.tv_sec * 1e9 + (double)counts.ru_stime.tv_usec * 1e3;
    usage.queued = nanoseconds_queued(schedstat);
    usage.voluntary = (double)counts.ru_nvcsw;
    usage.involuntary = (double)counts.ru_nivcsw;
    usage.now = sample_now();
    return usage;
}

struct worker {
    pthread_t thread;
    int index;
    bool is_good; /* what the check said */
    double scopes;
    struct usage start, end;
};

static struct worker workers[MOST_THREADS];
static pthread_barrier_t barrier;
static bool stop;

static void work_until_stopped(struct worker *worker, struct work *work)
{
    size_t scopes = 0;
    int schedstat = open("/proc/thread-self/schedstat", O_RDONLY);
    if (schedstat < 0)
        err(1, "/proc/thread-self/schedstat");
    /* Threads that get their first memory stop each other, which is over soon. */
    for (int i = 0; i < WARM_UP; i++)
        run_scope(work, shapes[THREAD_SHAPE].blocks);
    pthread_barrier_wait(&barrier);
    worker->start = usage_now(schedstat);
    for (; !__atomic_load_n(&stop, __ATOMIC_RELAXED); scopes++)
        run_scope(work, shapes[THREAD_SHAPE].blocks);
    worker->end = usage_now(schedstat);
    worker->scopes = (double)scopes;
    pthread_barrier_wait(&barrier); /* nobody tidies up while others still work */
    close(schedstat);
}

/* Waits as long as the threads shall work. */
static void let_work(void)
{
    struct timespec duration = {0, options.is_quick ? 50000000 : 120000000};
    pthread_barrier_wait(&barrier);
    nanosleep(&duration, NULL);
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    pthread_barrier_wait(&barrier);
}

static void report_threads(int count)
{
    const struct shape *shape = &shapes[THREAD_SHAPE];
    double start = workers[0].start.now, end = workers[0].end.now;
    double scopes = 0, cpu = 0, kernel = 0, asleep = 0, voluntary = 0, involuntary = 0;
    for (const struct worker *w = workers; w < workers + count; w++) {
        double used = w->end.cpu - w->start.cpu;
        double slept = w->end.now - w->start.now - used - (w->end.queued - w->start.queued);
        start = w->start.now < start ? w->start.now : start;
        end = w->end.now > end ? w->end.now : end;
        scopes += w->scopes;
        cpu += used;
        kernel += w->end.kernel - w->start.kernel;
        asleep += slept > 0 ? slept : 0;
        voluntary += w->end.voluntary - w->start.voluntary;
        involuntary += w->end.involuntary - w->start.involuntary;
    }
    double seconds = (end - start) / 1e9;
    int cores = count < sample_cores() ? count : sample_cores();
    sample_print(shape->name, "mixed", count, "ops_per_s_core",
                 scopes * (double)shape->blocks / seconds / cores);
    sample_print(shape->name, "mixed", count, "contention",
                 100 * (kernel + asleep) / (cpu + asleep));
    sample_print(shape->name, "mixed", count, "voluntary_switches_per_s", voluntary / seconds);
    sample_print(shape->name, "mixed", count, "involuntary_switches_per_s", involuntary / seconds);
}

/* ---- the check ------------------------------------------------------------------------------- */

static bool check_shape(struct work *work, size_t count)
{
    size_t wanted[MOST_BLOCKS];
    heap_begin(&work->heap);
    for (size_t i = 0; i < count; i++) {
        wanted[i] = sizes[work->position + i];
        work->blocks[i] = heap_take(&work->heap, wanted[i]);
    }
    bool is_good = verify_blocks(work->blocks, wanted, count, ADAPTER_ALIGNMENT);
    heap_end(&work->heap, work->blocks, count);
    work->position = (work->position + count) % SIZES;
    return is_good;
}

static bool check(struct work *work)
{
    for (int pass = 0; pass < 20; pass++)
        for (size_t k = 0; k < SHAPES; k++)
            if (!check_shape(work, shapes[k].blocks))
                return false;
    return true;
}

/* ---- the run --------------------------------------------------------------------------------- */

static void *run_worker(void *argument)
{
    struct worker *worker = (struct worker *)argument;
    struct work work;
    int count = options.threads > 0 ? options.threads : 1;
    memset(&work, 0, sizeof work);
    /* A single thread stays away from the first CPU, which takes most interrupts. */
    sample_pin(count == 1 ? sample_cores() - 1 : worker->index);
    if (options.is_littered)
        litter(LITTER / (size_t)count, litter_size);
    heap_open(&work.heap);
    if (options.is_check)
        worker->is_good = check(&work);
    else if (options.threads > 0)
        work_until_stopped(worker, &work);
    else
        time_shapes(&work);
    heap_close(&work.heap);
    return NULL;
}

static bool run_workers(void)
{
    int count = options.threads > 0 ? options.threads : 1;
    bool is_timed = options.threads > 0 && !options.is_check, is_good = true;
    pthread_barrier_init(&barrier, NULL, (unsigned)count + 1);
    for (int i = 0; i < count; i++) {
        workers[i].index = i;
        errno = pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]);
        if (errno != 0)
            err(1, "thread %d", i);
    }
    if (is_timed)
        let_work();
    for (int i = 0; i < count; i++) {
        pthread_join(workers[i].thread, NULL);
        is_good = is_good && workers[i].is_good;
    }
    if (is_timed)
        report_threads(count);
    return is_good || !options.is_check;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            options.is_quick = true;
        else if (strcmp(argv[i], "--littered") == 0)
            options.is_littered = true;
        else if (strcmp(argv[i], "--verify") == 0)
            options.is_check = true;
        else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
            options.threads = atoi(argv[++i]);
        else if (strcmp(argv[i], "--expect") == 0 && i + 1 < argc)
            sample_expect(argv[++i]);
        else
            options.threads = -1;
    }
    if (options.threads < 0 || options.threads > MOST_THREADS)
        errx(2, "usage: %s [--quick] [--littered] [--threads N] [--expect LIBRARY] [--verify]",
             argv[0]);
    sample_cores(); /* before the threads are pinned */
    choose_sizes();
    return run_workers() ? 0 : 1;
}
