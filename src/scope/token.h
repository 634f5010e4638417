/*
 * Tokens: what begin returns and end takes. Each holds a serial number, the thread's slot and the
 * depth, so that a wrong one is told apart: another thread's, ended already, never begun.
 */
#ifndef SCOPE_TOKEN_H
#define SCOPE_TOKEN_H

#include <stdint.h>

#include "base/compiler.h"
#include "thread/thread.h"

/* The depth in tokens of scopes nested too deeply to have a frame. */
#define TOKEN_EXCESS ((uint64_t)0xffff)

static ALWAYS_INLINE uint64_t token_make(struct thread *thread, uint64_t depth)
{
    return ++thread->serial << 32 | (uint64_t)thread->slot << 16 | depth;
}

static inline uint64_t token_serial(uint64_t token)
{
    return token >> 32;
}

static inline int token_slot(uint64_t token)
{
    return (int)(token >> 16 & 0xffff);
}

static inline uint64_t token_depth(uint64_t token)
{
    return token & 0xffff;
}

#endif
