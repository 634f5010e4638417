/* Reads a block after its scope has ended, while a later scope allocates. */
#include <stdlib.h>

#include <arenashim/scope.h>

static volatile int *escaped;

int main(void)
{
    int sum = 0;
    ARENA_SCOPE("drawn here") {
        escaped = malloc(sizeof *escaped);
        *escaped = 1;
    }
    ARENA_SCOPE("used here") {
        volatile int *other = malloc(sizeof *other);
        *other = 2;
        sum = *escaped;
    }
    return sum - 1;
}
