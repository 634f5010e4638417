/*
 * What a program gets of the system, by cases. Exit status: 0: as it should be; 1: not; 2: the
 * system has refused it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MANY = 20000, MIB = 1 << 20 };

static int is_zero(const char *block, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (block[i] != 0)
            return 0;
    return 1;
}

/* Memory that the kernel does not take back. */
static int locked(size_t size)
{
    char *block = malloc(size);
    if (!block || mlock(block, size) != 0)
        return 2;
    memset(block, 1, size);
    free(block);
    block = calloc(1, size);
    return !block ? 2 : !is_zero(block, size);
}

static int all_locked(size_t size)
{
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
        return 2;
    return malloc(size) ? 0 : 2;
}

static int drawn(size_t size)
{
    return malloc(size) ? 0 : 2;
}

static int filled(size_t size)
{
    char *block = malloc(size);
    if (!block)
        return 2;
    memset(block, 1, size);
    return 0;
}

/* By and by, and then moved to where there is the room. */
static int resized(size_t size)
{
    char *block = NULL;
    for (size_t now = size / 16; now <= size; now += size / 16) {
        block = realloc(block, now);
        if (!block)
            return 2;
        memset(block + now - size / 16, (int)(now * 16 / size), size / 16);
    }
    for (size_t i = 0; i < 16; i++)
        if (block[i * (size / 16)] != (char)(i + 1))
            return 1;
    return 0;
}

/* Large ones give up their memory when they are freed. */
static int one_by_one(size_t size)
{
    for (int i = 0; i < 20; i++) {
        char *block = malloc(size + (size_t)i * MIB);
        if (!block)
            return 2;
        memset(block, 1, size);
        free(block);
    }
    return 0;
}

static int small(size_t size)
{
    for (int i = 0; i < MANY; i++)
        if (!malloc(size))
            return 2;
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(size_t size);
    } cases[] = {
        {"locked", locked},   {"all_locked", all_locked}, {"drawn", drawn}, {"filled", filled},
        {"resized", resized}, {"one_by_one", one_by_one}, {"small", small},
    };
    for (size_t i = 0; argc == 3 && i < sizeof cases / sizeof *cases; i++)
        if (strcmp(argv[1], cases[i].name) == 0)
            return cases[i].run(strtoull(argv[2], NULL, 0));
    fprintf(stderr, "usage: guest CASE SIZE\n");
    return 99;
}
