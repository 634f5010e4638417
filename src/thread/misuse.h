/*
 * Calls that a correct program does not make. Each is counted, and the first of each kind is one
 * line on stderr; the call itself changes nothing. With ARENASHIM_DEBUG=verify, wrong frees abort.
 */
#ifndef SHIM_MISUSE_H
#define SHIM_MISUSE_H

#include <stdint.h>

enum misuse {
    MISUSE_END_WITHOUT_BEGIN, /* detail: NULL */
    MISUSE_OTHER_THREAD,      /* arena_scope_end with a token of another thread */
    MISUSE_ENDED_ALREADY,     /* arena_scope_end with a token whose scope is closed */
    MISUSE_RESUME,            /* arena_scope_resume without a pause */
    MISUSE_PAUSED,            /* arena_scope_end of a paused scope */
    MISUSE_HELD,              /* arena_scope_end in another call than its begin, of a guard that
                               * lies on the heap; with debug switches alone */
    MISUSE_DOUBLE_FREE,       /* detail: the block */
    MISUSE_NOT_A_BLOCK,       /* free of a pointer into the arena; detail: the pointer */
    MISUSE_KINDS
};

/* Any thread; preserves errno. */
void misuse_report(enum misuse kind, const void *detail);

/* How many there were, of all kinds. */
uint64_t misuse_count(void);

/* In a fork child: forgets them. */
void misuse_after_fork(void);

#endif
