/* An interposer as people write them: counts the calls and hands them on to the next malloc. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static size_t calls;

void *malloc(size_t size)
{
    static void *(*next)(size_t);
    if (!next)
        next = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
    void *block = next(size);
    calls++;
    return block;
}

void free(void *block)
{
    static void (*next)(void *);
    if (!next)
        next = (void (*)(void *))dlsym(RTLD_NEXT, "free");
    next(block);
    calls++;
}

__attribute__((destructor)) static void report(void)
{
    printf("%s\n", calls > 100 ? "wrapped" : "hardly wrapped");
    fflush(stdout);
}
