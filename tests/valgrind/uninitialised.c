/* Branches on memory that an earlier scope wrote and this scope did not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arenashim/scope.h>

int main(void)
{
    ARENA_SCOPE("writes") {
        char *block = malloc(64);
        memset(block, 1, 64);
        __asm__ volatile("" : : "r"(block) : "memory");
    }
    ARENA_SCOPE("reads") {
        volatile char *block = malloc(64);
        if (block[7])
            puts("set");
    }
    return 0;
}
