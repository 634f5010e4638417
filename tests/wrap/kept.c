/*
 * Registers through wrapped calls of registers.S: the function finds what the caller has loaded,
 * the caller what the function has, or its own values where the function leaves them alone (which
 * compilers rely on within a unit), the flags among them. In threads one after another, so that
 * first calls are among them, and in a scope in which something has been drawn.
 */
#include <pthread.h>

#include "expect.h"
#include "registers.h"

static void fill_registers(struct registers *registers, unsigned seed)
{
    fill(registers, sizeof *registers, seed);
    registers->general[FLAGS] = REGISTERS_FLAGS(registers->general[FLAGS]);
    registers->mxcsr = 0x3f80; /* rounds down */
    registers->x87_control = 0x0b7f;
    for (int i = 0; i < 2; i++) { /* numbers, for which nothing is raised */
        registers->x87[i][7] |= 0x80;
        registers->x87[i][8] = 0xff;
        registers->x87[i][9] = 0x3f;
        memset(registers->x87[i] + 10, 0, 6);
    }
}

static void expect_general(const struct registers *found, const struct registers *loaded)
{
    static const int which[] = {RAX, RCX, RDX, RBX, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15};
    EXPECT(REGISTERS_FLAGS(found->general[FLAGS]) == loaded->general[FLAGS]);
    for (size_t i = 0; i < sizeof which / sizeof which[0]; i++)
        EXPECT(found->general[which[i]] == loaded->general[which[i]]);
}

static void expect_vectors(const struct registers *found, const struct registers *loaded)
{
    for (int i = 0; i < (registers_vectors == VECTORS_ZMM ? 32 : 16); i++)
        EXPECT(!memcmp(found->vectors[i], loaded->vectors[i], (size_t)16 << registers_vectors));
    if (registers_vectors == VECTORS_ZMM)
        EXPECT(!memcmp(found->masks, loaded->masks, sizeof found->masks));
}

static void call(unsigned seed, int keep)
{
    const struct registers *results = keep ? &registers_in : &registers_result;
    fill_registers(&registers_in, seed);
    fill_registers(&registers_result, seed + 100);
    registers_keep = keep;
    registers_call(registers_target);
    expect_general(&registers_seen, &registers_in);
    expect_vectors(&registers_seen, &registers_in);
    EXPECT(!memcmp(registers_seen.stack, registers_in.stack, 256));
    expect_general(&registers_out, results);
    expect_vectors(&registers_out, results);
    EXPECT(keep || !memcmp(registers_out.x87[0], registers_result.x87[0], 10));
    EXPECT(registers_out.general[RSP] == registers_in.general[RSP]);
    EXPECT(registers_out.general[RBP] == registers_in.general[RBP]);
}

__attribute__((noinline)) void w_around(unsigned seed)
{
    void *block = opaque(malloc(100));
    call(seed, 0);
    call(seed, 1);
    free(block);
}

static void *calls(void *seed)
{
    for (unsigned i = 0; i < 10; i++)
        w_around((unsigned)(uintptr_t)seed + i);
    return NULL;
}

int main(void)
{
    registers_vectors = __builtin_cpu_supports("avx512bw") ? VECTORS_ZMM
                        : __builtin_cpu_supports("avx")    ? VECTORS_YMM
                                                           : VECTORS_XMM;
    for (uintptr_t i = 0; i < 20; i++) {
        pthread_t thread;
        EXPECT(pthread_create(&thread, NULL, calls, (void *)(i * 3)) == 0);
        pthread_join(thread, NULL);
    }
    return expect_failures > 0;
}
