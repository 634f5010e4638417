/*
 * What lies in front of a block.
 *
 * As a rule that is the address of the next header alone. A size would do as well, but could pass
 * for the C library's own: its free, called past the shim (RTLD_DEEPBIND), would take the block in
 * and hand it out again; of an address it says "invalid size", and aborts. Where blocks are checked
 * (fixed.checked) it is the long form below, and the block ends in a red zone:
 *
 *     | gap | previous, caller, asked, end | asked bytes | red zone, at least BLOCK_RED_ZONE |
 *
 * Blocks are then chained from thread->newest back to the first of the arena's open scopes. Under
 * memcheck headers lie in hidden memory and are shown only while they are looked at.
 */
#ifndef SHIM_HEADER_H
#define SHIM_HEADER_H

#include <stddef.h>
#include <stdint.h>

#include "base/track.h"
#include "next/fixed.h"

/* Bytes of the short form, which ends the long form. */
#define BLOCK_HEADER sizeof(size_t)

/* Bytes behind every block where blocks are checked. */
#define BLOCK_RED_ZONE ((size_t)16)

/* A slot's memory is as many times the limit where blocks are checked: the smallest block takes
 * four times its room, and the program's own bytes are to decide what fits. */
#define BLOCK_CHECKED_ROOM 4

/* In the low bits of the address, which are 0 otherwise: the block has been freed, or is the gap
 * before a block of a larger alignment. */
#define BLOCK_FREED ((uintptr_t)1)

struct header {
    uintptr_t previous; /* long form: the block before this one in the chain, or 0 */
    uintptr_t caller;   /* long form: the return address of the call that drew it */
    size_t asked;       /* long form: bytes that were asked for; 1 if none were */
    uintptr_t end;      /* where the next header, or the gap before it, begins; with BLOCK_FREED */
};

static inline uintptr_t header_end(const struct header *header)
{
    return header->end & ~BLOCK_FREED;
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
