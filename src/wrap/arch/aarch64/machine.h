/*
 * Numbers and forms of AArch64, as of x86_64/machine.h.
 */
#ifndef WRAP_ARCH_AARCH64_MACHINE_H
#define WRAP_ARCH_AARCH64_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* ---- instructions ---------------------------------------------------------------------------- */

/* How it is written at another address. */
enum form {
    FORM_FIXED,         /* not at all */
    FORM_PLAIN,         /* the same */
    FORM_JUMP,          /* to the target */
    FORM_BRANCH,        /* on a condition, to a jump to the target */
    FORM_CALL,          /* of the target */
    FORM_INDIRECT_CALL, /* through a register that is not x30 */
    FORM_ADDRESS,       /* adr, adrp: a load of the address */
    FORM_LOAD,          /* of what lies at a distance, through x17 */
};

/* What indirect calls may land on: bti, or what signs the return address, too. */
enum landing { LANDING_NONE, LANDING_PLAIN, LANDING_SIGNS };

struct encoding {
    enum form form;
    uint32_t word;
    enum landing landing;
};

#define INSTRUCTION_MOVED_MAX 32

/* A moved call begins with so many bytes, and leaves the stack alone. */
#define INSTRUCTION_PUSH 4
#define INSTRUCTION_PUSHED 0

/* A jump, and one to an address that is further away than 128 MiB. */
#define JUMP_BYTES 4
#define JUMP_MAX 16
#define JUMP_LAST JUMP_BYTES /* see x86_64/machine.h */

/* No branch leads into a single instruction. */
#define SHORT_REACH 0
#define FALL_IN 0

/* ---- code ------------------------------------------------------------------------------------ */

#define STUB_BYTES 32
#define STUB_UNDO 4
#define PATCH_BYTES_MAX 16
#define PATCH_COPY_MAX 64

/* Half of what a jump spans: what a function calls may lie on its other side. */
#define CODE_REACH ((uintptr_t)64 << 20)

/* ---- frames ---------------------------------------------------------------------------------- */

/* As in x86_64/machine.h. What an instruction of a copy stands for is the program counter's value:
 * x30 is still the function's own. */
enum { FRAME_POINTER = 29, STACK_POINTER = 31, RETURN_ADDRESS = 32, CALL_IN_FRAME = 16 };

/* ---- the dynamic linker ---------------------------------------------------------------------- */

#define RELOCATION_SLOT R_AARCH64_JUMP_SLOT
#define RELOCATION_DATA R_AARCH64_GLOB_DAT
#define RELOCATION_WORD R_AARCH64_ABS64
#define RELOCATION_RELATIVE R_AARCH64_RELATIVE

#endif
