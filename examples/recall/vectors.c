/* Gloss vectors: see vectors.h. */
#include "vectors.h"

#include <math.h>
#include <stdlib.h>

enum { FIRST_TERMS = 1 << 12, FIRST_ROWS = 1 << 10, FIRST_LENGTH = 1 << 14 };

/* The slot that holds `hash`, or the free one where it belongs. The table is never full. */
static struct term *find_slot(struct term *slots, size_t capacity, uint64_t hash)
{
    size_t i = (size_t)hash & (capacity - 1);
    while (slots[i].glosses > 0 && slots[i].hash != hash)
        i = (i + 1) & (capacity - 1);
    return &slots[i];
}

static bool terms_grow(struct terms *terms)
{
    size_t capacity = terms->capacity ? 2 * terms->capacity : FIRST_TERMS;
    struct term *slots = calloc(capacity, sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = 0; i < terms->capacity; i++)
        if (terms->slots[i].glosses > 0)
            *find_slot(slots, capacity, terms->slots[i].hash) = terms->slots[i];
    free(terms->slots);
    terms->slots = slots;
    terms->capacity = capacity;
    return true;
}

bool terms_count(struct terms *terms, struct text gloss, uint32_t row)
{
    for (uint64_t hash; text_next_term(&gloss, &hash);) {
        if (2 * terms->count >= terms->capacity && !terms_grow(terms))
            return false;
        struct term *term = find_slot(terms->slots, terms->capacity, hash);
        if (term->glosses == 0)
            terms->count++;
        else if (term->last_row == row)
            continue;
        term->hash = hash;
        term->last_row = row;
        term->glosses++;
    }
    return true;
}

void terms_weigh(struct terms *terms, uint32_t rows)
{
    for (size_t i = 0; i < terms->capacity; i++)
        if (terms->slots[i].glosses > 0)
            terms->slots[i].idf = (float)log((double)rows / (double)terms->slots[i].glosses);
}

void terms_add(const struct terms *terms, struct text text, float scale, float *vector)
{
    if (terms->capacity == 0)
        return;
    for (uint64_t hash; text_next_term(&text, &hash);) {
        float idf = find_slot(terms->slots, terms->capacity, hash)->idf;
        vector[hash % VECTOR_DIMENSIONS] += (hash >> 63 ? -idf : idf) * scale;
    }
}

void terms_free(struct terms *terms)
{
    free(terms->slots);
    *terms = (struct terms){0};
}

static bool reserve_row(struct vectors *vectors)
{
    if (vectors->starts && vectors->rows < vectors->row_capacity)
        return true;
    uint32_t capacity = vectors->row_capacity ? 2 * vectors->row_capacity : FIRST_ROWS;
    uint32_t *starts = realloc(vectors->starts, ((size_t)capacity + 1) * sizeof *starts);
    if (!starts)
        return false;
    vectors->starts = starts;
    vectors->starts[vectors->rows] = vectors->length;
    vectors->row_capacity = capacity;
    return true;
}

/* Makes room for one more row of up to 768 elements. */
static bool reserve_elements(struct vectors *vectors)
{
    if (vectors->capacity - vectors->length >= VECTOR_DIMENSIONS)
        return true;
    uint32_t capacity = vectors->capacity ? 2 * vectors->capacity : FIRST_LENGTH;
    uint16_t *dimensions = realloc(vectors->dimensions, capacity * sizeof *dimensions);
    if (!dimensions)
        return false;
    vectors->dimensions = dimensions;
    float *values = realloc(vectors->values, capacity * sizeof *values);
    if (!values)
        return false;
    vectors->values = values;
    vectors->capacity = capacity;
    return true;
}

bool vectors_append(struct vectors *vectors, const float *dense)
{
    double square = 0;

    if (!reserve_row(vectors) || !reserve_elements(vectors))
        return false;
    for (size_t i = 0; i < VECTOR_DIMENSIONS; i++)
        square += (double)dense[i] * (double)dense[i];
    for (size_t i = 0; i < VECTOR_DIMENSIONS; i++) {
        if (dense[i] == 0)
            continue;
        vectors->dimensions[vectors->length] = (uint16_t)i;
        vectors->values[vectors->length++] = (float)((double)dense[i] / sqrt(square));
    }
    vectors->starts[++vectors->rows] = vectors->length;
    return true;
}

void vectors_add(const struct vectors *vectors, uint32_t row, float scale, float *vector)
{
    for (uint32_t i = vectors->starts[row]; i < vectors->starts[row + 1]; i++)
        vector[vectors->dimensions[i]] += vectors->values[i] * scale;
}

void vectors_clear(const struct vectors *vectors, uint32_t row, float *vector)
{
    for (uint32_t i = vectors->starts[row]; i < vectors->starts[row + 1]; i++)
        vector[vectors->dimensions[i]] = 0;
}

void vectors_free(struct vectors *vectors)
{
    free(vectors->starts);
    free(vectors->dimensions);
    free(vectors->values);
    *vectors = (struct vectors){0};
}
