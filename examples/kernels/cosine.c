/*
 * Cosine similarity: see cosine.h.
 *
 * A float sum with one accumulator can't be vectorised without reassociation (-ffast-math), and
 * waits for each addition. Here the order is written down instead: 16 accumulators, of which
 * number j takes the elements j, j + 16, j + 32, ..., in four vectors of four.
 */
#include "cosine.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arenashim/scope.h>

typedef float lanes __attribute__((vector_size(16)));

enum { LANES = 4, BLOCK = 4 * LANES };

struct sums {
    lanes a, b, c, d;
};

static inline lanes load(const float *from)
{
    lanes value;
    memcpy(&value, from, sizeof value);
    return value;
}

static inline void add_products(struct sums *sums, const float *x, const float *y)
{
    sums->a += load(x) * load(y);
    sums->b += load(x + LANES) * load(y + LANES);
    sums->c += load(x + 2 * LANES) * load(y + 2 * LANES);
    sums->d += load(x + 3 * LANES) * load(y + 3 * LANES);
}

static inline float total(const struct sums *sums)
{
    lanes sum = (sums->a + sums->b) + (sums->c + sums->d);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* Similarity of one row with `unit`, a vector of length 1 or 0 that is padded to whole blocks. */
static float row_similarity(const float *unit, const float *row, size_t dimension)
{
    struct sums products = {0}, squares = {0};
    size_t i = 0;

    for (; dimension - i >= BLOCK; i += BLOCK) {
        add_products(&products, unit + i, row + i);
        add_products(&squares, row + i, row + i);
    }
    if (i < dimension) {
        float rest[BLOCK] = {0};
        memcpy(rest, row + i, (dimension - i) * sizeof *row);
        add_products(&products, unit + i, rest);
        add_products(&squares, rest, rest);
    }

    float square = total(&squares);
    if (!isfinite(square))
        return NAN;
    if (square < FLT_MIN)
        return 0;
    float cosine = total(&products) / sqrtf(square);
    return cosine > 1 ? 1 : cosine < -1 ? -1 : cosine;
}

/* Writes query / |query| to `unit`; a zero query stays zero. False when it is not finite. */
static bool normalise(const float *query, size_t dimension, float *unit)
{
    double square = 0;

    for (size_t i = 0; i < dimension; i++)
        square += (double)query[i] * (double)query[i];
    if (!isfinite(square))
        return false;
    double scale = square > 0 ? 1 / sqrt(square) : 0;
    for (size_t i = 0; i < dimension; i++)
        unit[i] = (float)((double)query[i] * scale);
    return true;
}

enum kernel_status cosine_similarity(const float *query, size_t dimension, const float *rows,
                                     size_t count, float *scores)
{
    if (!query || dimension == 0 || dimension > SIZE_MAX / sizeof *query - BLOCK)
        return KERNEL_BAD_ARGUMENT;
    if (count > 0 && (!rows || !scores || count > SIZE_MAX / sizeof *rows / dimension))
        return KERNEL_BAD_ARGUMENT;

    ARENA_SCOPE_HERE("cosine");
    float *unit = calloc((dimension + BLOCK - 1) / BLOCK, BLOCK * sizeof *unit);
    if (!unit)
        return KERNEL_NO_MEMORY;
    if (!normalise(query, dimension, unit)) {
        free(unit);
        return KERNEL_BAD_ARGUMENT;
    }
    for (size_t i = 0; i < count; i++)
        scores[i] = row_similarity(unit, rows + i * dimension, dimension);
    free(unit);
    return KERNEL_OK;
}
