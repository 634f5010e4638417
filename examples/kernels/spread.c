/*
 * Activation spreading: see spread.h.
 *
 * Scratch is sized by what is reached, not by the graph: one block per reached node, a table of
 * chains to find it again, and two frontiers. Sums are doubles and are taken in the order in which
 * the frontier was filled, so a result is the same in every run.
 */
#include "spread.h"

#include <stdbool.h>
#include <stdlib.h>

#include "spread_check.h"

#include <arenashim/scope.h>

struct reached {
    struct reached *next; /* in the same bucket */
    double activation;
    uint32_t node;
    uint32_t depth; /* at which it was first reached */
};

/* The visited set: a hash table with chaining. buckets is NULL or has 2^bits elements. */
struct visited {
    struct reached **buckets;
    unsigned bits;
    size_t count;
};

/* The nodes reached at one depth, in the order of their discovery. Owns the array only. */
struct frontier {
    struct reached **nodes;
    size_t length;
    size_t capacity;
};

struct spreading {
    const struct csr_graph *graph;
    const struct spread_params *params;
    struct visited visited;
    struct frontier current, next;
};

enum { FIRST_BITS = 6, FIRST_CAPACITY = 32 };

/* Fibonacci hashing (Knuth, TAOCP 3, 6.4): the high bits of a product with 2^64 / phi. */
static size_t bucket_of(uint32_t node, unsigned bits)
{
    return (size_t)((node * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - bits));
}

static enum kernel_status visited_grow(struct visited *visited)
{
    unsigned bits = visited->buckets ? visited->bits + 1 : FIRST_BITS;
    struct reached **buckets = calloc((size_t)1 << bits, sizeof(struct reached *));
    if (!buckets)
        return KERNEL_NO_MEMORY;

    size_t old_length = visited->buckets ? (size_t)1 << visited->bits : 0;
    for (size_t i = 0; i < old_length; i++) {
        for (struct reached *entry = visited->buckets[i], *next; entry; entry = next) {
            struct reached **bucket = &buckets[bucket_of(entry->node, bits)];
            next = entry->next;
            entry->next = *bucket;
            *bucket = entry;
        }
    }
    free(visited->buckets);
    visited->buckets = buckets;
    visited->bits = bits;
    return KERNEL_OK;
}

static struct reached *visited_find(const struct visited *visited, uint32_t node)
{
    if (!visited->buckets)
        return NULL;
    struct reached *entry = visited->buckets[bucket_of(node, visited->bits)];
    while (entry && entry->node != node)
        entry = entry->next;
    return entry;
}

/* Adds a node that is not in the set. NULL when there is no memory; the set is as it was then. */
static struct reached *visited_add(struct visited *visited, uint32_t node, uint32_t depth)
{
    bool full = !visited->buckets || visited->count >> visited->bits > 0;
    if (full && visited_grow(visited) != KERNEL_OK)
        return NULL;

    struct reached *entry = malloc(sizeof *entry);
    if (!entry)
        return NULL;
    struct reached **bucket = &visited->buckets[bucket_of(node, visited->bits)];
    *entry = (struct reached){.next = *bucket, .node = node, .depth = depth};
    *bucket = entry;
    visited->count++;
    return entry;
}

static void visited_free(struct visited *visited)
{
    size_t length = visited->buckets ? (size_t)1 << visited->bits : 0;
    for (size_t i = 0; i < length; i++) {
        for (struct reached *entry = visited->buckets[i], *next; entry; entry = next) {
            next = entry->next;
            free(entry);
        }
    }
    free(visited->buckets);
}

static enum kernel_status frontier_push(struct frontier *frontier, struct reached *node)
{
    if (frontier->length == frontier->capacity) {
        size_t capacity = frontier->capacity ? 2 * frontier->capacity : FIRST_CAPACITY;
        struct reached **nodes = realloc(frontier->nodes, capacity * sizeof(struct reached *));
        if (!nodes)
            return KERNEL_NO_MEMORY;
        frontier->nodes = nodes;
        frontier->capacity = capacity;
    }
    frontier->nodes[frontier->length++] = node;
    return KERNEL_OK;
}

