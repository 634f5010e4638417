/*
 * What the measured programs of bench/ have in common: the clock, the CPU that a thread runs on,
 * batches, and the samples that they print. C11 or C++17.
 *
 * A sample is a line on stdout, separated by tabs: CASE SIZE THREADS METRIC VALUE. SIZE is the
 * bytes of a block, or a name; METRIC names the unit. A run prints one sample for each case and
 * metric.
 */
#ifndef BENCH_SAMPLE_H
#define BENCH_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes to a block, which keeps the compiler from dropping it, and has the page there. */
static inline void touch(void *block)
{
    *(volatile char *)block = 1;
}

/* Nanoseconds of the monotonic clock. */
double sample_now(void);

/* The CPUs that the process was allowed to use when this was first called. */
int sample_cores(void);

/* Keeps the calling thread on one of them, taken in turn by `index`. Ends the program when the
 * kernel refuses. */
void sample_pin(int index);

/* The value that `percent` of the `count` > 0 values do not exceed; 50 for the median. Sorts them.
 */
double sample_percentile(double *values, size_t count, double percent);

/* How many times `step` must be called to take `nanoseconds`, at least once, found by calling it:
 * which also warms up what it uses. */
size_t sample_batch(void (*step)(void *argument), void *argument, double nanoseconds);

void sample_print(const char *name, const char *size, int threads, const char *metric,
                  double value);

/* Element `index` of a fixed random sequence (splitmix64). */
uint64_t sample_random(uint64_t index);

/* Ends the program with status 1 and a line unless a file whose name holds `library` is mapped: a
 * preload that is not found must not be taken for the allocator that it names. */
void sample_expect(const char *library);

#ifdef __cplusplus
}
#endif

#endif
