/*
 * A call for memory, and what comes of one that does not fit.
 */
#ifndef ENGINE_REQUEST_H
#define ENGINE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/layout.h"
#include "next/fixed.h"
#include "thread/thread.h"

struct request {
    size_t size;      /* bytes */
    size_t alignment; /* a power of two, or 0 for the default */
    bool zeroed;
    uintptr_t caller; /* the address that decides about the routing */
    size_t spare;     /* bytes of room to grow besides, in an arena */
};

/* What is returned when the call is for the next allocator. Not a valid block. */
#define BLOCK_PASS ((void *)1)

/* More than there are addresses: refused by whoever serves the request, and not by the next
 * allocator, of which several add alignment to size without a look. */
static inline bool request_is_absurd(const struct request *request)
{
    return request->size > PTRDIFF_MAX || request->alignment > PTRDIFF_MAX - request->size;
}

static inline size_t request_alignment(const struct request *request)
{
    return request->alignment > fixed.config.align ? request->alignment : fixed.config.align;
}

/* Bytes that a block takes, as the statistics see it. */
static inline size_t total_bytes(size_t size)
{
    return (size + fixed.bias) & fixed.mask;
}

/* ---- overflow (overflow.c) ------------------------------------------------------------------- */

/* Counts a request that does not fit, and the capacity, `need`, that would have held it. */
void overflow_count(struct thread *thread, const struct request *request, uint64_t need);

/* What the overflow policy says of a request that finds no room: a block of the next allocator,
 * NULL with errno ENOMEM, or the end of the process. `room` bytes are left of the capacity. */
void *overflow_refused(struct thread *thread, const struct request *request, size_t room);

/* A block of the next allocator with the default alignment of routed blocks. */
void *block_outside(size_t size);

/* ---- routing (routing.c) --------------------------------------------------------------------- */

/* Whether the thread's innermost scope serves this caller now; counts the reason when not. In a
 * scope that drops the caller's module is the fast path's from then on. */
bool is_routed(struct thread *thread, uintptr_t caller);

/* Whether an exception was drawn in an open scope, which serves nobody since. */
bool is_throwing(const struct thread *thread);

#endif
