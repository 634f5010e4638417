/*
 * The memory of a thread's scopes that retain, and what is free in it: engine/retain.h.
 *
 * A free block is in the list of its class, by its header. Classes up to RETAIN_EXACT bytes hold
 * blocks of one size, header included; 16 for each power of two above hold that size and more, up
 * to RETAIN_SHARED. Larger blocks have runs of pages of their own.
 */
#ifndef THREAD_HEAP_H
#define THREAD_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/numbers.h"
#include "memory/pages.h"

#define RETAIN_UNIT ((size_t)16)
#define RETAIN_EXACT ((size_t)1024)
#define RETAIN_SHARED ((size_t)32768)

#define RETAIN_EXACT_CLASSES (RETAIN_EXACT / RETAIN_UNIT + 1)
#define RETAIN_WIDE_CLASSES (5 * 16 + 1)

/* As wide as a unit: so bytes are an offset. */
struct exact_class {
    uintptr_t first; /* of the free blocks */
    uintptr_t ahead; /* blocks that the next one to be bumped brings with it */
};

/* What an arena's recent scopes came to: see memory kept in thread.c. */
struct kept {
    size_t bytes;    /* that stay warm */
    size_t most;     /* that a scope has come to since the window began, */
    size_t window;   /* and the next lower, */
    size_t previous; /* and that in the window before */
    unsigned scopes; /* ends of outermost scopes since the window began */
};

#define KEPT_WINDOW 64

/* Enters what a scope came to, and returns how many bytes are to stay warm. */
static inline size_t kept_note(struct kept *kept, size_t bytes)
{
    kept->window = higher(kept->window, lower(kept->most, bytes));
    kept->most = higher(kept->most, bytes);
    kept->bytes = higher(kept->bytes, kept->window);
    if (++kept->scopes == KEPT_WINDOW) {
        kept->bytes = higher(kept->window, kept->previous);
        kept->previous = kept->window;
        kept->most = kept->window = kept->scopes = 0;
    }
    return kept->bytes;
}

struct heap {
    struct exact_class exact[RETAIN_EXACT_CLASSES];
    uintptr_t wide[RETAIN_WIDE_CLASSES];
    uintptr_t cursor; /* where blocks are bumped: the next header, and the last address for it */
    uintptr_t end;
    uint32_t run;    /* the run that this room is the end of; PAGES_NONE where it is a gap */
    uintptr_t gaps;  /* free pieces that a sweep has found, to be bumped through next */
    uint64_t blocks; /* in shared pages, alive and free */
    uint64_t alive;  /* blocks drawn and not freed, as of the last settling */
    size_t shared_pages;
    size_t look_at;        /* pages in use from which on to look whether to sweep */
    uint64_t looked_alive; /* blocks alive at the last look */
    uint64_t swept_alive;  /* blocks alive at the last sweep */
    unsigned refusals;     /* looks whether to sweep before a request overflows */
    unsigned fruitless;    /* looks since the last that gained much, up to FRUITLESS_MOST */
    size_t peak;           /* most bytes in use since the outermost scope began */
    struct kept kept;
    uint64_t unverified; /* blocks drawn since all were looked at: retain_verify.c */
    bool torn;           /* a block may be half made */
    bool unsure;         /* lists and counts may be wrong, until a sweep: the thread that they were
                          * of is gone, or a handler has come in the middle of a count */
    uint64_t slot;
    struct pages pages;
    uintptr_t remote __attribute__((aligned(64))); /* blocks that others have freed; atomic */
};

#endif
