/*
 * How much of the stack above a call can be read: a wrapper passes arguments on without knowing
 * how many there are, and behind the last frame of a stack there may be nothing.
 */
#ifndef SHIM_STACK_H
#define SHIM_STACK_H

#include <stddef.h>
#include <stdint.h>

#include "next/named_host.h"

/* The host's stack_bytes: see named_host.h. `arguments` is the address behind a return address,
 * which can be read. Async-signal-safe; errno stays. */
size_t named_stack_bytes(const struct named_function *function, uintptr_t arguments);

#endif
