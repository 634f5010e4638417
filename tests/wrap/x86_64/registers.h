/*
 * A call with every register and the stack above it filled, to a function that notes what it finds
 * and fills every register in turn; and what the caller finds then.
 */
#ifndef TESTS_WRAP_REGISTERS_H
#define TESTS_WRAP_REGISTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    RAX,
    RCX,
    RDX,
    RBX,
    RSP,
    RBP,
    RSI,
    RDI,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
    FLAGS,
    GENERAL
};

/* The flags of arithmetic, and those that are always set. */
#define REGISTERS_FLAGS(word) (((word)&0x8d5) | 0x202)

enum { STACK_BYTES = 1024 };

struct registers {
    uint64_t general[GENERAL];
    uint64_t masks[8];
    unsigned char vectors[32][64];
    uint32_t mxcsr;
    uint16_t x87_control, x87_tags; /* tags: 0xffff when the stack is empty */
    unsigned char x87[2][16];       /* st0 and st1, of 10 bytes, of a function's result */
    unsigned char stack[STACK_BYTES];
};

/* What registers_call loads, registers_target finds and loads, registers_call finds. Not loaded by
 * registers_target: rsp, rbp, the control words. */
extern struct registers registers_in, registers_seen, registers_result, registers_out;

enum { VECTORS_XMM, VECTORS_YMM, VECTORS_ZMM };
extern int registers_vectors;   /* the longest that there are */
extern uint64_t registers_skew; /* bytes by which the stack is off alignment to 64 */
extern int registers_keep;      /* registers_target loads nothing */

void registers_call(void (*function)(void));
void registers_target(void);

#define STACK_REGISTER RSP
#define FRAME_REGISTER RBP
#define REGISTERS_SKEW 8 /* the least by which a stack may be off */

/* Which vector registers there are. */
static inline void registers_choose(void)
{
    registers_vectors = __builtin_cpu_supports("avx512bw") ? VECTORS_ZMM
                        : __builtin_cpu_supports("avx")    ? VECTORS_YMM
                                                           : VECTORS_XMM;
}

/* Turns random bytes into what can be loaded: rounding down (SSE) and up (x87), with `exceptions`
 * raised before, and numbers for which nothing is raised. */
static inline void registers_tame(struct registers *registers, unsigned exceptions)
{
    registers->general[FLAGS] = REGISTERS_FLAGS(registers->general[FLAGS]);
    registers->mxcsr = 0x3f80 | (exceptions & 0x3f);
    registers->x87_control = 0x0b7f;
    for (int i = 0; i < 2; i++) {
        registers->x87[i][7] |= 0x80;
        registers->x87[i][8] = 0xff;
        registers->x87[i][9] = 0x3f;
        memset(registers->x87[i] + 10, 0, 6);
    }
}

/* NULL, or what is not as it was loaded, of what functions overwrite, all but rsp and rbp. */
static inline const char *registers_differ(const struct registers *found,
                                           const struct registers *loaded)
{
    int count = registers_vectors == VECTORS_ZMM ? 32 : 16;
    size_t size = (size_t)16 << registers_vectors;
    if (REGISTERS_FLAGS(found->general[FLAGS]) != loaded->general[FLAGS])
        return "the flags";
    for (int i = 0; i < FLAGS; i++)
        if (i != RSP && i != RBP && found->general[i] != loaded->general[i])
            return "a general register";
    for (int i = 0; i < count; i++)
        if (memcmp(found->vectors[i], loaded->vectors[i], size) != 0)
            return "a vector register";
    bool masks = registers_vectors == VECTORS_ZMM;
    return masks && memcmp(found->masks, loaded->masks, sizeof found->masks) != 0 ? "a mask" : NULL;
}

/* The same of control words and of the way the stack is aligned. */
static inline const char *registers_control_differs(const struct registers *found,
                                                    const struct registers *loaded)
{
    return found->mxcsr != loaded->mxcsr                                ? "mxcsr"
           : found->x87_control != loaded->x87_control                  ? "the control word of x87"
           : (loaded->general[RSP] - 8 - found->general[RSP]) % 64 != 0 ? "the stack's alignment"
                                                                        : NULL;
}

/* What slow forms find in the control word. */
static inline uint64_t registers_control(const struct registers *loaded)
{
    return loaded->x87_control;
}

/* The results on the x87 stack: those of the function, or none. */
static inline bool registers_x87_are(const struct registers *found, const struct registers *results)
{
    return results ? found->x87_tags != 0xffff && memcmp(found->x87[0], results->x87[0], 10) == 0 &&
                         memcmp(found->x87[1], results->x87[1], 10) == 0
                   : found->x87_tags == 0xffff;
}

/* Calls the function on another stack, with the return address in its last 8 bytes. */
void registers_call_on(void *end_of_stack, void (*function)(void));

#endif
