/*
 * What scopes cost that leave something behind, or last: memory and time of one case, for a process
 * of its own.
 *
 * usage: lasting [--quick] [--expect LIBRARY] CASE [--verify]
 *
 *     survivors  SCOPES scopes, each of which draws a block of 40 bytes that stays and another that
 *                does not. All are freed at the end. Run it with ARENASHIM_END=retain
 *     xmalloc    the same through one function, the only one that calls malloc
 *     steps      STEPS blocks of mixed sizes, of which a mebibyte is alive at any time, some for a
 *                few steps and some for thousands, in one marked scope
 *     fork       fork, exit and wait, where GONE threads have had a scope, all at the same time,
 *                and are gone
 *
 *     ns         of a scope, a step, a fork
 *     peak_kb    the most memory that was resident
 *     routed     percent of the calls of malloc that the shim served from an arena
 *
 * Each block holds its number, at its start and at its end, which is looked at when it is freed.
 * With --verify it does less of all, and measures nothing.
 */
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <arenashim/scope.h>

#include "bench/resident.h"
#include "bench/sample.h"

#define SCOPES ((size_t)1000000)
#define SURVIVOR 40
#define PASSING 100
#define STEPS ((size_t)100000000)
#define QUICK_STEPS ((size_t)4000000)
#define ALIVE 2400 /* blocks of 440 bytes on average: a mebibyte */
#define GONE 1000
#define FORKS 200
#define QUICK_FORKS 40
#define LEAST 10 /* forks of --verify, which has as much less of all else */

struct plan {
    size_t scopes, steps, forks, threads;
};

/* ---- blocks ---------------------------------------------------------------------------------- */

static size_t calls; /* of malloc in scopes */

struct block {
    char *memory;
    size_t size;
    uint64_t number; /* what its first and its last bytes hold */
};

static inline struct block numbered(char *memory, size_t size, uint64_t number)
{
    if (!memory)
        err(1, "%zu bytes", size);
    memcpy(memory, &number, sizeof number);
    memcpy(memory + size - sizeof number, &number, sizeof number);
    calls++;
    return (struct block){memory, size, number};
}

static inline void release(struct block block)
{
    uint64_t first, last;
    memcpy(&first, block.memory, sizeof first);
    memcpy(&last, block.memory + block.size - sizeof last, sizeof last);
    if (first != block.number || last != block.number)
        errx(1, "block %zu has changed", (size_t)block.number);
    free(block.memory);
}

/* Memory that is nobody's allocator's. */
static void *table(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        err(1, "mmap");
    return memory;
}

/* ---- cases: each does its work and returns how often -------------------------------------------
 */

/* Kept from the compiler, which would make it part of its callers, or a jump. */
__attribute__((noinline)) static void *xmalloc(size_t size)
{
    void *block = malloc(size);
    if (!block)
        err(1, "%zu bytes", size);
    return block;
}

static inline size_t run_scopes(size_t count, void *(*draw)(size_t))
{
    char **kept = table(count * sizeof *kept);
    for (size_t i = 0; i < count; i++)
        ARENA_SCOPE("survivor") {
            struct block passing = numbered(draw(PASSING), PASSING, ~i);
            kept[i] = numbered(draw(SURVIVOR), SURVIVOR, i).memory;
            release(passing);
        }
    for (size_t i = 0; i < count; i++)
        release((struct block){kept[i], SURVIVOR, i});
    return count;
}

static size_t run_survivors(const struct plan *plan)
{
    return run_scopes(plan->scopes, malloc);
}

static size_t run_xmalloc(const struct plan *plan)
{
    return run_scopes(plan->scopes, xmalloc);
}

/* A number below `bound`, of 32 random bits. */
static inline size_t below(uint32_t random, size_t bound)
{
    return (size_t)((uint64_t)random * bound >> 32);
}

/* 16 to 2047 bytes; each power of two has the same share. */
static inline size_t mixed_size(uint32_t random)
{
    size_t base = (size_t)16 << below(random << 16, 7);
    return base + (random >> 16) % base;
}

/* The further up a block lies in the table, the more rarely it is replaced. */
static size_t run_steps(const struct plan *plan)
{
    static struct block alive[ALIVE];
    ARENA_SCOPE_HERE("steps");
    for (size_t i = 0; i < ALIVE; i++) {
        size_t size = mixed_size((uint32_t)sample_random(i));
        alive[i] = numbered(malloc(size), size, i);
    }
    for (size_t i = ALIVE; i < plan->steps; i++) {
        uint64_t random = sample_random(i);
        uint32_t high = (uint32_t)(random >> 32), low = (uint32_t)random;
        size_t index = below(low * 0x9e3779b1U, below(high, ALIVE) + 1);
        size_t size = mixed_size(low ^ high);
        release(alive[index]);
        alive[index] = numbered(malloc(size), size, i);
    }
    for (size_t i = 0; i < ALIVE; i++)
        release(alive[i]);
    return plan->steps;
}

