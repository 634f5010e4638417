/*
 * The same as x86_64/registers.h, where it is told what each is for.
 */
#ifndef TESTS_WRAP_REGISTERS_H
#define TESTS_WRAP_REGISTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>

enum { X16 = 16, X17 = 17, X18 = 18, X19 = 19, X28 = 28, X29 = 29, X30 = 30, SP, FLAGS, GENERAL };

#define REGISTERS_FLAGS(word) ((word)&0xf0000000)

enum { STACK_BYTES = 1024 };

struct registers {
    uint64_t general[GENERAL]; /* x0 to x30, sp, nzcv */
    uint64_t fpcr, fpsr;
    uint64_t predicates[16][4];     /* of up to 32 bytes each */
    unsigned char vectors[32][256]; /* of which SVE registers fill all that they are long */
    unsigned char stack[STACK_BYTES];
};

extern struct registers registers_in, registers_seen, registers_result, registers_out;

extern int registers_vectors;   /* bytes of an SVE register, else 0 */
extern uint64_t registers_skew; /* bytes by which the stack is off alignment to 64 */
extern int registers_keep;      /* registers_target loads nothing */

void registers_call(void (*function)(void));
void registers_target(void);

#define STACK_REGISTER SP
#define FRAME_REGISTER X29
#define REGISTERS_SKEW 16

static inline void registers_choose(void)
{
    registers_vectors = 0;
    if (getauxval(AT_HWCAP) & 1 << 22)
        __asm__(".arch_extension sve\nrdvl %x0, 1" : "=r"(registers_vectors));
}

/* Rounds down, with `exceptions` raised before. */
static inline void registers_tame(struct registers *registers, unsigned exceptions)
{
    registers->general[FLAGS] = REGISTERS_FLAGS(registers->general[FLAGS]);
    registers->fpcr = 2 << 22;
    registers->fpsr = exceptions & 0x1f;
}

/* x16 and x17 are the linker's. */
static inline const char *registers_differ(const struct registers *found,
                                           const struct registers *loaded)
{
    size_t size = registers_vectors ? (size_t)registers_vectors : 16;
    if (REGISTERS_FLAGS(found->general[FLAGS]) != loaded->general[FLAGS])
        return "the flags";
    for (int i = 0; i <= X28; i++)
        if (i != X16 && i != X17 && found->general[i] != loaded->general[i])
            return "a general register";
    for (int i = 0; i < 32; i++)
        if (memcmp(found->vectors[i], loaded->vectors[i], size) != 0)
            return "a vector register";
    for (int i = 0; i < 16; i++)
        if (memcmp(found->predicates[i], loaded->predicates[i], (size_t)registers_vectors / 8) != 0)
            return "a predicate";
    return NULL;
}

static inline const char *registers_control_differs(const struct registers *found,
                                                    const struct registers *loaded)
{
    return found->fpcr != loaded->fpcr                            ? "fpcr"
           : found->fpsr != loaded->fpsr                          ? "fpsr"
           : (loaded->general[SP] - found->general[SP]) % 16 != 0 ? "the stack's alignment"
                                                                  : NULL;
}

static inline uint64_t registers_control(const struct registers *loaded)
{
    return loaded->fpcr;
}

static inline bool registers_x87_are(const struct registers *found, const struct registers *results)
{
    return (void)found, (void)results, true;
}

void registers_call_on(void *end_of_stack, void (*function)(void));

#endif
