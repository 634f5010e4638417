/* A program, to be built without position independence, that takes the address of malloc: it is one
 * in the program, which leads to the shim. */
#include "expect.h"

int main(void)
{
    void *(*volatile address)(size_t) = malloc;
    ARENA_SCOPE("address") {
        free(opaque(address(10)));
        free(opaque(malloc(10)));
    }
    puts("works");
    return 0;
}
