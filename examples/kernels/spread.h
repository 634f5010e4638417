/*
 * Activation spreading over a weighted graph.
 *
 * Activation starts at the seeds and flows along the edges, level by level, each time multiplied
 * by the edge's weight and a decay factor (Collins and Loftus 1975; firing threshold and
 * breadth-first pulses after Crestani 1997). It only flows forward: a node collects from the level
 * before the one at which it is first reached, and fires once. So cycles, self-loops and edges
 * back add nothing, and the work is bounded by the edges in reach.
 *
 * There are two forms, sparse and dense, which differ in the scratch that they draw.
 */
#ifndef EXAMPLES_KERNELS_SPREAD_H
#define EXAMPLES_KERNELS_SPREAD_H

#include <stddef.h>
#include <stdint.h>

#include "best.h"
#include "status.h"

/*
 * A directed graph in compressed sparse rows; parallel edges are allowed and add up. The edges
 * from node u are numbers offsets[u] up to, not including, offsets[u + 1]. offsets has
 * nodes + 1 elements, rises from 0 to `edges`; targets are below `nodes`; weights lie in [0, 1].
 * A graph without nodes needs no arrays.
 */
struct csr_graph {
    uint32_t nodes;
    uint32_t edges;
    const uint32_t *offsets;
    const uint32_t *targets;
    const float *weights;
};

struct spread_params {
    float threshold;    /* least activation with which a node fires; finite, not negative */
    float decay;        /* factor per step, in [0, 1] */
    uint32_t max_depth; /* steps from a seed; 0 activates the seeds alone */
};

/*
 * Spreads from `seeds` (id: node; score: activation in [0, 1]; a node named twice gets the sum)
 * and writes the up to `capacity` most activated nodes to hits[0 .. *hit_count), in the order of
 * best.h. Nodes that were reached but did not fire count too; nodes not reached do not.
 *
 * The graph is checked as far as it is walked: KERNEL_BAD_GRAPH when that part contradicts itself,
 * and no access out of bounds in any case. KERNEL_BAD_ARGUMENT: NULL, capacity 0, a parameter out
 * of range, a seed that is not a node or not in [0, 1]. No seeds (then the array may be NULL) give
 * no hits. `graph` is only read, so threads may share it.
 *
 * This is the sparse form: it draws a block for each node that it reaches, and sums in doubles.
 */
enum kernel_status spread_activation(const struct csr_graph *graph,
                                     const struct spread_params *params, const struct scored *seeds,
                                     size_t seed_count, struct scored *hits, size_t capacity,
                                     size_t *hit_count);

/*
 * The dense form: the same contract, but what it draws does not depend on what it reaches: three
 * arrays of 4 bytes and a set of 1 bit for each of the graph's nodes, and a heap for the hits, 5
 * blocks in all.
 *
 * Sums are taken in the same order, but in floats. So scores are those of the sparse form where
 * floats hold all sums and products on the way. Otherwise each of these adds up to 2^-24 (half of
 * FLT_EPSILON) to the relative difference, more below FLT_MIN; a node whose activation comes that
 * close to the threshold may fire in one form alone, and hits that close may change places. What
 * adds up to more than FLT_MAX counts as FLT_MAX.
 */
enum kernel_status spread_activation_dense(const struct csr_graph *graph,
                                           const struct spread_params *params,
                                           const struct scored *seeds, size_t seed_count,
                                           struct scored *hits, size_t capacity, size_t *hit_count);

#endif