/* Lets `amount` arrive at `node`; nodes of an earlier depth take no more. */
static enum kernel_status receive(struct spreading *run, uint32_t node, uint32_t depth,
                                  double amount)
{
    struct reached *entry = visited_find(&run->visited, node);
    if (!entry) {
        entry = visited_add(&run->visited, node, depth);
        if (!entry)
            return KERNEL_NO_MEMORY;
        enum kernel_status status = frontier_push(&run->next, entry);
        if (status != KERNEL_OK)
            return status;
    }
    if (entry->depth == depth)
        entry->activation += amount;
    return KERNEL_OK;
}

static enum kernel_status fire(struct spreading *run, const struct reached *from)
{
    const struct csr_graph *graph = run->graph;
    double outflow = from->activation * (double)run->params->decay;

    if (!spread_row_is_sound(graph, from->node))
        return KERNEL_BAD_GRAPH;
    uint32_t end = graph->offsets[from->node + 1];
    for (uint32_t edge = graph->offsets[from->node]; edge < end; edge++) {
        if (!spread_edge_is_sound(graph, edge))
            return KERNEL_BAD_GRAPH;
        enum kernel_status status = receive(run, graph->targets[edge], from->depth + 1,
                                            outflow * (double)graph->weights[edge]);
        if (status != KERNEL_OK)
            return status;
    }
    return KERNEL_OK;
}

/* Makes the level that was just filled the current one and empties the other for reuse. */
static void advance(struct spreading *run)
{
    struct frontier emptied = run->current;
    emptied.length = 0;
    run->current = run->next;
    run->next = emptied;
}

static enum kernel_status fire_level(struct spreading *run)
{
    for (size_t i = 0; i < run->current.length; i++) {
        const struct reached *node = run->current.nodes[i];
        if (node->activation < (double)run->params->threshold)
            continue;
        enum kernel_status status = fire(run, node);
        if (status != KERNEL_OK)
            return status;
    }
    return KERNEL_OK;
}

static enum kernel_status walk(struct spreading *run, const struct scored *seeds, size_t seed_count)
{
    for (size_t i = 0; i < seed_count; i++) {
        enum kernel_status status = receive(run, seeds[i].id, 0, (double)seeds[i].score);
        if (status != KERNEL_OK)
            return status;
    }
    advance(run);
    for (uint32_t depth = 0; depth < run->params->max_depth && run->current.length > 0; depth++) {
        enum kernel_status status = fire_level(run);
        if (status != KERNEL_OK)
            return status;
        advance(run);
    }
    return KERNEL_OK;
}

static enum kernel_status most_activated(const struct visited *visited, struct scored *hits,
                                         size_t capacity, size_t *hit_count)
{
    struct best_heap heap;
    enum kernel_status status =
        best_heap_init(&heap, capacity < visited->count ? capacity : visited->count);
    if (status != KERNEL_OK)
        return status;

    for (size_t i = 0; i < (size_t)1 << visited->bits; i++)
        for (const struct reached *entry = visited->buckets[i]; entry; entry = entry->next)
            best_heap_offer(&heap, entry->node, (float)entry->activation);
    *hit_count = best_heap_drain(&heap, hits);
    best_heap_free(&heap);
    return KERNEL_OK;
}

enum kernel_status spread_activation(const struct csr_graph *graph,
                                     const struct spread_params *params, const struct scored *seeds,
                                     size_t seed_count, struct scored *hits, size_t capacity,
                                     size_t *hit_count)
{
    enum kernel_status status =
        spread_check(graph, params, seeds, seed_count, hits, capacity, hit_count);
    if (status != KERNEL_OK)
        return status;
    if (seed_count == 0) {
        *hit_count = 0;
        return KERNEL_OK;
    }

    ARENA_SCOPE_HERE("spread");
    struct spreading run = {.graph = graph, .params = params};
    status = walk(&run, seeds, seed_count);
    if (status == KERNEL_OK)
        status = most_activated(&run.visited, hits, capacity, hit_count);
    free(run.current.nodes);
    free(run.next.nodes);
    visited_free(&run.visited);
    return status;
}
