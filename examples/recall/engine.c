/*
 * The recall engine: see engine.h.
 *
 *   1. decay      what is left of the strength of each sense of the word, made relative to the
 *                 best kept sense, is the activation of that sense;
 *   2. spread     the CANDIDATES most activated nodes around them;
 *   3. cosine     the glosses of these against the query: the senses' glosses, in proportion to
 *                 their activation, and the word itself;
 *   4. select     the best by 0.6 similarity + 0.3 activation + 0.1 decayed strength. Similarity
 *                 leads; the others order what is about equally similar.
 */
#include "engine.h"

#include <stdlib.h>

#include "../kernels/best.h"
#include "../kernels/cosine.h"
#include "../kernels/decay.h"

#include <arenashim/scope.h>

#define HALF_LIFE 86400.0f /* seconds */
#define WORD_SCALE 0.1f    /* the idf of a rare term is about 10, the length of a gloss vector 1 */
#define SIMILARITY_SHARE 0.6f
#define ACTIVATION_SHARE 0.3f
#define STRENGTH_SHARE 0.1f

enum {
    CANDIDATES = 1000,
    TILE = 32, /* rows made dense at a time: 96 KiB, which stays in the second-level cache */
};

/* The scratch of one recall. */
struct recall {
    const struct corpus *corpus;
    struct scored *seeds;
    struct scored *candidates;
    size_t candidate_count;
    float *query;        /* VECTOR_DIMENSIONS */
    float *tile;         /* TILE rows of VECTOR_DIMENSIONS; all zero between uses */
    float *similarities; /* per candidate, as are the next two */
    float *retained;
    float *scores;
    struct scored *best;
};

static enum kernel_status draw_scratch(struct recall *recall, size_t seed_count, size_t best_count)
{
    recall->seeds = malloc(seed_count * sizeof *recall->seeds);
    recall->candidates = malloc(CANDIDATES * sizeof *recall->candidates);
    recall->query = calloc(VECTOR_DIMENSIONS, sizeof *recall->query);
    recall->tile = calloc((size_t)TILE * VECTOR_DIMENSIONS, sizeof *recall->tile);
    recall->similarities = malloc(CANDIDATES * sizeof *recall->similarities);
    recall->retained = malloc(CANDIDATES * sizeof *recall->retained);
    recall->scores = malloc(CANDIDATES * sizeof *recall->scores);
    recall->best = malloc(best_count * sizeof *recall->best);
    return recall->seeds && recall->candidates && recall->query && recall->tile &&
                   recall->similarities && recall->retained && recall->scores && recall->best
               ? KERNEL_OK
               : KERNEL_NO_MEMORY;
}

static void free_scratch(struct recall *recall)
{
    free(recall->best);
    free(recall->scores);
    free(recall->retained);
    free(recall->similarities);
    free(recall->tile);
    free(recall->query);
    free(recall->candidates);
    free(recall->seeds);
}

/* Writes what decay leaves of the strengths of nodes[0 .. count) to `retained`. */
static enum kernel_status decay_nodes(const struct corpus *corpus, const struct scored *nodes,
                                      size_t count, float *retained)
{
    float *ages = malloc((count + 1) * sizeof *ages);
    if (!ages)
        return KERNEL_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        retained[i] = corpus->strengths[nodes[i].id];
        ages[i] = corpus->ages[nodes[i].id];
    }
    enum kernel_status status = decay_strengths(retained, ages, count, HALF_LIFE, retained);
    free(ages);
    return status;
}

/* Turns the senses into seeds, with relative activations: a word that is rare or was not used of
 * late, and so has little strength in any sense, still reaches as far as others. */
static enum kernel_status make_seeds(struct recall *recall, struct senses senses)
{
    float most = 0, *retained = malloc(senses.count * sizeof *retained);
    if (!retained)
        return KERNEL_NO_MEMORY;

    for (size_t i = 0; i < senses.count; i++)
        recall->seeds[i].id = senses.first[i].node;
    enum kernel_status status = decay_nodes(recall->corpus, recall->seeds, senses.count, retained);
    for (size_t i = 0; i < senses.count && status == KERNEL_OK; i++)
        most = retained[i] > most ? retained[i] : most;
    for (size_t i = 0; i < senses.count && status == KERNEL_OK; i++)
        recall->seeds[i].score = most > 0 ? retained[i] / most : 1;
    free(retained);
    return status;
}

