/*
 * A heap as it is after hours of work: blocks of many sizes, and holes between them. A clean heap
 * flatters allocators that search.
 */
#ifndef BENCH_LITTER_H
#define BENCH_LITTER_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Draws `count` blocks from malloc, block i of size_of(i) bytes, touches each, and frees half of
 * them in random order, the same in every run. The others stay until the process ends. Ends the
 * program where memory is missing. Any thread. */
void litter(size_t count, size_t (*size_of)(size_t index));

#ifdef __cplusplus
}
#endif

#endif
