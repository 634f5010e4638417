/*
 * Activation spreading over dense arrays: see spread.h.
 *
 * Scratch is sized by the graph and drawn before anything is reached. Only the set of reached nodes
 * is cleared, a bit a node: what the arrays hold of a node is written when it is first reached. The
 * queue has one depth behind the other, each in the order of discovery, so that sums are taken in
 * the same order as in the sparse form.
 */
#include "spread.h"

#include <float.h>
#include <stdbool.h>
#include <stdlib.h>

#include "spread_check.h"

#include <arenashim/scope.h>

/* The arrays have an element per node of the graph. */
struct spreading {
    const struct csr_graph *graph;
    const struct spread_params *params;
    float *activations; /* of the reached nodes; of others undefined, as in depths */
    uint32_t *depths;   /* at which they were first reached */
    uint32_t *queue;    /* the reached nodes in the order of their discovery */
    size_t reached_count;
    uint64_t *reached; /* the set of them, a bit per node */
};

enum { WORD_BITS = 64 };

static bool draw_scratch(struct spreading *run)
{
    size_t nodes = run->graph->nodes;
    return (run->activations = malloc(nodes * sizeof *run->activations)) &&
           (run->depths = malloc(nodes * sizeof *run->depths)) &&
           (run->queue = malloc(nodes * sizeof *run->queue)) &&
           (run->reached = calloc(nodes / WORD_BITS + 1, sizeof *run->reached));
}

static void free_scratch(struct spreading *run)
{
    free(run->reached);
    free(run->queue);
    free(run->depths);
    free(run->activations);
}

/* Adds a node to the set. False when it is there already. */
static bool reach(struct spreading *run, uint32_t node)
{
    uint64_t *word = &run->reached[node / WORD_BITS], bit = UINT64_C(1) << node % WORD_BITS;
    if (*word & bit)
        return false;
    *word |= bit;
    return true;
}

/* Lets `amount` arrive at `node`; nodes of an earlier depth take no more. */
static void receive(struct spreading *run, uint32_t node, uint32_t depth, float amount)
{
    if (reach(run, node)) {
        run->activations[node] = 0;
        run->depths[node] = depth;
        run->queue[run->reached_count++] = node;
    }
    if (run->depths[node] == depth) {
        float sum = run->activations[node] + amount;
        /* An infinity would become a NaN at the next weight of 0. */
        run->activations[node] = sum < FLT_MAX ? sum : FLT_MAX;
    }
}

static enum kernel_status fire(struct spreading *run, uint32_t node)
{
    const struct csr_graph *graph = run->graph;
    float outflow = run->activations[node] * run->params->decay;
    uint32_t depth = run->depths[node] + 1;

    if (!spread_row_is_sound(graph, node))
        return KERNEL_BAD_GRAPH;
    uint32_t end = graph->offsets[node + 1];
    for (uint32_t edge = graph->offsets[node]; edge < end; edge++) {
        if (!spread_edge_is_sound(graph, edge))
            return KERNEL_BAD_GRAPH;
        receive(run, graph->targets[edge], depth, outflow * graph->weights[edge]);
    }
    return KERNEL_OK;
}

/* What arrives at a depth has arrived before the queue comes to it. */
static enum kernel_status walk(struct spreading *run, const struct scored *seeds, size_t seed_count)
{
    for (size_t i = 0; i < seed_count; i++)
        receive(run, seeds[i].id, 0, seeds[i].score);
    for (size_t i = 0; i < run->reached_count; i++) {
        uint32_t node = run->queue[i];
        if (run->depths[node] == run->params->max_depth)
            break;
        if (run->activations[node] < run->params->threshold)
            continue;
        enum kernel_status status = fire(run, node);
        if (status != KERNEL_OK)
            return status;
    }
    return KERNEL_OK;
}

static enum kernel_status most_activated(const struct spreading *run, struct scored *hits,
                                         size_t capacity, size_t *hit_count)
{
    struct best_heap heap;
    enum kernel_status status =
        best_heap_init(&heap, capacity < run->reached_count ? capacity : run->reached_count);
    if (status != KERNEL_OK)
        return status;

    for (size_t i = 0; i < run->reached_count; i++)
        best_heap_offer(&heap, run->queue[i], run->activations[run->queue[i]]);
    *hit_count = best_heap_drain(&heap, hits);
    best_heap_free(&heap);
    return KERNEL_OK;
}

enum kernel_status spread_activation_dense(const struct csr_graph *graph,
                                           const struct spread_params *params,
                                           const struct scored *seeds, size_t seed_count,
                                           struct scored *hits, size_t capacity, size_t *hit_count)
{
    enum kernel_status status =
        spread_check(graph, params, seeds, seed_count, hits, capacity, hit_count);
    if (status != KERNEL_OK)
        return status;
    if (seed_count == 0) {
        *hit_count = 0;
        return KERNEL_OK;
    }

    ARENA_SCOPE_HERE("spread_dense");
    struct spreading run = {.graph = graph, .params = params};
    status = draw_scratch(&run) ? walk(&run, seeds, seed_count) : KERNEL_NO_MEMORY;
    if (status == KERNEL_OK)
        status = most_activated(&run, hits, capacity, hit_count);
    free_scratch(&run);
    return status;
}
