/*
 * Which calls drew the blocks that are alive when their scope ends: of a sample.
 *
 * Now and then the next calls draw by the slow paths alone: where scopes drop no module is in use,
 * and where they retain the gate lets nothing pass (TRACE_GATE). There each block is noted with its
 * caller, whatever scope draws it, and marked in its header: so it is freed by a slow path, too,
 * and another block in its place is told apart. At the end of a scope that is looked at, its notes
 * whose blocks are alive are entered in a table for all threads, which has no lock.
 *
 * That is so from the first begin of a site, and from others after looks that found something
 * alive; for scopes that last, when a scope in them has been looked at, less and less often, and,
 * for a few calls, when memory has been refilled.
 */
#ifndef ENGINE_TRACE_H
#define ENGINE_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/request.h"
#include "thread/thread.h"

/* A slow path is at work: whether that is for a trace. */
static inline bool trace_goes_on(struct thread *thread)
{
    struct trace *trace = &thread->trace;
    if (UNLIKELY(trace->draws > 0))
        trace->draws--;
    return trace->draws > 0;
}

/* The thread has just opened its innermost scope, whose site's next is to be traced. */
void trace_begin(struct thread *thread);

/* The innermost scope has been given memory: what it draws next is noted. */
void trace_refill(struct thread *thread);

/* That scope ends: what the one around it draws next is noted. */
void trace_around(struct thread *thread, struct frame *frame);

/* That block has been drawn, by a slow path. */
void trace_drawn(struct thread *thread, uintptr_t block, const struct request *request);

/* The scope ends, and is looked at. */
void trace_end(struct thread *thread, const struct frame *frame);

/* The site's next scope is to be traced, if its begin comes soon. */
void trace_next(struct thread *thread, struct site_stats *stats);

/* For reports: entries below TRACE_CALLERS, of which some have no blocks. */
#define TRACE_CALLERS 512
struct trace_caller {
    uint64_t key;  /* the return address, and 2^47 times the site's number + 1; 0: there is none */
    uint64_t path; /* of its module: modules_file */
    uint64_t blocks, bytes;
};
struct trace_caller trace_caller(unsigned index);

static inline uintptr_t trace_address(const struct trace_caller *caller)
{
    return caller->key & ((UINT64_C(1) << 47) - 1);
}

static inline size_t trace_site(const struct trace_caller *caller)
{
    return (caller->key >> 47) - 1;
}

/* In a fork child: starts from 0. */
void trace_after_fork(void);

#endif
