/*
 * Activations of named functions: which blocks were drawn in each, and which of these died there
 * (record.h: functions).
 */
#ifndef WATCH_PROVE_H
#define WATCH_PROVE_H

#include <stddef.h>

#include "next/named_host.h"
#include "watch/heap.h"

/* Makes wrapped calls activations. */
void prove_start(struct named_host *host);

/* The thread has drawn the block, in its innermost activation, which exists. */
void prove_draw(struct note *note);

/* And its stack is kept with it: sample_survived is called when it outlives an activation. */
void prove_drawn(struct note *note);

/* The thread frees the block, whose stack is still there, or has given it another size than `old`.
 */
void prove_free(struct note *note);
void prove_resize(struct note *note, size_t old);

/* What a resize moves has another note. */
void prove_move(struct note *to, const struct note *from);

/* The thread frees or resizes a block that is not recorded, in its innermost activation. */
void prove_stranger(void);

/* Around a fork; in its child. */
void prove_lock(void);
void prove_unlock(void);
void prove_forked(void);

#endif