static pthread_barrier_t barrier;

static void *run_thread(void *argument)
{
    (void)argument;
    ARENA_SCOPE("thread") {
        touch(malloc(SURVIVOR));
    }
    pthread_barrier_wait(&barrier); /* all have an arena */
    return NULL;
}

static void start_and_end(size_t count)
{
    static pthread_t threads[GONE];
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, (size_t)64 << 10);
    pthread_barrier_init(&barrier, NULL, (unsigned)count + 1);
    for (size_t i = 0; i < count; i++) {
        errno = pthread_create(&threads[i], &small, run_thread, NULL);
        if (errno != 0)
            err(1, "thread %zu", i);
    }
    pthread_barrier_wait(&barrier);
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

static double fork_ns; /* the median: what else happens on the machine comes in between */

static size_t run_forks(const struct plan *plan)
{
    static double samples[FORKS];
    start_and_end(plan->threads);
    for (size_t i = 0; i < plan->forks; i++) {
        int status;
        double start = sample_now();
        pid_t child = fork();
        if (child < 0)
            err(1, "fork");
        if (child == 0)
            _exit(0);
        if (waitpid(child, &status, 0) < 0 || status != 0)
            errx(1, "a child failed");
        samples[i] = sample_now() - start;
    }
    fork_ns = sample_percentile(samples, plan->forks, 50);
    return plan->forks;
}

static const struct lasting {
    const char *name;
    size_t (*run)(const struct plan *plan);
    const char *size;
} cases[] = {
    {"survivors", run_survivors, "1000000"},
    {"xmalloc", run_xmalloc, "1000000"},
    {"steps", run_steps, "-"},
    {"fork", run_forks, "1000"},
};
#define CASES (sizeof cases / sizeof cases[0])

/* ---- the run --------------------------------------------------------------------------------- */

/* Calls served from an arena, from the statistics in either form; 0 without the shim. */
static size_t routed_calls(void)
{
    char text[4096];
    int file = memfd_create("statistics", MFD_CLOEXEC);
    if (file < 0)
        err(1, "memfd_create");
    arenashim_stats_print(file);
    ssize_t length = pread(file, text, sizeof text - 1, 0);
    close(file);
    if (length <= 0)
        return 0;
    text[length] = '\0';
    const char *found = strstr(text, "routed");
    return found ? strtoul(found + strcspn(found, "0123456789"), NULL, 10) : 0;
}

static void measure(const struct lasting *lasting, const struct plan *plan)
{
    double start = sample_now();
    size_t count = lasting->run(plan);
    double ns = (sample_now() - start) / (double)count;
    if (fork_ns > 0)
        ns = fork_ns;
    sample_print(lasting->name, lasting->size, 1, "ns", ns);
    sample_print(lasting->name, lasting->size, 1, "peak_kb", (double)resident_peak_kb());
    size_t routed = routed_calls();
    if (routed > 0 && calls > 0)
        sample_print(lasting->name, lasting->size, 1, "routed",
                     100 * (double)routed / (double)calls);
}

int main(int argc, char **argv)
{
    struct plan plan = {SCOPES, STEPS, FORKS, GONE};
    const struct lasting *lasting = NULL;
    bool is_check = false, is_understood = true;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            plan.steps = QUICK_STEPS, plan.forks = QUICK_FORKS;
        else if (strcmp(argv[i], "--expect") == 0 && i + 1 < argc)
            sample_expect(argv[++i]);
        else if (strcmp(argv[i], "--verify") == 0)
            is_check = true;
        else {
            size_t k = 0;
            while (k < CASES && strcmp(argv[i], cases[k].name) != 0)
                k++;
            is_understood = is_understood && k < CASES && !lasting;
            lasting = k < CASES ? &cases[k] : NULL;
        }
    }
    if (!is_understood || !lasting)
        errx(2,
             "usage: lasting [--quick] [--expect LIBRARY] survivors|xmalloc|steps|fork [--verify]");
    sample_pin(sample_cores() - 1); /* the first takes most interrupts */
    if (is_check)
        lasting->run(&(struct plan){SCOPES / LEAST, QUICK_STEPS / LEAST, LEAST, GONE / LEAST});
    else
        measure(lasting, &plan);
    return 0;
}
