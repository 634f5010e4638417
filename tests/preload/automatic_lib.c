/* A library that allocates for its callers, and marks nothing until library_scope is called. */
#include <stdlib.h>

#include <arenashim/scope.h>

void *library_malloc(size_t size);
void *library_malloc(size_t size)
{
    void *block = malloc(size);
    __asm__ volatile("" : "+r"(block)); /* no tail call: it would hide the library */
    return block;
}

void library_scope(void);
void library_scope(void)
{
    ARENA_SCOPE("of the library") {
        free(library_malloc(10));
    }
}
