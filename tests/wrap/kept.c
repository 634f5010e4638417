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
    registers_tame(registers, 0);
}

static void call(unsigned seed, int keep)
{
    const struct registers *results = keep ? &registers_in : &registers_result;
    fill_registers(&registers_in, seed);
    fill_registers(&registers_result, seed + 100);
    registers_keep = keep;
    registers_call(registers_target);
    EXPECT(!registers_differ(&registers_seen, &registers_in));
    EXPECT(!memcmp(registers_seen.stack, registers_in.stack, 256));
    EXPECT(!registers_differ(&registers_out, results));
    EXPECT(registers_x87_are(&registers_out, keep ? NULL : results));
    EXPECT(registers_out.general[STACK_REGISTER] == registers_in.general[STACK_REGISTER]);
    EXPECT(registers_out.general[FRAME_REGISTER] == registers_in.general[FRAME_REGISTER]);
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
    registers_choose();
    for (uintptr_t i = 0; i < 20; i++) {
        pthread_t thread;
        EXPECT(pthread_create(&thread, NULL, calls, (void *)(i * 3)) == 0);
        pthread_join(thread, NULL);
    }
    return expect_failures > 0;
}
