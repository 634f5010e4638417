/* The CSR graph: see graph.h. */
#include "graph.h"

#include <stdlib.h>

bool arcs_add(struct arcs *arcs, struct arc arc)
{
    if (arcs->length == arcs->capacity) {
        size_t capacity = arcs->capacity ? 2 * arcs->capacity : 4096;
        struct arc *items = realloc(arcs->items, capacity * sizeof *items);
        if (!items)
            return false;
        arcs->items = items;
        arcs->capacity = capacity;
    }
    arcs->items[arcs->length++] = arc;
    return true;
}

void arcs_free(struct arcs *arcs)
{
    free(arcs->items);
    *arcs = (struct arcs){0};
}

/* Counting sort by source. Expects offsets zeroed and leaves them final. */
static void fill(struct graph *graph, uint32_t nodes, const struct arcs *arcs)
{
    uint32_t *offsets = graph->offsets;

    for (size_t i = 0; i < arcs->length; i++)
        offsets[arcs->items[i].from + 1]++;
    for (uint32_t node = 0; node < nodes; node++)
        offsets[node + 1] += offsets[node];
    for (size_t i = 0; i < arcs->length; i++) {
        uint32_t place = offsets[arcs->items[i].from]++;
        graph->targets[place] = arcs->items[i].to;
        graph->weights[place] = arcs->items[i].weight;
    }
    /* Each offset has moved on to its row's end, which is where the next row starts. */
    for (uint32_t node = nodes; node > 0; node--)
        offsets[node] = offsets[node - 1];
    offsets[0] = 0;
}

bool graph_build(struct graph *graph, uint32_t nodes, const struct arcs *arcs)
{
    /* One element more: calloc(0) may be NULL without being out of memory. */
    *graph = (struct graph){
        .offsets = calloc((size_t)nodes + 1, sizeof *graph->offsets),
        .targets = calloc(arcs->length + 1, sizeof *graph->targets),
        .weights = calloc(arcs->length + 1, sizeof *graph->weights),
    };
    if (!graph->offsets || !graph->targets || !graph->weights) {
        graph_free(graph);
        return false;
    }
    fill(graph, nodes, arcs);
    graph->view = (struct csr_graph){nodes, (uint32_t)arcs->length, graph->offsets, graph->targets,
                                     graph->weights};
    return true;
}

void graph_free(struct graph *graph)
{
    free(graph->offsets);
    free(graph->targets);
    free(graph->weights);
    *graph = (struct graph){0};
}
