/* The corpus: see corpus.h. */
#include "corpus.h"

#include <math.h>
#include <stdlib.h>

#define OLDEST_AGE (2 * 86400.0f)

bool corpus_add_node(struct corpus *corpus, struct node node)
{
    if (corpus->count == corpus->capacity) {
        uint32_t capacity = corpus->capacity ? 2 * corpus->capacity : 4096;
        struct node *nodes = realloc(corpus->nodes, capacity * sizeof *nodes);
        if (!nodes)
            return false;
        corpus->nodes = nodes;
        corpus->capacity = capacity;
    }
    corpus->nodes[corpus->count++] = node;
    return true;
}

bool corpus_set_usage(struct corpus *corpus, const uint32_t *uses)
{
    uint32_t most = 0;

    corpus->strengths = calloc((size_t)corpus->count + 1, sizeof *corpus->strengths);
    corpus->ages = calloc((size_t)corpus->count + 1, sizeof *corpus->ages);
    if (!corpus->strengths || !corpus->ages)
        return false;
    for (uint32_t i = 0; i < corpus->count; i++)
        most = uses[i] > most ? uses[i] : most;
    for (uint32_t i = 0; i < corpus->count; i++) {
        corpus->strengths[i] = (float)((1 + log1p(uses[i])) / (1 + log1p(most)));
        corpus->ages[i] = random_unit(random_at(0, i)) * OLDEST_AGE;
    }
    return true;
}

void corpus_free(struct corpus *corpus)
{
    free(corpus->nodes);
    free(corpus->strengths);
    free(corpus->ages);
    graph_free(&corpus->graph);
    lexicon_free(&corpus->lexicon);
    terms_free(&corpus->terms);
    vectors_free(&corpus->vectors);
    for (size_t i = 0; i < CORPUS_BUFFERS; i++)
        free(corpus->buffers[i]);
    *corpus = (struct corpus){0};
}
