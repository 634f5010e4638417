/*
 * A library (-DLIBRARY), a program that calls its function l_draws in all the ways that there are,
 * and a plugin (-DPLUGIN) that does, too.
 */
#include <dlfcn.h>

#include "expect.h"

void l_draws(int seed);
void l_calls(int seed);

#if defined LIBRARY

void l_draws(int seed)
{
    void *block = opaque(malloc(70));
    fill(block, 70, (unsigned)seed);
    EXPECT(filled(block, 70, (unsigned)seed) && arena_scope_active());
    free(block);
}

void l_calls(int seed)
{
    l_draws(seed + 1);
    l_draws(seed + 2);
}

#elif defined PLUGIN

void plugin_calls(int seed);
void plugin_calls(int seed)
{
    l_draws(seed);
    __asm__ volatile("");
}

#else

static void (*const in_data)(int) = l_draws;

/* Ten calls. */
int main(int argc, char **argv)
{
    void (*by_address)(int) = argc > 1 ? l_draws : l_calls;
    void (*by_name)(int) = (void (*)(int))(uintptr_t)dlsym(RTLD_DEFAULT, "l_draws");
    l_draws(1);
    l_draws(2);
    l_calls(3);
    by_address(4);
    (*(void (*const volatile *)(int)) & in_data)(5);
    by_name(6);
    for (int i = 0; i < 3; i++) {
        void *plugin = dlopen(argv[1], RTLD_LAZY);
        void (*calls)(int) = (void (*)(int))(uintptr_t)dlsym(plugin, "plugin_calls");
        calls(7);
        dlclose(plugin);
    }
    return expect_failures > 0;
}

#endif
