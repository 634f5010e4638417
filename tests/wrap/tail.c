/* A function that ends in a jump to malloc: the return address is not in its own module. */
#include "expect.h"

__attribute__((noinline)) void *w_tail(size_t size)
{
    return malloc(size);
}

int main(void)
{
    for (int i = 0; i < 100; i++)
        free(opaque(w_tail(100)));
    puts("works");
    return 0;
}
