/*
 * Which calls drew the blocks that are alive when their scope ends: of a few scopes of each site.
 *
 * A scope that is traced, of those whose begin takes its slow path, draws by the slow paths: where
 * it drops no module is in use, and where it retains the gate lets nothing pass (TRACE_GATE). There
 * each block is noted with its caller. At the end, those that are alive are entered in a table for
 * all threads, which has no lock.
 */
#ifndef ENGINE_TRACE_H
#define ENGINE_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/request.h"
#include "thread/gate.h"
#include "thread/thread.h"

/* A slow path is at work: whether that is for a trace. After so many, or when its scope has ended,
 * it is not any more. */
static inline bool trace_goes_on(struct thread *thread)
{
    struct trace *trace = &thread->trace;
    if (UNLIKELY(trace->draws))
        trace->draws = ++trace->steps < TRACE_NOTES && gate_scope_is_open(thread, trace->token);
    return trace->draws;
}

/* The thread has just opened its innermost scope, whose site's next is to be traced: unless one
 * around it is, for a while. After that the outer one's notes are given up. */
void trace_begin(struct thread *thread);

/* That block has been drawn, by a slow path. */
void trace_drawn(struct thread *thread, uintptr_t block, const struct request *request);

/* The innermost scope ends, and is looked at. */
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
