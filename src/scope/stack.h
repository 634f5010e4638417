/*
 * How much of the stack above a call can be read: a wrapper passes arguments on without knowing
 * how many there are, and behind the last frame of a stack there may be nothing. And which stack is
 * the thread's own: addresses of two stacks say nothing about which call is the inner one.
 */
#ifndef SHIM_STACK_H
#define SHIM_STACK_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "next/named_host.h"
#include "thread/thread.h"

/* The host's stack_bytes: see named_host.h. `arguments` is the address behind a return address,
 * which can be read. Async-signal-safe; errno stays. */
size_t named_stack_bytes(const struct named_function *function, uintptr_t arguments);

/* Looks where the calling thread's own stack lies, unless its record knows. Async-signal-safe;
 * errno stays. */
void stack_find(struct thread *thread);

/* After that. */
static ALWAYS_INLINE bool stack_is_own(const struct thread *thread, uintptr_t address)
{
    return address - thread->stack_start < thread->stack_size;
}

#endif
