/*
 * Cosine similarity of one query with many candidates.
 *
 * Sums are taken in a fixed order over fixed lanes, so a result depends on the two vectors alone:
 * not on threads, batch size, or the width of the machine's registers.
 */
#ifndef EXAMPLES_KERNELS_COSINE_H
#define EXAMPLES_KERNELS_COSINE_H

#include <stddef.h>

#include "status.h"

/*
 * scores[i] = query . row i / (|query| |row i|), in [-1, 1].
 *
 * `query` has `dimension` > 0 finite floats, `rows` is a row-major matrix of count x dimension
 * (any alignment), `scores` has room for `count` and overlaps neither. Similarity with a zero
 * vector is 0; a row counts as zero when its squared length is below FLT_MIN. A row that is not
 * finite, or whose squared length is above FLT_MAX, scores NaN and disturbs no other. A count of
 * 0 does nothing, and rows and scores may be NULL then. Any thread; no shared state.
 */
enum kernel_status cosine_similarity(const float *query, size_t dimension, const float *rows,
                                     size_t count, float *scores);

#endif
