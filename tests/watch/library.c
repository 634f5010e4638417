/* A library that is unloaded while a block of its is alive. */
#include <stdlib.h>

#define GLUE(a, b) a##b
#define NAME(number) GLUE(library_draw_, number)

void *library_make(void);
void *NAME(NUMBER)(void);

__attribute__((noinline)) void *NAME(NUMBER)(void)
{
    return malloc(300 + NUMBER);
}

void *library_make(void)
{
    void *block = NAME(NUMBER)();
    __asm__ volatile("" : "+r"(block) : : "memory");
    return block;
}
