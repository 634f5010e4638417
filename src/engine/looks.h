/*
 * What a sample of scopes looked like at their end: what each came to, and in which others it was.
 * Of each site and thread the first LOOKS_FIRST scopes that were used are looked at, then fewer and
 * fewer, down to one in LOOKS_GAP; each stands for those since the last. So an end counts down, and
 * does nothing more.
 *
 * One table for all threads, without a lock; a signal handler may come in at any time.
 */
#ifndef ENGINE_LOOKS_H
#define ENGINE_LOOKS_H

#include <stdint.h>

#include "base/compiler.h"
#include "thread/thread.h"

#define LOOKS_FIRST 16
#define LOOKS_GAP 1021 /* a prime: programs repeat themselves in other steps */

/* Entry n: scopes that came to 2^n bytes or more, and less than 2^(n+1). */
#define LOOKS_SIZES 48

/* Chains of sites, outermost first, that scopes were in: a tree, whose nodes are numbered from 1 on
 * as they are met. Further ones, and deeper ones, count for the innermost scope that is in it. */
#define LOOKS_NODES 1024
#define LOOKS_DEPTH 32
struct look_node {
    uint64_t key; /* site + 1, and 2^32 times the number of the node around; 0: there is none */
    uint64_t scopes;
};

/* The innermost scope, which came to that many bytes, has been used and ends. */
void looks_note(struct thread *thread, struct frame *frame, uint64_t bytes);

static ALWAYS_INLINE void looks_count(struct thread *thread, struct frame *frame, uint64_t bytes)
{
    if (UNLIKELY(--frame->stats->ends_left < 0))
        looks_note(thread, frame, bytes);
}

/* For reports. Number 0 is no node. */
uint64_t looks_of_size(size_t site, unsigned size);
struct look_node looks_node(uint32_t number);

/* In a fork child: starts from 0. */
void looks_after_fork(void);

#endif
