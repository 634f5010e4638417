/*
 * The personality routine of wrap_thunk: when a C++ exception, pthread_exit or a cancellation
 * unwinds a call, the scope closes.
 *
 * The routine is called by whichever unwinder the host program has (libgcc_s, LLVM's libunwind, a
 * copy in the program), and only functions of the same unwinder understand the context that it
 * hands over. So they are looked up in the module that calls, and this part links none. When that
 * module does not offer them, the scope stays open as after longjmp: until the next scope begins or
 * ends at or above its depth of the stack.
 */
#ifndef WRAP_UNWIND_H
#define WRAP_UNWIND_H

#include "next/named_host.h"

/* Whom wrapped calls ask; set before the first call. */
extern const struct named_host *wrap_host __attribute__((visibility("hidden")));

#endif
