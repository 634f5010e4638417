/*
 * The switches of ARENASHIM_DEBUG, which find misuse of scope memory without Valgrind.
 *
 * poison:     fresh blocks are filled with 0xa5, freed blocks and ended scopes with 0x5a.
 * verify:     headers and red zones (0xfb) are checked at every free and at scope end, and with
 *             poison whether a freed block was written to. Of scopes that retain all blocks are
 *             looked at, as often as costs little: retain_verify.c. What is found is one line and
 * abort(). quarantine: the memory of an ended scope becomes inaccessible, and its addresses are not
 * used again until the arena's address space has gone round. A use of it is SIGSEGV, after one line
 * that says which scope it was of. Contents are kept for the newest 64 MiB per arena. log: one line
 * when a scope ends.
 *
 * With any of them the fast paths stay closed, so that every call comes here by the slow paths, as
 * under memcheck; without, nothing here is called. memcheck does more than the first three, so
 * under it only log has an effect.
 *
 * All functions are for the thread that owns the arena.
 */
#ifndef SHIM_DEBUG_H
#define SHIM_DEBUG_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/header.h"
#include "next/fixed.h"
#include "thread/thread.h"

static inline bool debug_has(enum debug_switch what)
{
    return (fixed.config.debug & what) != 0;
}

/* Once, when routing starts. */
void debug_start(void);

/* A block has been drawn and is about to enter the chain. */
void debug_drawn(void *block, const struct header *header);

/* A block is about to become smaller in its place; its header as it is and as it will be. */
void debug_shrinking(void *block, const struct header *header, const struct header *next);

/* A block is about to be marked as freed. */
void debug_freed(void *block, const struct header *header);

/* A look at a block that is alive or, as header->end says, freed; it lies at `first` or behind,
 * where it is aligned. */
void debug_look_at(const void *first, const void *block, const struct header *header,
                   const char *when);

/* A pointer is about to be reported that is no block: perhaps a stray write is to blame. */
void debug_not_a_block(const struct thread *thread);

/* The innermost scope is about to end; its blocks are those of the chain at or above frame->start.
 */
void debug_ending(const struct thread *thread, const struct frame *frame);

/* The same of one that retains what is alive. */
void debug_retaining(const struct thread *thread, const struct frame *frame);

/* It has ended, and its blocks, the last of which was `last`, are out of the chain. `goes_round`:
 * debug_goes_round comes next. Returns where the cursor goes on: at frame->outer_cursor, or behind
 * what is now inaccessible. */
uintptr_t debug_ended(struct thread *thread, const struct frame *frame, uintptr_t last,
                      bool goes_round);

/* True when the block lies in memory that is inaccessible. */
bool debug_is_quarantined(const struct thread *thread, const void *block);

/* The arena's addresses are about to be used from the first on again. */
void debug_goes_round(struct thread *thread);

#endif
