/*
 * Sampled blocks: the stack that drew one is kept with it, and compared with the stack that frees
 * it (record.h: lives).
 */
#ifndef WATCH_SAMPLE_H
#define WATCH_SAMPLE_H

#include <stddef.h>

#include "watch/heap.h"

/* Keeps the caller's stack with the block that it has drawn, in note->drawn. */
void sample_draw(struct note *note);

/* The caller frees the block: enters its life, and forgets the stack. */
void sample_free(struct note *note);

/* WATCH_PROVE: the block has outlived an activation of that function. */
void sample_survived(const struct note *note, unsigned function);

/* Unwinds the caller's stack and keeps nothing. */
void sample_try(void);

#endif
