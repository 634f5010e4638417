/*
 * A program that limits its address space after its first scopes: limited MEGABYTES. Within the
 * limit it draws three quarters of that, in a scope and outside.
 */
#include <sys/resource.h>

#include "expect.h"

#define MIB ((size_t)1024 * 1024)

static size_t mapped(void)
{
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    EXPECT(file && fscanf(file, "%zu", &pages) == 1);
    fclose(file);
    return pages * 4096;
}

static void draw(size_t blocks)
{
    static char *block[1000];
    for (size_t i = 0; i < blocks; i++) {
        block[i] = opaque(malloc(MIB));
        EXPECT(block[i] != NULL);
        if (block[i])
            fill(block[i], 1000, (unsigned)i);
    }
    for (size_t i = 0; i < blocks; i++) {
        EXPECT(block[i] && filled(block[i], 1000, (unsigned)i));
        free(block[i]);
    }
}

int main(int argc, char **argv)
{
    size_t megabytes = argc > 1 ? (size_t)atol(argv[1]) : 0;
    ARENA_SCOPE("before")
        draw(2);
    struct rlimit limit = {mapped() + megabytes * MIB, RLIM_INFINITY};
    EXPECT(setrlimit(RLIMIT_AS, &limit) == 0);
    draw(megabytes / 4);
    ARENA_SCOPE("after")
        draw(megabytes / 2);
    draw(megabytes / 4);
    return expect_failures > 0;
}
