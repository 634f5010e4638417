/*
 * Unloads a library that has marked scopes and loads another one, without marks, which gets the
 * same addresses and keeps a block. Its block must not lie in the arena. Built three times: with
 * MARKED and with KEEPING for the libraries, plain for the program.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arenashim/scope.h>

#if defined(MARKED)

char *work(void);
char *work(void)
{
    ARENA_SCOPE("library")
        memset(malloc(64), 1, 64);
    return NULL;
}

#elif defined(KEEPING)

char *work(void);
char *work(void)
{
    static char *kept;
    if (!kept)
        kept = strcpy(malloc(64), "precious");
    return kept;
}

#else

static char *(*load(const char *name, void **handle))(void)
{
    *handle = dlopen(name, RTLD_NOW);
    return *handle ? (char *(*)(void))dlsym(*handle, "work") : NULL;
}

int main(int argc, char **argv)
{
    void *first, *second;
    char *(*work)(void) = argc == 3 ? load(argv[1], &first) : NULL;
    if (!work)
        return 2;
    work();
    uintptr_t address = ((struct link_map *)first)->l_addr;
    dlclose(first);
    work = load(argv[2], &second);
    if (!work)
        return 2;
    if (((struct link_map *)second)->l_addr != address)
        puts("elsewhere");
    for (int i = 0; i < 2; i++) {
        ARENA_SCOPE("program") {
            work();
            memset(malloc(64), 'X', 64);
            memset(malloc(64), 'X', 64);
        }
    }
    puts(work());
    return 0;
}

#endif
