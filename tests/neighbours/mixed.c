/* Blocks that cross the borders between the arena, the next allocator and a plug-in: mixed CASE
 * [PLUGIN]. */
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>

#include "expect.h"

static void *work(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;
    unsigned char *outside[20];
    for (unsigned i = 0; i < 20; i++)
        outside[i] = opaque(malloc(1));
    for (unsigned round = 0; round < 40; round++) {
        ARENA_SCOPE("mixed") {
            unsigned char *block = opaque(malloc(100 + round));
            fill(block, 100 + round, seed);
            /* Grows where it came from. */
            outside[round % 20] = opaque(realloc(outside[round % 20], 50 + 100 * round));
            ARENA_SCOPE_PAUSED
            {
                unsigned char *paused = opaque(aligned_alloc(64, 640));
                fill(paused, 640, seed + 1);
                EXPECT((uintptr_t)paused % 64 == 0 && malloc_usable_size(paused) >= 640);
                EXPECT(filled(paused, 640, seed + 1));
                free(paused);
                block = opaque(realloc(block, 300)); /* leaves the arena */
            }
            EXPECT(filled(block, 100 + round, seed) && malloc_usable_size(block) >= 300);
            free(block);
            unsigned char *kept = opaque(calloc(7, 11));
            fill(kept, 77, seed + 2);
            kept = opaque(arena_scope_keep(kept));
            EXPECT(filled(kept, 77, seed + 2));
            free(kept);
            fill(opaque(malloc(60000)), 60000, seed); /* more than the limit that the test sets */
        }
        fill(outside[round % 20], 50 + 100 * round, round);
    }
    for (unsigned i = 0; i < 20; i++) {
        EXPECT(filled(outside[i], 50 + 100 * (20 + i), 20 + i));
        free(outside[i]);
    }
    return NULL;
}

static void threads(void)
{
    pthread_t others[8];
    for (uintptr_t i = 0; i < 8; i++)
        EXPECT(pthread_create(&others[i], NULL, work, (void *)i) == 0);
    work(NULL);
    for (int i = 0; i < 8; i++)
        pthread_join(others[i], NULL);
}

static const char *plugin;

static void deepbind(void)
{
    void *handle = dlopen(plugin, RTLD_NOW | RTLD_DEEPBIND);
    EXPECT(handle != NULL);
    if (!handle)
        return;
    void *(*draw)(size_t) = (void *(*)(size_t))dlsym(handle, "plugin_draw");
    void (*release)(void *) = (void (*)(void *))dlsym(handle, "plugin_release");
    size_t (*sum)(const unsigned char *, size_t) =
        (size_t(*)(const unsigned char *, size_t))dlsym(handle, "plugin_sum");
    for (int round = 0; round < 50; round++) {
        unsigned char *outside = opaque(malloc(100));
        ARENA_SCOPE("deepbind") {
            unsigned char *block = opaque(malloc(1000));
            unsigned char *theirs = opaque(draw(1000));
            memset(block, 3, 1000);
            EXPECT(!in_arena(theirs) && in_arena(block));
            EXPECT(sum(block, 1000) == 3000 && memcmp(block, theirs, 1000) == 0);
            theirs = opaque(realloc(theirs, 2000));
            EXPECT(sum(theirs, 1000) == 3000);
            free(theirs);
            /* What the plug-in is to free leaves the arena first. */
            release(opaque(arena_scope_keep(block)));
        }
        free(opaque(draw(10)));
        release(outside);
    }
    dlclose(handle);
}

/* The plug-in gives scope memory back, and takes it away, by itself. */
static void deepbind_gives(void)
{
    void *handle = dlopen(plugin, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    void (*release)(void *) = (void (*)(void *))dlsym(handle, "plugin_release");
    void *(*resize)(void *) = (void *(*)(void *))dlsym(handle, "plugin_resize");
    for (int round = 0; round < 50; round++) {
        ARENA_SCOPE("deepbind") {
            unsigned char *block = opaque(malloc(40));
            EXPECT(in_arena(block));
            release(block);
            EXPECT(opaque(malloc(40)) == block);
            fill(block, 40, 3);
            unsigned char *moved = opaque(resize(block));
            EXPECT(!in_arena(moved) && filled(moved, 40, 3));
            free(moved);
        }
    }
}

/* Who asks the C library by its handle goes past everybody. What it is given must not be taken for
 * its own. */
static void *give_to_libc(const char *function)
{
    void *handle = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    ARENA_SCOPE("handle") {
        void *block = opaque(malloc(40));
        puts("drawn");
        fflush(stdout);
        return ((void *(*)(void *, size_t))dlsym(handle, function))(block, 1000);
    }
    return NULL;
}

static void libc_free(void)
{
    give_to_libc("free");
}

static void libc_realloc(void)
{
    give_to_libc("realloc");
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"threads", threads},
        {"deepbind", deepbind},
        {"deepbind_gives", deepbind_gives},
        {"libc_free", libc_free},
        {"libc_realloc", libc_realloc},
    };
    plugin = argc > 2 ? argv[2] : "";
    arena_learn();
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}
