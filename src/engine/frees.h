/*
 * Counting the frees that are no scope's own: of dropped blocks, which do nothing, and of retained
 * ones after their scope or by other threads.
 */
#ifndef ENGINE_FREES_H
#define ENGINE_FREES_H

#include <stdint.h>

enum frees { IGNORED_FREES, LATE_FREES };

void frees_count(enum frees kind);

/* Of these, the ones in threads without a record; the others are counted there. */
uint64_t frees_elsewhere(enum frees kind);

/* In a fork child: forgets them. */
void frees_after_fork(void);

#endif
