/*
 * An open scope, as its thread's record holds it: what begin found and end puts back, and what has
 * been counted in it.
 */
#ifndef THREAD_FRAME_H
#define THREAD_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct module;
struct site_stats;

/* Of 3 times 64 bytes: so an index soon becomes an address. */
struct frame {
    uint64_t token;
    struct site_stats *stats; /* of the scope's site, in this thread's record */
    uintptr_t start;          /* the scope's blocks lie at or above, where it drops */
    uintptr_t outer_cursor;   /* the words of `hot` at begin, put back at the end */
    uintptr_t outer_start;
    uintptr_t outer_limit;
    uint64_t outer_small;
    uint64_t outer_mark;
    uintptr_t outer_module_start; /* where scopes may retain */
    uintptr_t outer_module_size;
    uintptr_t paused_limit; /* both gates at the first pause */
    uint64_t paused_small;
    uint64_t pauses; /* not yet resumed; 0 in frames not in use */
    uintptr_t peak;  /* highest cursor settled so far; 0: nothing to account for; of one that
                      * retains, two flags and what has been drawn: see settle.c */
    int64_t live;    /* blocks drawn and not freed, as of the last settling; 0 at begin, whatever a
                      * handler has left here */
    size_t spilled;  /* the thread's `spilled` at begin */
    size_t used;     /* the thread's `used` at begin */
    uintptr_t call;  /* where the record of the wrapped call lies that is the scope; 0: a mark */
    uintptr_t outer_call;        /* the thread's `call` at begin, of such a scope */
    const struct module *module; /* of the function, of such a scope */
    uintptr_t guard;             /* with debug switches: where the stack was at the begin of a guard
                                  * that does not lie on it; else 0 */
    unsigned unloads;            /* modules_unloads at begin, where scopes may retain */
    bool retains;
    bool shut; /* a signal handler began it that had interrupted a path of the heap */
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct frame) == 192, "a frame's size is cheap to multiply with");

#endif
