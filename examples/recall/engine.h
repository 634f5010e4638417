/*
 * One recall: from a word to the memories that match it best.
 *
 * A recall is a scope ("query") with the kernels' scopes nested in it; all its scratch is drawn
 * with plain malloc and gone at its end. What outlives it is written to the caller's buffer.
 */
#ifndef EXAMPLES_RECALL_ENGINE_H
#define EXAMPLES_RECALL_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "../kernels/spread.h"
#include "../kernels/status.h"
#include "corpus.h"

struct match {
    uint32_t node;
    float score;      /* the blend that ranks, see engine.c; in [-0.6, 1] up to rounding */
    float similarity; /* of its gloss with the query */
    float activation; /* relative to the most activated node, in [0, 1] */
};

/*
 * Recalls `word` and writes the up to `capacity` > 0 best matches to matches[0 .. *count), best
 * first, lower node first among equal scores. A word without a sense has no matches. The result
 * depends on the arguments alone; threads may share the corpus. Errors are the kernels'.
 */
enum kernel_status engine_recall(const struct corpus *corpus, const struct spread_params *params,
                                 struct text word, struct match *matches, size_t capacity,
                                 size_t *count);

#endif