static void make_query(struct recall *recall, struct text word, size_t seed_count)
{
    const struct corpus *corpus = recall->corpus;

    for (size_t i = 0; i < seed_count; i++)
        vectors_add(&corpus->vectors, recall->seeds[i].id, recall->seeds[i].score, recall->query);
    terms_add(&corpus->terms, word, WORD_SCALE, recall->query);
}

static enum kernel_status compare_candidates(struct recall *recall)
{
    const struct vectors *vectors = &recall->corpus->vectors;

    for (size_t first = 0; first < recall->candidate_count; first += TILE) {
        const struct scored *nodes = recall->candidates + first;
        size_t left = recall->candidate_count - first, rows = left < TILE ? left : TILE;

        for (size_t i = 0; i < rows; i++)
            vectors_add(vectors, nodes[i].id, 1, recall->tile + i * VECTOR_DIMENSIONS);
        enum kernel_status status = cosine_similarity(
            recall->query, VECTOR_DIMENSIONS, recall->tile, rows, recall->similarities + first);
        if (status != KERNEL_OK)
            return status;
        /* Of a row of glosses about 1 element in 60 is set, so only those are cleared. */
        for (size_t i = 0; i < rows; i++)
            vectors_clear(vectors, nodes[i].id, recall->tile + i * VECTOR_DIMENSIONS);
    }
    return KERNEL_OK;
}

static float relative_activation(const struct recall *recall, size_t candidate)
{
    float most = recall->candidates[0].score;
    return most > 0 ? recall->candidates[candidate].score / most : 0;
}

static enum kernel_status rank(struct recall *recall, struct match *matches, size_t capacity,
                               size_t *count)
{
    enum kernel_status status =
        decay_nodes(recall->corpus, recall->candidates, recall->candidate_count, recall->retained);
    if (status != KERNEL_OK)
        return status;
    for (size_t i = 0; i < recall->candidate_count; i++)
        recall->scores[i] = SIMILARITY_SHARE * recall->similarities[i] +
                            ACTIVATION_SHARE * relative_activation(recall, i) +
                            STRENGTH_SHARE * recall->retained[i];

    status = select_best(recall->scores, recall->candidate_count, recall->best, capacity, count);
    if (status != KERNEL_OK)
        return status;
    for (size_t i = 0; i < *count; i++) {
        uint32_t candidate = recall->best[i].id;
        matches[i] = (struct match){
            .node = recall->candidates[candidate].id,
            .score = recall->best[i].score,
            .similarity = recall->similarities[candidate],
            .activation = relative_activation(recall, candidate),
        };
    }
    return KERNEL_OK;
}

static enum kernel_status run_kernels(struct recall *recall, const struct spread_params *params,
                                      struct text word, size_t seed_count)
{
    enum kernel_status status =
        spread_activation(&recall->corpus->graph.view, params, recall->seeds, seed_count,
                          recall->candidates, CANDIDATES, &recall->candidate_count);
    if (status != KERNEL_OK)
        return status;
    make_query(recall, word, seed_count);
    return compare_candidates(recall);
}

enum kernel_status engine_recall(const struct corpus *corpus, const struct spread_params *params,
                                 struct text word, struct match *matches, size_t capacity,
                                 size_t *count)
{
    struct senses senses = lexicon_find(&corpus->lexicon, word);
    size_t best_count = capacity < CANDIDATES ? capacity : CANDIDATES;
    struct recall recall = {.corpus = corpus};
    enum kernel_status status = KERNEL_OK;

    *count = 0;
    if (senses.count == 0)
        return KERNEL_OK;
    ARENA_SCOPE("query") {
        status = draw_scratch(&recall, senses.count, best_count);
        if (status == KERNEL_OK)
            status = make_seeds(&recall, senses);
        if (status == KERNEL_OK)
            status = run_kernels(&recall, params, word, senses.count);
        if (status == KERNEL_OK)
            status = rank(&recall, matches, best_count, count);
        free_scratch(&recall);
    }
    return status;
}
