/*
 * How much memory arenas keep: resident CASE. What is resident is read from /proc/self/smaps, of
 * the parts of the region that are mapped, whose first slot begins with the arena that arena_learn
 * meets.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "expect.h"

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

/* See src/memory/region.h. Slots have the default limit. */
#define RECORD (192 * KIB)
#define GUARD (4 * KIB)
#define SPAN (1024 * MIB + 2 * GUARD)
#define SLOTS 1024

static uintptr_t region(void)
{
    return (arena_first & ~(uintptr_t)4095) - SLOTS * RECORD - GUARD;
}

struct memory {
    size_t first, others; /* bytes resident in the first arena, and in all others */
    size_t records;       /* and of what the shim notes about threads */
    size_t mapped;        /* bytes of the region found */
    size_t huge_allowed;  /* bytes of it that are not marked as staying without huge pages */
};

static struct memory measure(void)
{
    struct memory memory = {0};
    char line[512];
    uintptr_t start = 0, end = 0;
    FILE *maps = fopen("/proc/self/smaps", "r");
    EXPECT(maps != NULL);
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        size_t kib;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
            start = from;
            end = to;
        }
        if (start - region() >= SLOTS * (RECORD + SPAN))
            continue;
        size_t slot = (start - region() - SLOTS * RECORD) / SPAN;
        if (sscanf(line, "Rss: %zu kB", &kib) == 1) {
            if (start - region() < SLOTS * RECORD)
                memory.records += kib * KIB;
            else if (slot == 0)
                memory.first += kib * KIB;
            else
                memory.others += kib * KIB;
            memory.mapped += end - start;
        }
        if (strncmp(line, "VmFlags:", 8) == 0 && !strstr(line, " nh"))
            memory.huge_allowed += end - start;
    }
    fclose(maps);
    EXPECT(memory.mapped >= RECORD);
    return memory;
}

/* Draws and fills so much, in blocks of 1 MiB. */
static void draw(size_t megabytes)
{
    for (size_t i = 0; i < megabytes; i++) {
        unsigned char *block = opaque(malloc(MIB));
        EXPECT(in_arena(block));
        memset(block, 7, MIB);
    }
}

static void scopes(size_t megabytes)
{
    ARENA_SCOPE("outer") {
        opaque(malloc(100));
        ARENA_SCOPE("inner")
            draw(megabytes);
    }
}

static void one_thread(void)
{
    ARENA_SCOPE("outer") {
        draw(100);
        EXPECT(measure().first >= 100 * MIB); /* the measure measures */
    }
    EXPECT(measure().first <= MIB);
    scopes(100);
    EXPECT(measure().first <= MIB || !getenv("SET"));
}

/* What scopes come to again and again stays, as long as they do. */
static void again_and_again(void)
{
    scopes(100);
    EXPECT(measure().first <= MIB); /* once is not often */
    for (int i = 0; i < 3; i++)
        scopes(100);
    EXPECT(measure().first >= 100 * MIB);
    for (int i = 0; i < 200; i++)
        scopes(1);
    EXPECT(measure().first <= 4 * MIB);
    scopes(100);
    EXPECT(measure().first <= 4 * MIB);
}

enum { THREADS = 8 };
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t barrier;

static void *hold(void *megabytes)
{
    pthread_mutex_lock(&one_at_a_time);
    scopes((size_t)(uintptr_t)megabytes);
    pthread_mutex_unlock(&one_at_a_time);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

static void hold_in_threads(size_t megabytes, void (*meanwhile)(void))
{
    pthread_t threads[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        EXPECT(pthread_create(&threads[i], NULL, hold, (void *)(uintptr_t)megabytes) == 0);
    pthread_barrier_wait(&barrier);
    meanwhile();
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void at_most_capacities(void)
{
    struct memory memory = measure();
    EXPECT(memory.others > 0 && memory.others <= THREADS * MIB);
}

static void eight_threads(void)
{
    hold_in_threads(100, at_most_capacities);
    EXPECT(measure().others == 0);
    EXPECT(measure().records <= (THREADS + 1) * RECORD);
}

/* With scopes open, one after the other in other arenas than the last. */
static void *leave_scope_open(void *next)
{
    arena_scope_begin(NULL);
    draw(20);
    if (next) {
        pthread_t thread;
        EXPECT(pthread_create(&thread, NULL, leave_scope_open, NULL) == 0);
        pthread_join(thread, NULL);
    }
    return NULL;
}

static void exits_in_scope(void)
{
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, leave_scope_open, &thread) == 0);
    pthread_join(thread, NULL);
    EXPECT(measure().others == 0);
}

/* Scopes whose memory is limited by somebody: more threads, one at a time, than would have room if
 * each kept what it used. */
static void nothing(void)
{
}

static void limited(void)
{
    scopes(30);
    hold_in_threads(30, nothing);
    puts("within the limit");
}

/* ---- huge pages ------------------------------------------------------------------------------ */

/* Whether the kernel gives a huge page at all where it is asked for. */
static int huge_pages_here(void)
{
    unsigned char resident[2 * MIB / 4096];
    size_t count = 0;
    unsigned char *area =
        mmap(NULL, 6 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED || madvise(area, 6 * MIB, MADV_HUGEPAGE) != 0)
        return 0;
    unsigned char *aligned = (unsigned char *)(((uintptr_t)area + 2 * MIB) & ~(2 * MIB - 1));
    *(volatile unsigned char *)aligned = 1;
    EXPECT(mincore(aligned, 2 * MIB, resident) == 0);
    for (size_t i = 0; i < sizeof resident; i++)
        count += resident[i] & 1;
    munmap(area, 6 * MIB);
    return count == sizeof resident;
}

enum { MANY = 200 };

static void *sparse_scope(void *unused)
{
    ARENA_SCOPE("sparse") {
        unsigned char *table = opaque(malloc(6 * MIB));
        EXPECT(in_arena(table));
        memset(table + 4 * MIB, 7, 1000);
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
    }
    return unused;
}

/* Run with a large capacity: what is touched must lie where a huge page would fit. */
static void sparse_scopes(void)
{
    pthread_t threads[MANY];
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 * KIB);
    pthread_barrier_init(&barrier, NULL, MANY + 1);
    for (int i = 0; i < MANY; i++)
        EXPECT(pthread_create(&threads[i], &attributes, sparse_scope, NULL) == 0);
    pthread_barrier_wait(&barrier);
    struct memory memory = measure();
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < MANY; i++)
        pthread_join(threads[i], NULL);
    EXPECT(memory.others >= MANY * 4 * KIB && memory.others <= MANY * 16 * KIB);
    puts(huge_pages_here() ? "huge pages" : "no huge pages");
}

static void flags(void)
{
    ARENA_SCOPE("grown") {
        draw(10);
        EXPECT(measure().huge_allowed == 0);
    }
    EXPECT(measure().huge_allowed == 0);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"one_thread", one_thread},
        {"eight_threads", eight_threads},
        {"again_and_again", again_and_again},
        {"exits_in_scope", exits_in_scope},
        {"limited", limited},
        {"sparse_scopes", sparse_scopes},
        {"flags", flags},
    };
    arena_learn();
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}
