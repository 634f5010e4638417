/*
 * Slices of text that someone else owns, and the hashes made of them.
 *
 * Everything is ASCII and independent of the locale: bytes from 128 on are neither letters nor
 * digits and have no case.
 */
#ifndef EXAMPLES_RECALL_TEXT_H
#define EXAMPLES_RECALL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    const char *start; /* not terminated */
    size_t length;
};

struct text text_of(const char *string);

/* Order without regard to case; blanks and underscores are the same. As memcmp's result. */
int text_compare(struct text a, struct text b);

/* Cuts the piece before the first `end` off `rest`, and the `end` with it. Without one it takes
 * everything. */
struct text text_cut(struct text *rest, char end);

/* The unsigned number that `text` wholly consists of, in base 10 or 16, if it is below 2^32. */
bool text_number(struct text text, unsigned base, uint32_t *number);

/* Takes the next term, a longest run of letters and digits, off `rest` and hashes it in lower
 * case: FNV-1a of 64 bits, finished by mix64. False when there is none left. */
bool text_next_term(struct text *rest, uint64_t *hash);

/* The finisher of splitmix64 (Steele, Lea, Flood 2014): a bijection that mixes all 64 bits. */
uint64_t mix64(uint64_t value);

/* Element `index` of the random sequence that `seed` names (splitmix64): stateless, so that any
 * thread can draw any element. */
uint64_t random_at(uint64_t seed, uint64_t index);

/* Maps a random word evenly to [0, bound), bound > 0, by multiplication (Lemire 2019, without the
 * rejection: the bias is below bound / 2^32). */
uint32_t random_below(uint64_t random, uint32_t bound);

/* Maps a random word evenly to [0, 1). */
float random_unit(uint64_t random);

#endif
