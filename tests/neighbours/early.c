/* A library whose constructor loads a plug-in with RTLD_DEEPBIND, and a program that gives the
 * plug-in memory: with an argument that of a marked scope. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include <arenashim/scope.h>

extern void (*early_release)(void *);

#ifdef LIBRARY
void (*early_release)(void *);

__attribute__((constructor)) static void load(void)
{
    void *handle = dlopen(getenv("PLUGIN"), RTLD_NOW | RTLD_DEEPBIND);
    early_release = handle ? (void (*)(void *))dlsym(handle, "plugin_release") : free;
}
#else
int main(int argc, char **argv)
{
    (void)argv;
    for (int round = 0; round < 50; round++) {
        if (argc == 1)
            early_release(malloc(100));
        else
            ARENA_SCOPE("early")
                early_release(malloc(100));
    }
    puts("done");
    return 0;
}
#endif
