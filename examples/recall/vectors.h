/*
 * Gloss vectors: TF-IDF by feature hashing into 768 dimensions.
 *
 * A term adds, for each time it occurs, sign * idf to one dimension: with h its hash
 * (text_next_term), the dimension is h mod 768, the sign that of bit 63 (Weinberger et al. 2009:
 * signs make collisions cancel on average), and idf = ln(glosses / glosses with the term). Rows are
 * then scaled to length 1.
 *
 * Rows are stored sparse. A gloss has 11 distinct terms on average, so WordNet's 117,659 rows take
 * 8.5 MB, where a dense matrix takes 361 MB, and one of int8 still 90 MB and some precision.
 */
#ifndef EXAMPLES_RECALL_VECTORS_H
#define EXAMPLES_RECALL_VECTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

enum { VECTOR_DIMENSIONS = 768 };

/* What is known of every term that occurs: an open-addressing table over term hashes. Two terms
 * with one 64-bit hash would be one term. */
struct term {
    uint64_t hash;
    uint32_t glosses;  /* that contain it; 0 marks a free slot */
    uint32_t last_row; /* the newest of them */
    float idf;         /* set by terms_weigh */
};

struct terms {
    struct term *slots;
    size_t capacity; /* 0 or a power of two */
    size_t count;
};

/* Sparse rows; row i has the elements starts[i] up to, not including, starts[i + 1]. */
struct vectors {
    uint32_t *starts;
    uint16_t *dimensions; /* ascending within a row */
    float *values;
    uint32_t rows;
    uint32_t row_capacity;
    uint32_t length;
    uint32_t capacity;
};

/* Counts the terms of gloss number `row`; rows come in ascending order. False: no memory. */
bool terms_count(struct terms *terms, struct text gloss, uint32_t row);

/* Computes every idf from the counts over `rows` glosses. */
void terms_weigh(struct terms *terms, uint32_t rows);

/* Adds sign * idf for each term of `text` to the dense `vector`, times `scale`. Unknown terms add
 * nothing. */
void terms_add(const struct terms *terms, struct text text, float scale, float *vector);

void terms_free(struct terms *terms);

/* Appends `dense` (768 finite floats), scaled to length 1; a zero vector becomes an empty row.
 * False, with no row added, when there is no memory. */
bool vectors_append(struct vectors *vectors, const float *dense);

/* Adds scale * row to the dense `vector`. */
void vectors_add(const struct vectors *vectors, uint32_t row, float scale, float *vector);

/* Sets the elements of the dense `vector` to 0 that the row occupies. */
void vectors_clear(const struct vectors *vectors, uint32_t row, float *vector);

void vectors_free(struct vectors *vectors);

#endif
