/*
 * Holds 64 MiB for a moment, and 16 MiB to its end.
 */
#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1 << 20)

int main(void)
{
    char *large = malloc(64 * MIB), *lasting = malloc(16 * MIB);
    if (!large || !lasting)
        return 1;
    memset(large, 1, 64 * MIB);
    memset(lasting, 1, 16 * MIB);
    char seen = large[MIB];
    free(large);
    return lasting[MIB] - seen;
}
