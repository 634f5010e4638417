/* Begins a scope that never ends. */
#include <stdlib.h>

#include <arenashim/scope.h>

static void *volatile block;

int main(void)
{
    arena_scope_begin(NULL);
    block = malloc(10);
    return 0;
}
