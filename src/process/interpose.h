/*
 * What the entry points have in common: malloc & co. (interpose.c) and the C++ allocation operators
 * (interpose_cxx.c). Both are linked into libarenashim.so alone.
 *
 * Rules for every function there:
 * - The fast path is inline and straight; everything else is a tail call.
 * - The caller's address is taken in the interposed function itself: it decides the routing.
 * - Pointers are judged by where they lie, never by the scope.
 * - A call that is not routed leaves errno and all arguments to the next allocator.
 * - None of these functions is called by name from there: the name may be somebody else's.
 */
#ifndef PROCESS_INTERPOSE_H
#define PROCESS_INTERPOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "engine/block.h"
#include "next/fixed.h"

#ifndef __OPTIMIZE__
#error "the shim needs tail calls: compile it with -O1 or more"
#endif

/* Their prototypes are the callers' headers' business, where these have them. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#define EXPORT __attribute__((visibility("default")))

static ALWAYS_INLINE bool in_scope(void)
{
    return UNLIKELY(hot.cursor != 0);
}

/* A block, NULL with errno, or BLOCK_PASS. */
static ALWAYS_INLINE void *serve(const struct request *request)
{
    if (in_scope())
        return block_serve(request);
    return UNLIKELY(fixed.outside.serve != NULL) ? fixed.outside.serve(request) : BLOCK_PASS;
}

static ALWAYS_INLINE bool is_power_of_two(size_t number)
{
    return number != 0 && (number & (number - 1)) == 0;
}

/* The fast paths of malloc in a scope. */
static ALWAYS_INLINE void *take(size_t size, uintptr_t caller)
{
    size_t total;
    if (UNLIKELY((ptrdiff_t)size < 0))
        return NULL;
    void *block = drop_take(size, &total, caller);
    if (UNLIKELY(!block) && in_scope())
        block = retain_take(total, size);
    return block;
}

static ALWAYS_INLINE void free_any(void *block)
{
    if (LIKELY(!block_is_for_fast_paths(block)))
        fixed.outside.free(block);
    else if (UNLIKELY(!block_release(block)))
        block_free(block);
}

#endif
