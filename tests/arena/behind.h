/* For tests that look at a buffer behind the back of the arena over it, where AddressSanitizer
 * would report them. */
#ifndef TESTS_ARENA_BEHIND_H
#define TESTS_ARENA_BEHIND_H

#include <stdbool.h>
#include <stddef.h>

#include "arenashim/arena.h"

/* A function whose own accesses are not checked; the poison stays. */
#define UNCHECKED __attribute__((no_sanitize("address")))

static inline void unpoison(const void *start, size_t size)
{
#ifdef ARENA_ASAN_
    __asan_unpoison_memory_region(start, size);
#else
    (void)start;
    (void)size;
#endif
}

static inline void poison(const void *start, size_t size)
{
#ifdef ARENA_ASAN_
    __asan_poison_memory_region(start, size);
#else
    (void)start;
    (void)size;
#endif
}

/* Whether AddressSanitizer would report an access; `without` where there is none. */
static inline bool is_poisoned(const void *address, bool without)
{
#ifdef ARENA_ASAN_
    (void)without;
    return __asan_address_is_poisoned(address) != 0;
#else
    (void)address;
    return without;
#endif
}

#endif
