/* Loads the library that its argument names, past all others with a further one, with scopes before
 * and after, calls the functions in it that the C library's stand in front of, and closes it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <arenashim/scope.h>

static void scope(void)
{
    ARENA_SCOPE("late") {
        char *volatile block = malloc(100);
        block[0] = 1;
        free(block);
    }
}

/* The library was linked with -Bsymbolic-functions, say: then its own calls come to these. */
static bool calls(void *handle)
{
    int (*find)(void *, void *) = (int (*)(void *, void *))dlsym(handle, "_dl_find_object");
    void *(*open)(const char *, int) = (void *(*)(const char *, int))dlsym(handle, "dlopen");
    int (*close)(void *) = (int (*)(void *))dlsym(handle, "dlclose");
    pid_t (*make)(void) = (pid_t(*)(void))dlsym(handle, "_Fork");
    int (*become)(const char *, char **) = (int (*)(const char *, char **))dlsym(handle, "execv");
    void (*leave)(int) = (void (*)(int))dlsym(handle, "_exit");
    char *words[] = {"none", NULL};
    char found[256];
    int status = 0;
    if ((find && find((void *)puts, found) != 0) || (open && close(open("libm.so.6", RTLD_LAZY))))
        return false;
    pid_t child = make ? make() : fork();
    if (child == 0) {
        if (become("/none", words) == -1)
            leave(5);
        _Exit(1);
    }
    return waitpid(child, &status, 0) == child && status == 5 << 8;
}

int main(int argc, char **argv)
{
    void *early = malloc(100), *handle;
    scope();
    handle = dlopen(argc > 1 ? argv[1] : "", RTLD_NOW | (argc > 2 ? RTLD_DEEPBIND : RTLD_GLOBAL));
    if (!handle)
        return 1;
    scope();
    free(early);
    early = malloc(1000);
    if (!calls(handle))
        return 2;
    dlclose(handle);
    scope();
    free(early);
    puts("loaded");
    return fflush(stdout) == 0 ? 7 : 1;
}
