/*
 * The first instructions of a function, which a jump overwrites, and the stub that the jump goes
 * to.
 */
#ifndef WRAP_ENTRY_H
#define WRAP_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "next/named_host.h"
#include "wrap/machine.h"

struct patch {
    uintptr_t from; /* first byte that is copied: `entry`, but where what is in front must be undone
                       in the stub and done again in the copy */
    uintptr_t entry; /* first byte that is overwritten: behind what indirect calls must meet */
    size_t length;   /* bytes that are overwritten: whole instructions */
    unsigned char before[PATCH_BYTES_MAX]; /* what is at `from` now, up to the end of these */
    bool nops;                             /* they were nops left for this purpose */
    uintptr_t stub; /* once applied: the place to give back when the function is unloaded */
};

/* What is copied. */
static inline size_t patch_copied(const struct patch *patch)
{
    return patch->entry - patch->from + patch->length;
}

/* Finds the instructions of the function at patch->from, which ends at `end` at the latest, as does
 * the code around it at `text_end`, and fills in all but `before` and `stub`. NULL, or the reason
 * why not, as patch_plan's. */
const char *entry_choose(struct patch *patch, uintptr_t end, uintptr_t text_end);

/* Writes the stub. In front of `entry` something may have been executed that is in the copy, too
 * (`undo`): the stub's first STUB_UNDO bytes take it back. */
void entry_stub(unsigned char out[STUB_BYTES], const struct patch *patch,
                const struct named_function *named, uintptr_t thunk);

/* Where a jump fits into an empty function, in place of its return; 0: it is none. */
uintptr_t entry_of_empty(uintptr_t function);

#endif
