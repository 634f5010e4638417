/*
 * What the functions of samples.S are.
 */
#ifndef TESTS_WRAP_SAMPLES_H
#define TESTS_WRAP_SAMPLES_H

#define SHORT "it is too short for a jump"
#define FIXED "its first instructions cannot be moved"
#define LOOP "its first instruction is the head of a loop"
#define INSIDE "a branch goes to its first bytes"

/* name, bytes that are overwritten */
#define ACCEPTED(X)                                                                                \
    X(plain, 8)                                                                                    \
    X(five_bytes, 5)                                                                               \
    X(landing, 8)                                                                                  \
    X(prefixes, 9)                                                                                 \
    X(repeated, 7)                                                                                 \
    X(returns, 5)                                                                                  \
    X(load, 7)                                                                                     \
    X(compare, 10)                                                                                 \
    X(store, 10)                                                                                   \
    X(vector, 8)                                                                                   \
    X(load_address, 7)                                                                             \
    X(after_push, 8)                                                                               \
    X(on_o, 5)                                                                                     \
    X(on_no, 5)                                                                                    \
    X(on_b, 5)                                                                                     \
    X(on_ae, 5)                                                                                    \
    X(on_e, 5)                                                                                     \
    X(on_ne, 5)                                                                                    \
    X(on_be, 5)                                                                                    \
    X(on_a, 5)                                                                                     \
    X(on_s, 5)                                                                                     \
    X(on_ns, 5)                                                                                    \
    X(on_p, 5)                                                                                     \
    X(on_np, 5)                                                                                    \
    X(on_l, 5)                                                                                     \
    X(on_ge, 5)                                                                                    \
    X(on_le, 5)                                                                                    \
    X(on_g, 5)                                                                                     \
    X(branch_long, 8)                                                                              \
    X(branch_twice, 7)                                                                             \
    X(branch_first, 6)                                                                             \
    X(branch_behind, 5)                                                                            \
    X(jump_short, 5)                                                                               \
    X(jump_long, 5)                                                                                \
    X(jump_indirect, 6)                                                                            \
    X(jump_register, 5)                                                                            \
    X(count_rcx, 5)                                                                                \
    X(count_ecx, 6)                                                                                \
    X(with_loop, 5)                                                                                \
    X(with_loope, 5)                                                                               \
    X(with_loopne, 5)                                                                              \
    X(call_first, 5)                                                                               \
    X(call_second, 6)                                                                              \
    X(call_next, 5)                                                                                \
    X(call_register, 6)                                                                            \
    X(call_high_register, 6)                                                                       \
    X(call_memory, 5)                                                                              \
    X(call_pointer, 6)                                                                             \
    X(recursive, 9)                                                                                \
    X(nop_one, 5)                                                                                  \
    X(nop_more, 5)                                                                                 \
    X(nop_five, 5)                                                                                 \
    X(nop_mixed, 6)                                                                                \
    X(nop_landing, 5)                                                                              \
    X(nop_few, 7)                                                                                  \
    X(short_traps, 5)                                                                              \
    X(short_nops, 8)

/* name, why not */
#define REFUSED(X)                                                                                 \
    X(short_crowded, SHORT)                                                                        \
    X(short_at_border, SHORT)                                                                      \
    X(short_falls_through, SHORT)                                                                  \
    X(cut_instruction, SHORT)                                                                      \
    X(loop_at_entry, LOOP)                                                                         \
    X(loop_at_entry_late, LOOP)                                                                    \
    X(loop_behind_landing, LOOP)                                                                   \
    X(loop_to_landing, LOOP)                                                                       \
    X(loop_inside, INSIDE)                                                                         \
    X(loop_inside_late, INSIDE)                                                                    \
    X(entered_from_afar, INSIDE)                                                                   \
    X(branched_from_afar, INSIDE)                                                                  \
    X(entered_from_before, INSIDE)                                                                 \
    X(entered_from_behind, INSIDE)                                                                 \
    X(cold_part, "it is a part of another function")                                               \
    X(refers_to_itself, "it refers to its first bytes")                                            \
    X(breakpoint, "it begins with a breakpoint")                                                   \
    X(trap, FIXED)                                                                                 \
    X(system_call, FIXED)                                                                          \
    X(transaction, FIXED)                                                                          \
    X(prefixed_jump, FIXED)                                                                        \
    X(prefixed_address, FIXED)                                                                     \
    X(call_early, FIXED)                                                                           \
    X(call_stack, FIXED)                                                                           \
    X(far_return, FIXED)                                                                           \
    X(no_code, "it begins with bytes that are no instruction")                                     \
    X(no_code_later, "it holds bytes that are no instruction")

/* Samples that nops begin, of no more than a jump's bytes and one. */
#define BEGINS_WITH_NOPS(name, length) (strncmp(name, "nop_", 4) == 0 && (length) < 7)

/* A whole function in place of `changed`, which returns 9. */
#define OTHER_CODE                                                                                 \
    {                                                                                              \
        0xb8, 9, 0, 0, 0                                                                           \
    }

/* A copy that lies far away cannot name what the instruction names. */
#define TIED_TO_ITS_PLACE(instruction) ((instruction).operand != 0)

/* A call as from C. */
#define ENTER(function, n, helper, table, count) (function)(n, helper, table, count)

#endif
