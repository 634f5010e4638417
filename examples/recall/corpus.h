/*
 * Everything that recall remembers: nodes with their texts, relations, vectors, strengths and
 * ages. Loaded once by wordnet_load or synthetic_load, then read by all threads and never written.
 */
#ifndef EXAMPLES_RECALL_CORPUS_H
#define EXAMPLES_RECALL_CORPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "graph.h"
#include "lexicon.h"
#include "text.h"
#include "vectors.h"

enum { CORPUS_BUFFERS = 4 };

struct node {
    struct text label;
    struct text gloss; /* may be empty */
    char kind;         /* n, v, a, s, r as in WordNet; - for synthetic nodes */
};

struct corpus {
    struct node *nodes;
    float *strengths; /* in (0, 1] */
    float *ages;      /* seconds since the last use */
    uint32_t count;   /* of nodes; the three arrays above have this many elements */
    uint32_t capacity;
    struct graph graph;
    struct lexicon lexicon;
    struct terms terms; /* empty for synthetic nodes */
    struct vectors vectors;
    char *buffers[CORPUS_BUFFERS]; /* hold the texts */
};

/* Adds a node without strength and age. False, with nothing changed, when there is no memory. */
bool corpus_add_node(struct corpus *corpus, struct node node);

/*
 * Fills strengths and ages, which have no other source than this:
 *   strength = (1 + ln(1 + uses)) / (1 + ln(1 + most uses of any node)), so never 0;
 *   age = a hash of the node's number, even over [0, 2 days): WordNet does not record when a word
 *   was last used, and a clock would make every run's results different.
 * False when there is no memory.
 */
bool corpus_set_usage(struct corpus *corpus, const uint32_t *uses);

/* Frees everything. Safe on a corpus of zero bytes and on one that failed to load. */
void corpus_free(struct corpus *corpus);

#endif
