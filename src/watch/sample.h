/*
 * Sampled blocks: the stack that drew one is kept with it, and compared with the stack that frees
 * it (record.h: lives).
 */
#ifndef WATCH_SAMPLE_H
#define WATCH_SAMPLE_H

#include <stddef.h>

#include "watch/heap.h"

/* Before the first call of the others. */
void sample_start(void);

/* Keeps the caller's stack with the block that it has drawn, in note->drawn. */
void sample_draw(struct note *note);

/* The caller frees the block: enters its life, and forgets the stack. */
void sample_free(struct note *note);

/* WATCH_PROVE: the block has outlived an activation of that function. */
void sample_survived(const struct note *note, unsigned function);

/* Does both for no block, so that what it takes is known. */
void sample_try(void);

/* In the child of a fork: its copies of blocks are not followed. */
void sample_forked(void);

#endif
