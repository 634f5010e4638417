/* Clock, pinning and output of the measured programs: see sample.h. */
#include "bench/sample.h"

#include <err.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double sample_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* As it was at first: a thread that is pinned already sees a single CPU. */
static const cpu_set_t *allowed(void)
{
    static cpu_set_t set;
    if (CPU_COUNT(&set) == 0 && sched_getaffinity(0, sizeof set, &set) != 0)
        err(1, "sched_getaffinity");
    return &set;
}

int sample_cores(void)
{
    return CPU_COUNT(allowed());
}

void sample_pin(int index)
{
    int cpu = 0;
    for (int left = index % sample_cores(); !CPU_ISSET(cpu, allowed()) || left-- > 0;)
        cpu++;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        err(1, "sched_setaffinity: CPU %d", cpu);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double sample_percentile(double *values, size_t count, double percent)
{
    qsort(values, count, sizeof values[0], compare);
    return values[(size_t)((double)(count - 1) * percent / 100 + 0.5)];
}

size_t sample_batch(void (*step)(void *argument), void *argument, double nanoseconds)
{
    for (size_t calls = 1;; calls *= 2) {
        double start = sample_now();
        for (size_t i = 0; i < calls; i++)
            step(argument);
        double spent = sample_now() - start;
        if (spent >= nanoseconds / 2) {
            size_t wanted = (size_t)((double)calls * nanoseconds / spent);
            return wanted > 0 ? wanted : 1;
        }
    }
}

void sample_print(const char *name, const char *size, int threads, const char *metric, double value)
{
    printf("%s\t%s\t%d\t%s\t%.6g\n", name, size, threads, metric, value);
}

uint64_t sample_random(uint64_t index)
{
    uint64_t value = (index + 1) * UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

void sample_expect(const char *library)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    if (!maps)
        err(1, "/proc/self/maps");
    bool found = false;
    while (!found && fgets(line, sizeof line, maps))
        found = strstr(line, library) != NULL;
    fclose(maps);
    if (!found)
        errx(1, "%s is not in this process", library);
}
