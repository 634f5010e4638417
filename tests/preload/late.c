/* Loads the library that its argument names, with scopes before and after, and closes it. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include <arenashim/scope.h>

static void scope(void)
{
    ARENA_SCOPE("late") {
        char *volatile block = malloc(100);
        block[0] = 1;
        free(block);
    }
}

int main(int argc, char **argv)
{
    void *early = malloc(100), *handle;
    scope();
    handle = dlopen(argc > 1 ? argv[1] : "", RTLD_NOW | RTLD_GLOBAL);
    if (!handle)
        return 1;
    scope();
    free(early);
    early = malloc(1000);
    dlclose(handle);
    scope();
    free(early);
    puts("loaded");
    return fflush(stdout) == 0 ? 7 : 1;
}
