/* A C program that runs the main function of a C++ library which it loads
 * itself. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    void *handle = dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL);
    int (*run)(int, char **);
    void *found = handle ? dlsym(handle, "_Z11plugin_mainiPPc") : NULL;
    if (!found) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    memcpy(&run, &found, sizeof run);
    return run(argc, argv);
}
