/*
 * What the functions of samples.S are: as of x86_64/samples.h.
 */
#ifndef TESTS_WRAP_SAMPLES_H
#define TESTS_WRAP_SAMPLES_H

#define FIXED "its first instructions cannot be moved"
#define LOOP "its first instruction is the head of a loop"

/* name, bytes that are overwritten */
#define ACCEPTED(X)                                                                                \
    X(plain, 4)                                                                                    \
    X(landing, 4)                                                                                  \
    X(landing_any, 4)                                                                              \
    X(signs, 4)                                                                                    \
    X(signs_by_b, 4)                                                                               \
    X(lands_and_signs, 4)                                                                          \
    X(returns, 4)                                                                                  \
    X(on_eq, 4)                                                                                    \
    X(on_ne, 4)                                                                                    \
    X(on_cs, 4)                                                                                    \
    X(on_cc, 4)                                                                                    \
    X(on_mi, 4)                                                                                    \
    X(on_pl, 4)                                                                                    \
    X(on_vs, 4)                                                                                    \
    X(on_vc, 4)                                                                                    \
    X(on_hi, 4)                                                                                    \
    X(on_ls, 4)                                                                                    \
    X(on_ge, 4)                                                                                    \
    X(on_lt, 4)                                                                                    \
    X(on_gt, 4)                                                                                    \
    X(on_le, 4)                                                                                    \
    X(on_zero, 4)                                                                                  \
    X(on_zero_word, 4)                                                                             \
    X(on_other, 4)                                                                                 \
    X(on_bit, 4)                                                                                   \
    X(on_no_bit, 4)                                                                                \
    X(on_high_bit, 4)                                                                              \
    X(branch_behind, 4)                                                                            \
    X(jump, 4)                                                                                     \
    X(jump_away, 4)                                                                                \
    X(jump_register, 4)                                                                            \
    X(call_first, 4)                                                                               \
    X(call_register, 4)                                                                            \
    X(an_address, 4)                                                                               \
    X(address_before, 4)                                                                           \
    X(page, 4)                                                                                     \
    X(page_far, 4)                                                                                 \
    X(load, 4)                                                                                     \
    X(load_word, 4)                                                                                \
    X(load_signed, 4)                                                                              \
    X(load_single, 4)                                                                              \
    X(load_double, 4)                                                                              \
    X(load_quad, 4)                                                                                \
    X(load_nothing, 4)                                                                             \
    X(prefetch, 4)                                                                                 \
    X(recursive, 4)                                                                                \
    X(nop_first, 4)

/* name, why not */
#define REFUSED(X)                                                                                 \
    X(landing_alone, "it is too short for a jump")                                                 \
    X(loop_at_entry, LOOP)                                                                         \
    X(loop_at_entry_late, LOOP)                                                                    \
    X(loop_behind_landing, LOOP)                                                                   \
    X(loop_to_landing, LOOP)                                                                       \
    X(loop_behind_signing, LOOP)                                                                   \
    X(cold_part, "it is a part of another function")                                               \
    X(breakpoint, "it begins with a breakpoint")                                                   \
    X(trap, FIXED)                                                                                 \
    X(system_call, FIXED)                                                                          \
    X(call_link_register, FIXED)                                                                   \
    X(call_signed, FIXED)                                                                          \
    X(jump_signed, FIXED)                                                                          \
    X(signs_its_address, FIXED)                                                                    \
    X(modifies_signing, FIXED)                                                                     \
    X(unknown_branch, FIXED)

#define BEGINS_WITH_NOPS(name, length) ((void)(name), false)
#define OTHER_CODE                                                                                 \
    {                                                                                              \
        0x20, 0x01, 0x80, 0xd2                                                                     \
    }
#define TIED_TO_ITS_PLACE(instruction) ((void)(instruction), false)

/* A call with flags as of a comparison of n and 3, and the return address in x15, too. */
#define ENTER(function, n, helper, table, count) samples_enter(n, helper, table, count, function)
extern long samples_enter(long n, void (*helper)(void), const void *table, long count,
                          any_function *function);

#endif
