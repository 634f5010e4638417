/* A library that draws. */
#include <stdlib.h>

void *draw(size_t size);

void *draw(size_t size)
{
    void *block = malloc(size);
    __asm__ volatile("" : "+r"(block)); /* no tail call: the caller is this library */
    return block;
}
