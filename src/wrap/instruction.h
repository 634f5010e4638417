/*
 * One instruction: decoding it, and writing one that does the same at another address.
 */
#ifndef WRAP_INSTRUCTION_H
#define WRAP_INSTRUCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wrap/machine.h"

/* Where execution goes from an instruction. */
enum flow {
    FLOW_ON,     /* to the next one */
    FLOW_BRANCH, /* to the target or to the next one */
    FLOW_JUMP,   /* to the target */
    FLOW_CALL,   /* into a function, then to the next one */
    FLOW_AWAY,   /* to where this instruction alone does not tell, or nowhere */
};

struct instruction {
    const unsigned char *bytes;
    uintptr_t address;
    size_t length;
    enum flow flow;
    uintptr_t target;  /* of a relative branch; 0: none */
    uintptr_t operand; /* in memory, or an address, named by its distance; 0: none */
    struct encoding encoding;
};

/* Decodes the instruction in the first of `available` bytes as it is at `address`. False when there
 * is none. The bytes must stay as long as the record is used. */
bool instruction_decode(struct instruction *instruction, const unsigned char *bytes,
                        size_t available, uintptr_t address);

/* The same for code that lies where it runs, below `end`. */
static inline bool instruction_at(struct instruction *instruction, uintptr_t address, uintptr_t end)
{
    return address < end &&
           instruction_decode(instruction, (const unsigned char *)address, end - address, address);
}

/*
 * Writes to `out` what does at `address` as the instruction does at its own, and returns its
 * length; 0 when it cannot be moved or what it refers to is out of reach. A call returns to where
 * the original one would.
 */
size_t instruction_move(const struct instruction *instruction, uintptr_t address,
                        unsigned char out[INSTRUCTION_MOVED_MAX]);

/* Writes a jump to `target` as of `address`; JUMP_BYTES when it is in reach, else JUMP_MAX. */
size_t instruction_jump(uintptr_t target, uintptr_t address, unsigned char out[JUMP_MAX]);

#endif
