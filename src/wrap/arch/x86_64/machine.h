/*
 * Numbers and forms of x86-64. The other processors have headers with the same names.
 */
#ifndef WRAP_ARCH_X86_64_MACHINE_H
#define WRAP_ARCH_X86_64_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- instructions ---------------------------------------------------------------------------- */

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

struct encoding {
    enum form form;
    unsigned char opcode; /* without prefixes and the 0x0f in front */
    size_t modrm_at;      /* offset of the ModRM byte, when there is one */
    size_t distance_at;   /* offset of the 32-bit distance to what is named in memory */
    bool nop;             /* does nothing, of any length */
    bool landing;         /* endbr64 */
};

#define INSTRUCTION_MOVED_MAX 32

/* A moved call begins with so many bytes, which push where it returns to, and what they push. */
#define INSTRUCTION_PUSH 6
#define INSTRUCTION_PUSHED 8

/* A jump, and one to an address that a 32-bit distance does not reach. */
#define JUMP_BYTES 5
#define JUMP_MAX 14

/* The first bytes of a jump: they are written last, at once, where others may execute what it
 * replaces. */
#define JUMP_LAST 1

/* What a short branch spans, and what decoding from anywhere takes to fall in with the instructions
 * as they are. */
#define SHORT_REACH 130
#define FALL_IN 128

/* ---- code ------------------------------------------------------------------------------------ */

#define STUB_BYTES 32
#define STUB_UNDO 0 /* see entry.h */
#define PATCH_BYTES_MAX 32
#define PATCH_COPY_MAX 192

/* Half of what a 32-bit distance spans: what a function refers to may lie on its other side. */
#define CODE_REACH ((uintptr_t)1 << 30)

/* ---- frames ---------------------------------------------------------------------------------- */

/* Registers, as unwinders number them, and the struct named_call in the frame of thunk.S. */
enum { FRAME_POINTER = 6, STACK_POINTER = 7, RETURN_ADDRESS = 16, CALL_IN_FRAME = -48 };

/* ---- the dynamic linker ---------------------------------------------------------------------- */

#define RELOCATION_SLOT R_X86_64_JUMP_SLOT
#define RELOCATION_DATA R_X86_64_GLOB_DAT
#define RELOCATION_WORD R_X86_64_64
#define RELOCATION_RELATIVE R_X86_64_RELATIVE

#endif
