/*
 * Loads libraries with functions fn_0 to fn_499 again and again, calls these, and prints by how
 * many KiB the process has grown since the first loads: reload OVERLAP MOVE FILE...
 *
 * With OVERLAP 1 one is loaded before the one before is unloaded; with MOVE 1 each lies elsewhere.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { FUNCTIONS = 500, FIRST = 40, LOADS = 160 };

static long resident(void)
{
    char line[256];
    long size = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, status))
        if (strncmp(line, "VmRSS:", 6) == 0)
            size = atol(line + 6);
    fclose(status);
    return size;
}

static void *load_and_call(const char *file)
{
    char name[20];
    void *library = dlopen(file, RTLD_NOW);
    int loops = strstr(file, "loops") != NULL; /* see loop.h */
    if (!library) {
        printf("%s\n", dlerror());
        exit(2);
    }
    for (int i = 0; i < FUNCTIONS; i++) {
        snprintf(name, sizeof name, "fn_%d", i);
        int result = ((int (*)(int))dlsym(library, name))(1);
        if (result != (loops ? 42 : i + 1)) {
            printf("%s of %s: %d\n", name, file, result);
            exit(3);
        }
    }
    return library;
}

int main(int argc, char **argv)
{
    long first = 0;
    void *before = NULL;
    if (argc < 4)
        return 2;
    for (int i = 0; i < LOADS; i++) {
        void *library = load_and_call(argv[3 + i % (argc - 3)]);
        if (*argv[1] == '1' && before)
            dlclose(before);
        if (*argv[1] == '1')
            before = library;
        else
            dlclose(library);
        if (*argv[2] == '1') /* in the place that has become free */
            mmap(NULL, 4096 * (1 + (size_t)i % 3), i & 1 ? PROT_READ : PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (i == FIRST)
            first = resident();
    }
    printf("%ld\n", resident() - first);
    return 0;
}
