/* Clean, and exits with 3. */
#include <stdlib.h>

#include <arenashim/scope.h>

static void *volatile block;

int main(void)
{
    ARENA_SCOPE("status")
        block = malloc(10);
    return 3;
}
