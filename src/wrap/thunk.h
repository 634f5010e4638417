/*
 * What a call of a wrapped function runs into: it opens a scope, calls the function, and closes the
 * scope, and neither the caller nor the function notices.
 *
 * More is kept than a function of the platform's ABI may rely on. Between functions of one unit the
 * compiler knows which registers the callee uses, and keeps values in the others (gcc's -fipa-ra,
 * on from -O2); other languages pass and return values in registers of their own, assembly in
 * flags. So the function finds all registers and the flags of arithmetic as the caller left them,
 * and the caller finds them as the function left them. What alone is not passed on is the frame
 * pointer, which is the wrapper's for the function and back for the caller; and what linkers may
 * overwrite between the two (x16 and x17 of AArch64; the direction flag of x86 must be clear).
 *
 * A call takes 72 bytes of stack more than it would (176 on AArch64), and the copied arguments;
 * while a slow form is called about 3 KiB, most of them the processor's state, in place of the
 * copied arguments.
 *
 * Arguments on the stack are a copy for the function: it sees its own frame below the wrapper's. As
 * many bytes are copied as function->stack_bytes says, a multiple of 16, or fewer where the stack
 * ends. The stack is aligned for it as it was by the caller, up to 64 bytes. When the slow form of
 * enter opens no scope, the function has the caller's own frame above it, as if it were not
 * wrapped.
 */
#ifndef WRAP_THUNK_H
#define WRAP_THUNK_H

#include "wrap/unwind.h"

/*
 * Jumped to in place of the function, with everything as the caller put it, but for the struct
 * named_function * in r11 (the r11 that the function is to find lies in the 8 bytes below the stack
 * pointer) or, on AArch64, in x17. An address and no function: it cannot be called from C.
 */
extern const char wrap_thunk[] __attribute__((visibility("hidden")));

#endif
