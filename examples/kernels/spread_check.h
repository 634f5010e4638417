/*
 * What every form of activation spreading asks of its arguments, and of the graph where it walks
 * it. For use inside kernels.
 */
#ifndef EXAMPLES_KERNELS_SPREAD_CHECK_H
#define EXAMPLES_KERNELS_SPREAD_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spread.h"

/* KERNEL_OK when the arguments of spread_activation are as spread.h wants them. Looks at no edge,
 * and of the graph's arrays only at both ends of the offsets. */
enum kernel_status spread_check(const struct csr_graph *graph, const struct spread_params *params,
                                const struct scored *seeds, size_t seed_count,
                                const struct scored *hits, size_t capacity,
                                const size_t *hit_count);

/* Whether the edges from a node, which is one of the graph's, are numbers of edges. */
static inline bool spread_row_is_sound(const struct csr_graph *graph, uint32_t node)
{
    uint32_t first = graph->offsets[node], end = graph->offsets[node + 1];
    return first <= end && end <= graph->edges;
}

/* Whether an edge of such a row leads to a node, with a weight in [0, 1]. */
static inline bool spread_edge_is_sound(const struct csr_graph *graph, uint32_t edge)
{
    float weight = graph->weights[edge];
    return graph->targets[edge] < graph->nodes && weight >= 0 && weight <= 1;
}

#endif
