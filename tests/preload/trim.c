/* What is resident of an arena, and what a core file would hold of it: trim CASE. */
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "expect.h"

#define MIB ((size_t)1 << 20)

/* Bytes of the first `size` bytes of the first arena that are resident. */
static size_t resident(size_t size)
{
    static unsigned char pages[16 * MIB / 4096];
    uintptr_t start = arena_first & ~(uintptr_t)4095;
    size_t sum = 0;
    EXPECT(mincore((void *)start, size, pages) == 0);
    for (size_t i = 0; i < size / 4096; i++)
        sum += (pages[i] & 1) * (size_t)4096;
    return sum;
}

static void scope(size_t size)
{
    ARENA_SCOPE("filling") {
        unsigned char *block = opaque(calloc(1, size));
        EXPECT(in_arena(block) && zeroed(block, size));
        memset(block, 1, size);
    }
}

static void idle(void)
{
    arena_learn();
    scope(MIB - 100);
    EXPECT(resident(MIB) > MIB - 8192);
    EXPECT(malloc_trim(0) == 1);
    EXPECT(resident(MIB) == 0);
    scope(MIB - 100); /* zeroed again */
    EXPECT(malloc_trim(64 << 10) == 1);
    EXPECT(resident(MIB) == 64 << 10);
    scope(MIB - 100);
}

static void in_scope(void)
{
    arena_learn();
    ARENA_SCOPE("trimmed in") {
        unsigned char *block = opaque(malloc(500000));
        fill(block, 500000, 1);
        malloc_trim(0);
        EXPECT(filled(block, 500000, 1) && resident(MIB) > 490000);
    }
    EXPECT(malloc_trim(0) == 1 && resident(MIB) == 0);
}

static void *trimming(void *unused)
{
    malloc_trim(0);
    return unused;
}

/* The owner does it when it next begins an outermost scope. */
static void by_another_thread(void)
{
    pthread_t thread;
    arena_learn();
    scope(MIB - 100);
    ARENA_SCOPE("open") {
        unsigned char *block = opaque(malloc(500000));
        fill(block, 500000, 1);
        pthread_create(&thread, NULL, trimming, NULL);
        pthread_join(thread, NULL);
        ARENA_SCOPE("nested") {
            opaque(malloc(1));
        }
        EXPECT(filled(block, 500000, 1) && resident(MIB) > MIB - 8192);
    }
    ARENA_SCOPE("next") {
        EXPECT(resident(MIB) == 0);
    }
    scope(MIB - 100);
}

/* Prints "dumped KIB, reserved KIB" of the region's mappings: with and without VmFlags "dd". */
static void dumped(void)
{
    arena_learn();
    scope(3 * MIB); /* grows, and goes back */
    FILE *maps = fopen("/proc/self/smaps", "r");
    char line[4096];
    unsigned long start = 0, kib = 0, with = 0, without = 0;
    while (fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
            start = from;
            kib = (to - from) >> 10;
        }
        /* The record and its guard lie before the first arena's memory. */
        if (start - (arena_first - (256 << 10)) < (uintptr_t)1 << 40 &&
            strncmp(line, "VmFlags:", 8) == 0)
            *(strstr(line, " dd") ? &without : &with) += kib;
    }
    fclose(maps);
    printf("dumped %lu, reserved %s\n", with, without > 1 << 20 ? "much" : "little");
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"idle", idle},
        {"in_scope", in_scope},
        {"by_another_thread", by_another_thread},
        {"dumped", dumped},
    };
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}
