/*
 * A call with every register and the stack above it filled, to a function that notes what it finds
 * and fills every register in turn; and what the caller finds then.
 */
#ifndef TESTS_WRAP_REGISTERS_H
#define TESTS_WRAP_REGISTERS_H

#include <stdint.h>

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

/* Calls the function on another stack, with the return address in its last 8 bytes. */
void registers_call_on(void *end_of_stack, void (*function)(void));

#endif
