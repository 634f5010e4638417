/*
 * One instruction of x86-64: decoding it, and writing one that does the same at another address.
 * The only file that knows the decoder.
 */
#ifndef WRAP_INSTRUCTION_H
#define WRAP_INSTRUCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where execution goes from an instruction. */
enum flow {
    FLOW_ON,     /* to the next one */
    FLOW_BRANCH, /* to the target or to the next one */
    FLOW_JUMP,   /* to the target */
    FLOW_CALL,   /* into a function, then to the next one */
    FLOW_AWAY,   /* to where this instruction alone does not tell, or nowhere */
};

/* How it is written at another address. */
enum form {
    FORM_FIXED,         /* not at all */
    FORM_PLAIN,         /* the same bytes, but for the distance to what it names by it */
    FORM_JUMP,          /* to the target */
    FORM_BRANCH,        /* on the condition in the low bits of the opcode */
    FORM_COUNTED,       /* loop, jrcxz: exist with 8-bit distances only */
    FORM_CALL,          /* of the target */
    FORM_INDIRECT_CALL, /* through a register or memory, without use of the stack pointer */
};

struct instruction {
    const unsigned char *bytes;
    uintptr_t address;
    size_t length;
    enum flow flow;
    enum form form;
    uintptr_t target;     /* of a relative branch; 0: none */
    uintptr_t operand;    /* in memory, named by its distance (RIP-relative); 0: none */
    unsigned char opcode; /* without prefixes and the 0x0f in front */
    size_t modrm_at;      /* offset of the ModRM byte, when there is one */
    size_t distance_at;   /* offset of the 32-bit distance to `operand` */
    bool nop;             /* does nothing, of any length */
    bool landing;         /* endbr64 */
};

/* Decodes the instruction in the first of `available` bytes as it is at `address`. False when there
 * is none. The bytes must stay as long as the record is used. */
bool instruction_decode(struct instruction *instruction, const unsigned char *bytes,
                        size_t available, uintptr_t address);

/* The same for code that lies where it runs, below `end`. */
bool instruction_at(struct instruction *instruction, uintptr_t address, uintptr_t end);

/* The length of the nop or trap there that code is aligned with; 0 when it is none, or aligned. */
size_t instruction_filler(uintptr_t address, uintptr_t end);

/*
 * Writes to `out` what does at `address` as the instruction does at its own, and returns its
 * length; 0 when it cannot be moved or what it refers to is out of reach. A call returns to where
 * the original one would.
 */
#define INSTRUCTION_MOVED_MAX 32
#define INSTRUCTION_PUSH                                                                           \
    6 /* bytes that a moved call begins with, which push where it returns to                       \
       */
size_t instruction_move(const struct instruction *instruction, uintptr_t address,
                        unsigned char out[INSTRUCTION_MOVED_MAX]);

/* Writes a jump to `target` as of `address`; 5 bytes when it is in reach of a 32-bit distance, else
 * JUMP_MAX. */
#define JUMP_BYTES 5
#define JUMP_MAX 14
size_t instruction_jump(uintptr_t target, uintptr_t address, unsigned char out[JUMP_MAX]);

#endif
