/* Reads a block after free, in the scope that drew it. */
#include <stdlib.h>

#include <arenashim/scope.h>

int main(void)
{
    int value = 0;
    ARENA_SCOPE("freed") {
        volatile int *block = malloc(sizeof *block);
        *block = 0;
        free((void *)block);
        value = *block;
    }
    return value;
}
