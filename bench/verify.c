/* The untimed check of an allocator's blocks: see verify.h. */
#include "bench/verify.h"

#include <err.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bench/sample.h"

struct extent {
    uintptr_t start;
    uintptr_t end;
};

static int compare(const void *a, const void *b)
{
    uintptr_t x = ((const struct extent *)a)->start, y = ((const struct extent *)b)->start;
    return (x > y) - (x < y);
}

/* Looks at addresses alone. On the stack: the heap is what is checked. */
static bool are_apart(void *const *blocks, const size_t *sizes, size_t count)
{
    struct extent extents[count];
    for (size_t i = 0; i < count; i++)
        extents[i] = (struct extent){(uintptr_t)blocks[i], (uintptr_t)blocks[i] + sizes[i]};
    qsort(extents, count, sizeof extents[0], compare);
    for (size_t i = 1; i < count; i++)
        if (extents[i].start < extents[i - 1].end)
            return false;
    return true;
}

static unsigned char pattern(uint64_t seed, size_t block, size_t byte)
{
    return (unsigned char)(sample_random(seed + block) >> byte % 8 * 8);
}

static bool holds_pattern(const unsigned char *bytes, size_t size, uint64_t seed, size_t block)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != pattern(seed, block, i))
            return false;
    return true;
}

static const char *fault_of(void *const *blocks, const size_t *sizes, size_t count,
                            size_t alignment, uint64_t seed)
{
    for (size_t k = 0; k < count; k++) {
        if (!blocks[k])
            return "no memory";
        if ((uintptr_t)blocks[k] % alignment != 0)
            return "a block is not aligned";
        for (size_t i = 0; i < sizes[k]; i++)
            ((unsigned char *)blocks[k])[i] = pattern(seed, k, i);
    }
    if (!are_apart(blocks, sizes, count))
        return "two blocks overlap";
    for (size_t k = 0; k < count; k++)
        if (!holds_pattern((const unsigned char *)blocks[k], sizes[k], seed, k))
            return "a block has lost its contents";
    return NULL;
}

bool verify_blocks(void *const *blocks, const size_t *sizes, size_t count, size_t alignment)
{
    static uint64_t seed;
    const char *fault = fault_of(blocks, sizes, count, alignment,
                                 __atomic_fetch_add(&seed, 1 << 20, __ATOMIC_RELAXED));
    if (fault)
        warnx("%s", fault);
    return !fault;
}
