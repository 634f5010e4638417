/*
 * What lies in front of a block that is dropped.
 *
 * As a rule that is the address of the next header alone. Where blocks are checked (fixed.checked)
 * it is the long form below, and the block ends in a red zone:
 *
 *     | gap | previous, caller, asked, end | asked bytes | red zone, at least BLOCK_RED_ZONE |
 *
 * Blocks are then chained from thread->newest back to the first of the arena's open scopes. Under
 * memcheck headers lie in hidden memory and are shown only while they are looked at.
 */
#ifndef ENGINE_HEADER_H
#define ENGINE_HEADER_H

#include <stddef.h>
#include <stdint.h>

#include "base/track.h"
#include "memory/layout.h"
#include "next/fixed.h"

/* In the low bits of the address, which are 0 otherwise: the block has been freed, or is the gap
 * before a block of a larger alignment; the room in front of it is free (drop.h); the block is
 * noted (trace.h), so that no fast path knows its header. */
#define BLOCK_FREED ((uintptr_t)1)
#define BLOCK_AFTER_FREED ((uintptr_t)2)
#define BLOCK_NOTED ((uintptr_t)4)
#define BLOCK_FLAGS (BLOCK_FREED | BLOCK_AFTER_FREED | BLOCK_NOTED)

struct header {
    uintptr_t previous; /* long form: the block before this one in the chain, or 0 */
    uintptr_t caller;   /* long form: the return address of the call that drew it */
    size_t asked;       /* long form: bytes that were asked for; 1 if none were */
    uintptr_t end;      /* where the next header, or the gap before it, begins; with flags */
};

static inline uintptr_t header_end(const struct header *header)
{
    return header->end & ~BLOCK_FLAGS;
}

static inline struct header *header_of(const void *block)
{
    return (struct header *)((uintptr_t)block - sizeof(struct header));
}

static inline struct header header_read(const void *block)
{
    struct header header = {0, 0, 0, 0};
    if (!fixed.checked) {
        header.end = header_of(block)->end;
        return header;
    }
    track_show(header_of(block), sizeof header);
    header = *header_of(block);
    track_hide(header_of(block), sizeof header);
    return header;
}

/* The block before this one in the chain, or 0. A stray write must not lead the walk astray. */
static inline uintptr_t header_previous(const void *block, const struct header *header)
{
    return header->previous < (uintptr_t)block ? header->previous : 0;
}

static inline void header_write(void *block, struct header header)
{
    if (!fixed.checked) {
        header_of(block)->end = header.end;
        return;
    }
    track_show(header_of(block), sizeof header);
    *header_of(block) = header;
    track_hide(header_of(block), sizeof header);
}

#endif
