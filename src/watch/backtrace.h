/*
 * The stack of the calling thread, by the unwind tables.
 */
#ifndef WATCH_BACKTRACE_H
#define WATCH_BACKTRACE_H

#include <stdint.h>

#include "watch/record.h"

/* From the innermost frame on, without those of arenashim's own code. */
struct backtrace {
    uint32_t depth;
    uint32_t deep;               /* 1: it goes on further */
    uint32_t cut;                /* 1: so it does, by code that has no unwind information */
    uint32_t cut_module;         /* and is in that module; 0: in none */
    uintptr_t cfa[RECORD_DEPTH]; /* canonical frame addresses */
    struct record_frame frames[RECORD_DEPTH]; /* parents are not set */
};

/* It is too large for a small stack, and so is not on that. May call malloc. */
void backtrace_take(struct backtrace *backtrace);

#endif
