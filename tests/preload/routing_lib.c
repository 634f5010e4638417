/* The second module of routing.c. With -DMARKED it begins a scope. */
#include <stdlib.h>

#include <arenashim/scope.h>

void *mod_draw(size_t size);
void *mod_wrap(size_t size);
void *mod_scope(void *(*draw)(size_t), void **own);

/* Not a tail call: malloc returns to here. */
void *mod_draw(size_t size)
{
    void *block = malloc(size);
    if (block)
        *(volatile char *)block = 1;
    return block;
}

/* A tail call when optimized: malloc then returns to the caller of the wrapper. */
void *mod_wrap(size_t size)
{
    return malloc(size);
}

void *mod_scope(void *(*draw)(size_t), void **own)
{
#ifdef MARKED
    ARENA_SCOPE_HERE("of the library");
#endif
    *own = mod_draw(100);
    return draw(100);
}
