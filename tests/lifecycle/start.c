/*
 * The start of a process: calls before the shim's constructor, and libraries that are there before
 * or apart from it. start CASE [LIBRARY].
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>

#include "expect.h"

static const char *library;

int early_check(void) __attribute__((weak));

/* ---- before every constructor -----------------------------------------------------------------
 */

static void *early[3];
static int early_active;

/* The program's .preinit_array runs before all libraries' constructors. */
static void before_constructors(void)
{
    EXPECT(malloc_trim(0) <= 1);
    early[0] = opaque(malloc(100));
    fill(early[0], 100, 1);
    early[1] = opaque(realloc(opaque(malloc(10)), 100));
    fill(early[1], 100, 2);
    free(opaque(calloc(10, 10)));
    /* There are no settings yet, so that it must not be here that the shim starts. */
    ARENA_SCOPE("before constructors") {
        opaque(malloc(100));
        early_active = arena_scope_active();
    }
    early[2] = arena_scope_keep(opaque(malloc(100)));
    fill(early[2], 100, 3);
}

static void (*const preinit)(void)
    __attribute__((section(".preinit_array"), used)) = before_constructors;

static void preinit_array(void)
{
    EXPECT(early_active == 0);
    for (unsigned i = 0; i < 3; i++) {
        EXPECT(filled(early[i], 100, i + 1));
        early[i] = opaque(realloc(early[i], 500));
        EXPECT(filled(early[i], 100, i + 1));
        free(early[i]);
    }
}

/* ---- libraries --------------------------------------------------------------------------------
 */

/* The library has allocated, or begun scopes, while it was loaded. */
static void early_library(void)
{
    EXPECT(early_check && early_check() == 0);
}

static void some_scopes(void)
{
    for (int i = 0; i < 10; i++) {
        ARENA_SCOPE("some") {
            EXPECT(in_arena(opaque(malloc(100))) || getenv("START_PLAIN"));
        }
    }
}

static pthread_key_t key;
static int destroyed;

static void destroy(void *value)
{
    destroyed += value == &key;
}

static void *in_thread(void *entry)
{
    int (*apart)(void) = (int (*)(void))entry;
    EXPECT(pthread_setspecific(key, &key) == 0);
    some_scopes();
    EXPECT(apart() == 0);
    some_scopes();
    EXPECT(pthread_getspecific(key) == &key);
    return NULL;
}

/* A library in a namespace of its own, with a C library of its own and perhaps a shim: its scopes
 * do nothing, and neither the program's scopes nor its thread keys suffer. */
static void apart(void)
{
    pthread_t thread;
    EXPECT(pthread_key_create(&key, destroy) == 0);
    EXPECT(pthread_setspecific(key, &key) == 0);
    some_scopes();
    void *handle = dlmopen(LM_ID_NEWLM, library, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        fprintf(stderr, "%s\n", dlerror());
        _Exit(77);
    }
    void *entry = dlsym(handle, "apart");
    EXPECT(entry != NULL);
    int (*function)(void) = (int (*)(void))entry;
    some_scopes();
    ARENA_SCOPE("around") {
        EXPECT(function() == 0);
        EXPECT(in_arena(opaque(malloc(100))));
    }
    some_scopes();
    EXPECT(pthread_create(&thread, NULL, in_thread, entry) == 0);
    pthread_join(thread, NULL);
    EXPECT(destroyed == 1);
    EXPECT(pthread_getspecific(key) == &key);
    EXPECT(dlclose(handle) == 0);
    some_scopes();
}

static void scopes_only(void)
{
    some_scopes();
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"preinit_array", preinit_array},
        {"early_library", early_library},
        {"apart", apart},
        {"scopes_only", scopes_only},
    };
    library = argc > 2 ? argv[2] : NULL;
    arena_learn();
    some_scopes();
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}
