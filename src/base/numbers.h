/*
 * Small arithmetic on sizes and addresses.
 */
#ifndef BASE_NUMBERS_H
#define BASE_NUMBERS_H

#include <stdint.h>

static inline uint64_t lower(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t higher(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The multiple of `unit`, a power of two, at or below the number, or at or above it. */
static inline uint64_t round_down(uint64_t number, uint64_t unit)
{
    return number & -unit;
}

static inline uint64_t round_up(uint64_t number, uint64_t unit)
{
    return round_down(number + unit - 1, unit);
}

#endif
