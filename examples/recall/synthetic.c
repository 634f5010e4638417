/* The synthetic corpus: see synthetic.h. */
#include "synthetic.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    NODES = 10000,
    EDGES = 50000,
    CORE = 11, /* nodes that are all linked: CORE * (CORE - 1) / 2 edges */
    ATTACHED = 5,
    OWN_ELEMENTS = 12,
    LABEL_SIZE = sizeof "node-9999",
};

_Static_assert(CORE *(CORE - 1) / 2 + (NODES - CORE) * ATTACHED == EDGES, "edges don't add up");

struct maker {
    struct corpus *corpus;
    struct arcs arcs;
    uint32_t *ends; /* both ends of every edge: a random one is a node in proportion to its edges */
    uint32_t end_count;
    uint32_t *degrees;
    uint32_t *parents; /* the first node that each was attached to; itself in the core */
    uint64_t seed;
    uint64_t drawn;
};

static uint64_t draw(struct maker *maker)
{
    return random_at(maker->seed, maker->drawn++);
}

static bool link_nodes(struct maker *maker, uint32_t a, uint32_t b)
{
    float weight = 0.25f + 0.75f * random_unit(draw(maker));

    maker->ends[maker->end_count++] = a;
    maker->ends[maker->end_count++] = b;
    maker->degrees[a]++;
    maker->degrees[b]++;
    return arcs_add(&maker->arcs, (struct arc){a, b, weight}) &&
           arcs_add(&maker->arcs, (struct arc){b, a, weight});
}

/* Attaches a new node to ATTACHED different earlier ones. */
static bool attach(struct maker *maker, uint32_t node)
{
    uint32_t chosen[ATTACHED];

    for (uint32_t count = 0; count < ATTACHED;) {
        uint32_t candidate = maker->ends[random_below(draw(maker), maker->end_count)];
        bool is_new = true;
        for (uint32_t i = 0; i < count; i++)
            is_new = is_new && chosen[i] != candidate;
        if (is_new)
            chosen[count++] = candidate;
    }
    maker->parents[node] = chosen[0];
    for (uint32_t i = 0; i < ATTACHED; i++)
        if (!link_nodes(maker, node, chosen[i]))
            return false;
    return true;
}

static bool make_graph(struct maker *maker)
{
    for (uint32_t node = 0; node < CORE; node++) {
        maker->parents[node] = node;
        for (uint32_t other = 0; other < node; other++)
            if (!link_nodes(maker, node, other))
                return false;
    }
    for (uint32_t node = CORE; node < NODES; node++)
        if (!attach(maker, node))
            return false;
    return graph_build(&maker->corpus->graph, NODES, &maker->arcs);
}

static bool make_nodes(struct corpus *corpus)
{
    char *labels = malloc((size_t)NODES * LABEL_SIZE);

    corpus->buffers[0] = labels;
    if (!labels)
        return false;
    for (uint32_t i = 0; i < NODES; i++, labels += LABEL_SIZE) {
        snprintf(labels, LABEL_SIZE, "node-%u", i);
        struct text label = text_of(labels);
        if (!corpus_add_node(corpus, (struct node){.label = label, .kind = '-'}) ||
            !lexicon_add(&corpus->lexicon, (struct sense){.word = label, .node = i}))
            return false;
    }
    lexicon_sort(&corpus->lexicon);
    corpus->lexicon.covers_all = true;
    return true;
}

static bool make_vectors(struct maker *maker)
{
    struct vectors *vectors = &maker->corpus->vectors;

    for (uint32_t node = 0; node < NODES; node++) {
        float dense[VECTOR_DIMENSIONS] = {0};
        for (int i = 0; i < OWN_ELEMENTS; i++) {
            uint32_t dimension = random_below(draw(maker), VECTOR_DIMENSIONS);
            dense[dimension] += 2 * random_unit(draw(maker)) - 1;
        }
        if (maker->parents[node] != node)
            vectors_add(vectors, maker->parents[node], 0.5f, dense);
        if (!vectors_append(vectors, dense))
            return false;
    }
    return true;
}

enum recall_status synthetic_load(struct corpus *corpus, uint64_t seed)
{
    struct maker maker = {
        .corpus = corpus,
        .ends = malloc(2 * (size_t)EDGES * sizeof *maker.ends),
        .degrees = calloc(NODES, sizeof *maker.degrees),
        .parents = malloc((size_t)NODES * sizeof *maker.parents),
        .seed = seed,
    };
    bool made = maker.ends && maker.degrees && maker.parents && make_nodes(corpus) &&
                make_graph(&maker) && make_vectors(&maker) &&
                corpus_set_usage(corpus, maker.degrees);

    free(maker.ends);
    free(maker.degrees);
    free(maker.parents);
    arcs_free(&maker.arcs);
    if (!made)
        warnx("out of memory while making the synthetic graph");
    return made ? RECALL_OK : RECALL_NO_RESOURCES;
}
