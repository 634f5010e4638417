/*
 * A host that remembers what it was asked and ruins every register that it may, and functions that
 * are reached through the thunk.
 */
#ifndef TESTS_WRAP_FAKE_HOST_H
#define TESTS_WRAP_FAKE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define _Static_assert static_assert
#endif

#include "scope/named.h"

/* Of the calling thread. */
struct fake_calls {
    unsigned entered, left; /* calls that opened and closed a scope */
    unsigned slow;          /* of both: by the slow forms */
    uint64_t last_left;     /* token of the last one that was closed */
};
extern __thread struct fake_calls fake_calls;

extern bool fake_slow;          /* enter and leave return false */
extern bool fake_no_scope;      /* enter opens none */
extern size_t fake_stack_bytes; /* what stack_bytes answers at most */
extern unsigned fake_asked;     /* how often it was asked */

/* Asked in place of the above when set. */
extern size_t (*fake_stack_function)(const struct named_function *function, uintptr_t arguments);

/* What the slow forms found in the control word of x87, or in FPCR. */
extern uint64_t fake_control;

/* Called by the slow forms when set. */
extern void (*fake_in_slow_form)(void);

/* Open scopes of the thread. */
static inline unsigned fake_open(void)
{
    return fake_calls.entered - fake_calls.left;
}

#ifdef __cplusplus
}
#endif

/* Goes on to wrap_thunk as thunk.h says. */
#ifdef __aarch64__
#define TO_THUNK(named)                                                                            \
    "adrp x17, " named "\n"                                                                        \
    "add x17, x17, :lo12:" named "\n"                                                              \
    "b wrap_thunk\n"
#else
#define TO_THUNK(named)                                                                            \
    "movq %r11, -8(%rsp)\n"                                                                        \
    "leaq " named "(%rip), %r11\n"                                                                 \
    "jmp wrap_thunk\n"
#endif

/*
 * Defines wrapped_NAME, which calls NAME through the thunk. NAME is a function that has been
 * declared as extern "C".
 */
#define WRAPPED(name)                                                                              \
    extern __typeof__(name) wrapped_##name;                                                        \
    extern struct named_function named_##name __attribute__((visibility("hidden")));               \
    struct named_function named_##name = {                                                         \
        (uintptr_t)name, 256, {#name, NULL, 0, 0}, 0, 0, 0, false, NULL, 0};                       \
    __asm__(".pushsection .text\n"                                                                 \
            ".globl wrapped_" #name "\n"                                                           \
            ".type wrapped_" #name ", @function\n"                                                 \
            "wrapped_" #name ":\n"                                                                 \
            ".cfi_startproc\n" TO_THUNK("named_" #name) ".cfi_endproc\n"                           \
                                                        ".size wrapped_" #name                     \
                                                        ", . - wrapped_" #name "\n"                \
                                                        ".popsection\n")

#endif
