/*
 * Sets of small numbers as arrays of bits: number N is bit N % 64 of word N / 64. A range is
 * [first, end).
 */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include <stdbool.h>
#include <stdint.h>

/* The bits of one word that stand for the range. */
static inline uint64_t bits_of(uint32_t word, uint32_t first, uint32_t end)
{
    uint64_t bits = UINT64_MAX;
    if (first > word * 64)
        bits <<= first - word * 64;
    if (end < (word + 1) * 64)
        bits &= ((uint64_t)1 << (end - word * 64)) - 1;
    return bits;
}

static inline uint32_t bits_count(const uint64_t *words, uint32_t first, uint32_t end)
{
    uint32_t count = 0;
    for (uint32_t word = first / 64; word * 64 < end; word++)
        count += (uint32_t)__builtin_popcountll(words[word] & bits_of(word, first, end));
    return count;
}

static inline void bits_set(uint64_t *words, uint32_t first, uint32_t end)
{
    for (uint32_t word = first / 64; word * 64 < end; word++)
        words[word] |= bits_of(word, first, end);
}

static inline void bits_clear(uint64_t *words, uint32_t first, uint32_t end)
{
    for (uint32_t word = first / 64; word * 64 < end; word++)
        words[word] &= ~bits_of(word, first, end);
}

static inline bool bits_has(const uint64_t *words, uint32_t number)
{
    return words[number / 64] >> number % 64 & 1;
}

#endif
