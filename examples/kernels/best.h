/*
 * Selection of the best k of many scored candidates.
 *
 * The order is total: higher score first, lower id first among equals. So the selection does not
 * depend on the order in which candidates are offered. A NaN score has no place in that order and
 * is never selected.
 */
#ifndef EXAMPLES_KERNELS_BEST_H
#define EXAMPLES_KERNELS_BEST_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

struct scored {
    uint32_t id;
    float score;
};

/* A candidate heap: the worst of the kept candidates is at the root, where a better one finds it.
 * For use inside kernels; belongs to one thread. */
struct best_heap {
    struct scored *items;
    size_t length;
    size_t capacity;
};

/* An empty heap that keeps up to `capacity` > 0 candidates. KERNEL_NO_MEMORY leaves it empty. */
enum kernel_status best_heap_init(struct best_heap *heap, size_t capacity);

/* Keeps the candidate if it is among the best so far. O(log capacity). */
void best_heap_offer(struct best_heap *heap, uint32_t id, float score);

/* Moves the kept candidates to `best` (room for heap->length), best first; returns how many. */
size_t best_heap_drain(struct best_heap *heap, struct scored *best);

/* Frees what init drew. Safe on a heap of zero bytes and after a failed init. */
void best_heap_free(struct best_heap *heap);

/*
 * Selects the up to `capacity` best of `count` scores, best first, into best[0 .. *selected);
 * a candidate's id is its index, so count is at most UINT32_MAX. `capacity` is above 0. A count of
 * 0 selects nothing, and `scores` may be NULL then. Any thread; no shared state.
 */
enum kernel_status select_best(const float *scores, size_t count, struct scored *best,
                               size_t capacity, size_t *selected);

#endif
