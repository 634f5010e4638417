/*
 * Putting a jump at the entry of a function: the first instructions are decoded, copied in a form
 * that does the same at another address, and overwritten by a jump.
 *
 * Code pages are never writable and executable at once: see code.h.
 *
 * Unwinding: the jump, and the copy, lie outside of any function that an unwinder knows. Nothing is
 * called from there: a call among the first instructions returns to the function itself. So no
 * return address ever points to a copy, and backtraces and exceptions pass as before. What a signal
 * handler needs that throws, or looks back, from within the few copied instructions, lies in front
 * of the stub: describe.h. To a debugger, which does not ask there, the frame is in no function.
 *
 * Calls are made by one thread at a time. None allocates or touches errno.
 */
#ifndef WRAP_PATCH_H
#define WRAP_PATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "next/named_host.h"
#include "wrap/branches.h"
#include "wrap/entry.h"

/* Looks at a function, changes nothing. NULL when its entry can be patched, else the reason, for
 * messages, as in "cannot be wrapped: REASON". */
const char *patch_plan(const struct patch_function *function, struct patch *patch);

/* Gives back what patch_plan keeps of a segment for the next function that lies in it: memory, a
 * quarter of the segment's size. Must be called before another module can come to lie there. */
void patch_planned(void);

/* Writes what, at `address`, does as the copied instructions do and goes on behind them.
 * Returns its length; 0 when something they refer to is out of reach. */
size_t patch_copy(const struct patch *patch, uintptr_t address, unsigned char out[PATCH_COPY_MAX]);

/*
 * Makes calls of the function go to `thunk` as thunk.h says, with no other register changed: a
 * compiler that knows a function keeps values in any register that the function leaves alone
 * (-fipa-ra), so a thunk must leave every register as the function does. Sets
 * named->target to the copy of the first instructions, which goes on in the function. NULL when
 * done, else the reason; the function is as it was then. A thread that is just inside the
 * overwritten bytes must not exist. A caller that jumps to the function for its own end (a tail
 * call) does call it from now on, and uses up stack.
 */
const char *patch_apply(struct patch *patch, struct named_function *named, uintptr_t thunk);

/* Whether the entry could be written: NULL, or the reason. The code stays as it is. */
const char *patch_try(const struct patch *patch);

/* An address that, called, goes to `thunk` as above, anywhere in memory; 0 when there is no memory.
 * For callers that are redirected otherwise. */
uintptr_t patch_stub(struct named_function *named, uintptr_t thunk);

#endif
