/* Writes past the end of one block of a scope, towards the next. */
#include <stdlib.h>

#include <arenashim/scope.h>

int main(void)
{
    ARENA_SCOPE("overrun") {
        volatile char *first = malloc(40);
        volatile char *second = malloc(40);
        first[40] = 1;
        second[0] = 1;
    }
    return 0;
}
