/* Each of the rare things once that tracers may watch. */
#include <malloc.h>

#include "expect.h"

int main(void)
{
    void *kept, *block;
    arena_scope_token ended;
    ARENA_SCOPE("probed") {
        kept = opaque(malloc(1000));
        block = opaque(malloc(3 << 20)); /* more than the capacity, and than is there */
        fill(block, 3 << 20, 1);
        free(block);
        ended = arena_scope_begin(NULL);
        arena_scope_end(ended);
        arena_scope_end(ended);
    }
    malloc_trim(0);
    opaque(kept);
    puts("works");
    return 0;
}
