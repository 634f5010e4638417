/* Checks of the arguments of activation spreading: see spread_check.h. Conditions on floats are
 * written so that a NaN fails them. */
#include "spread_check.h"

#include <math.h>

static enum kernel_status check_graph(const struct csr_graph *graph)
{
    /* Node UINT32_MAX would have its row's end at an index that wraps around. */
    if (graph->nodes == UINT32_MAX || (graph->nodes == 0 && graph->edges > 0))
        return KERNEL_BAD_GRAPH;
    if (graph->nodes == 0)
        return KERNEL_OK;
    if (!graph->offsets || (graph->edges > 0 && (!graph->targets || !graph->weights)))
        return KERNEL_BAD_ARGUMENT;
    if (graph->offsets[0] != 0 || graph->offsets[graph->nodes] != graph->edges)
        return KERNEL_BAD_GRAPH;
    return KERNEL_OK;
}

enum kernel_status spread_check(const struct csr_graph *graph, const struct spread_params *params,
                                const struct scored *seeds, size_t seed_count,
                                const struct scored *hits, size_t capacity, const size_t *hit_count)
{
    if (!graph || !params || (!seeds && seed_count > 0) || !hits || capacity == 0 || !hit_count)
        return KERNEL_BAD_ARGUMENT;
    if (!isfinite(params->threshold) || params->threshold < 0)
        return KERNEL_BAD_ARGUMENT;
    if (!(params->decay >= 0 && params->decay <= 1))
        return KERNEL_BAD_ARGUMENT;
    enum kernel_status status = check_graph(graph);
    if (status != KERNEL_OK)
        return status;
    for (size_t i = 0; i < seed_count; i++)
        if (seeds[i].id >= graph->nodes || !(seeds[i].score >= 0 && seeds[i].score <= 1))
            return KERNEL_BAD_ARGUMENT;
    return KERNEL_OK;
}
