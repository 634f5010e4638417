/*
 * A program that runs with more rights than its caller's, linked with the shim. Prints whether the
 * system thinks so, what its scope did, and the statistics.
 */
#include <sys/auxv.h>
#include <unistd.h>

#include "expect.h"

int main(void)
{
    printf("secure %lu\n", getauxval(AT_SECURE));
    ARENA_SCOPE("secure") {
        printf("active %d\n", arena_scope_active());
        /* More than the smallest capacity, which ARENASHIM_OVERFLOW says not to pass. */
        for (int i = 0; i < 100; i++)
            memset(opaque(malloc(1000)), 1, 1000);
    }
    fflush(stdout);
    arenashim_stats_print(STDOUT_FILENO);
    return 0;
}
