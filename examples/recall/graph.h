/*
 * Builds and owns the CSR graph that activation spreads over.
 *
 * Arcs are collected in any order and then sorted by source; arcs of one source keep the order in
 * which they were added. That order decides the order of sums, and so the last bits of results.
 */
#ifndef EXAMPLES_RECALL_GRAPH_H
#define EXAMPLES_RECALL_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../kernels/spread.h"

struct arc {
    uint32_t from;
    uint32_t to;
    float weight; /* in [0, 1] */
};

struct arcs {
    struct arc *items;
    size_t length;
    size_t capacity;
};

struct graph {
    uint32_t *offsets;
    uint32_t *targets;
    float *weights;
    struct csr_graph view; /* of the arrays above, for the kernels */
};

/* Adds an arc. False, with nothing changed, when there is no memory. */
bool arcs_add(struct arcs *arcs, struct arc arc);

void arcs_free(struct arcs *arcs);

/* Builds the graph of `nodes` nodes; the ends of every arc are below `nodes`, and nodes and arcs
 * are fewer than 2^32 - 1. False when there is no memory; *graph is empty then. */
bool graph_build(struct graph *graph, uint32_t nodes, const struct arcs *arcs);

void graph_free(struct graph *graph);

#endif
