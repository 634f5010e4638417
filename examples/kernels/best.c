/* Selection of the best k candidates with a bounded binary heap: see best.h. O(n log k). */
#include "best.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include <arenashim/scope.h>

static bool ranks_before(struct scored a, struct scored b)
{
    return a.score > b.score || (a.score == b.score && a.id < b.id);
}

/* Puts `item` into the subtree under `hole`, whose place is free, so that worse stands above. */
static void sift_down(struct best_heap *heap, size_t hole, struct scored item)
{
    for (;;) {
        size_t child = 2 * hole + 1;
        if (child >= heap->length)
            break;
        if (child + 1 < heap->length && ranks_before(heap->items[child], heap->items[child + 1]))
            child++;
        if (!ranks_before(item, heap->items[child]))
            break;
        heap->items[hole] = heap->items[child];
        hole = child;
    }
    heap->items[hole] = item;
}

static void sift_up(struct best_heap *heap, size_t hole, struct scored item)
{
    while (hole > 0) {
        size_t parent = (hole - 1) / 2;
        if (!ranks_before(heap->items[parent], item))
            break;
        heap->items[hole] = heap->items[parent];
        hole = parent;
    }
    heap->items[hole] = item;
}

enum kernel_status best_heap_init(struct best_heap *heap, size_t capacity)
{
    *heap = (struct best_heap){0};
    if (capacity > SIZE_MAX / sizeof *heap->items)
        return KERNEL_NO_MEMORY;
    heap->items = malloc(capacity * sizeof *heap->items);
    if (!heap->items)
        return KERNEL_NO_MEMORY;
    heap->capacity = capacity;
    return KERNEL_OK;
}

void best_heap_offer(struct best_heap *heap, uint32_t id, float score)
{
    struct scored item = {id, score};

    if (isnan(score))
        return;
    if (heap->length < heap->capacity)
        sift_up(heap, heap->length++, item);
    else if (ranks_before(item, heap->items[0]))
        sift_down(heap, 0, item);
}

size_t best_heap_drain(struct best_heap *heap, struct scored *best)
{
    size_t drained = heap->length;

    while (heap->length > 0) {
        struct scored last = heap->items[--heap->length];
        if (heap->length == 0) {
            best[0] = last;
            break;
        }
        best[heap->length] = heap->items[0];
        sift_down(heap, 0, last);
    }
    return drained;
}

void best_heap_free(struct best_heap *heap)
{
    free(heap->items);
    *heap = (struct best_heap){0};
}

enum kernel_status select_best(const float *scores, size_t count, struct scored *best,
                               size_t capacity, size_t *selected)
{
    if (!best || capacity == 0 || !selected || (!scores && count > 0) || count > UINT32_MAX)
        return KERNEL_BAD_ARGUMENT;
    if (count == 0) {
        *selected = 0;
        return KERNEL_OK;
    }

    ARENA_SCOPE_HERE("select");
    struct best_heap heap;
    enum kernel_status status = best_heap_init(&heap, capacity < count ? capacity : count);
    if (status != KERNEL_OK)
        return status;
    for (size_t i = 0; i < count; i++)
        best_heap_offer(&heap, (uint32_t)i, scores[i]);
    *selected = best_heap_drain(&heap, best);
    best_heap_free(&heap);
    return KERNEL_OK;
}
