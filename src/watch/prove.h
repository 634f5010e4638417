/*
 * Which blocks were drawn in each activation of a named function, and which of these died there
 * (record.h: functions).
 */
#ifndef WATCH_PROVE_H
#define WATCH_PROVE_H

#include <stddef.h>

#include "watch/heap.h"

/* The thread has drawn the block, in its innermost activation, which exists. */
void prove_draw(struct note *note);

/* And its stack is kept with it: sample_survived is called when it outlives an activation. */
void prove_drawn(struct note *note);

/* The thread frees the block, whose stack is still there, or has given it another size than `old`.
 */
void prove_free(struct note *note);
void prove_resize(struct note *note, size_t old);

/* The thread frees or resizes a block that is not recorded, in its innermost activation. */
void prove_stranger(void);

/* In the child of a fork. */
void prove_forked(void);

#endif
