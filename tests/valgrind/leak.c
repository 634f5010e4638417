/* Loses a block outside scopes; one that is lost in a scope is not a leak. */
#include <stdlib.h>

#include <arenashim/scope.h>

static void *volatile lost;

int main(void)
{
    lost = malloc(123);
    ARENA_SCOPE("no leak")
        lost = malloc(77);
    lost = NULL;
    return 0;
}
