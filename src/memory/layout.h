/*
 * How a block lies in memory. In front of it are 8 bytes, its header, and it is aligned to
 * ARENASHIM_ALIGN: with the header, n bytes take (n + bias) & mask.
 *
 *     | header | n bytes, rounded up | header | ...
 *              ^ aligned                      ^ 8 below the next aligned address
 *
 * What a header says is the business of the two kinds of scopes (engine/header.h, retain.h), but
 * for this: it never looks like a size of the C library's. Its free, called past the shim (by the C
 * library's handle), would take the block in and hand it out again; so it says "invalid" and
 * aborts.
 */
#ifndef MEMORY_LAYOUT_H
#define MEMORY_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#define BLOCK_HEADER sizeof(size_t)
#define BLOCK_BIAS(align) (BLOCK_HEADER + (align)-1)
#define BLOCK_MASK(align) (~((align)-1))

/* Bytes behind every block where blocks are checked. */
#define BLOCK_RED_ZONE ((size_t)16)

/* A slot's memory is as many times the limit where blocks are checked: the smallest block takes
 * four times its room, and the program's own bytes are to decide what fits. */
#define BLOCK_CHECKED_ROOM 4

/* The first header in memory that starts at `start`. */
static inline uintptr_t block_base(uintptr_t start, size_t align)
{
    return start + align - BLOCK_HEADER;
}

#endif
