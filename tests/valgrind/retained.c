/*
 * Blocks that outlive their scopes, with ARENASHIM_END=retain: retained CASE. "clean" frees each of
 * them: in a later scope, out of scope, in another thread, after a realloc; the others do one thing
 * wrong.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <arenashim/scope.h>

static char *volatile left[400];
static volatile char sink;

static void leave(void)
{
    ARENA_SCOPE("leaving") {
        for (int i = 0; i < 400; i++) {
            size_t size = i % 50 == 7 ? 50000 : (size_t)i + 1;
            left[i] = i % 3 ? malloc(size) : calloc(1, size);
            memset(left[i], i, size);
            free(malloc(20));
        }
    }
}

static void *take_away(void *unused)
{
    for (int i = 0; i < 100; i++)
        free(left[i]);
    return unused;
}

static void clean(void)
{
    for (int round = 0; round < 20; round++) {
        pthread_t thread;
        leave();
        pthread_create(&thread, NULL, take_away, NULL);
        pthread_join(thread, NULL);
        ARENA_SCOPE("freeing") {
            for (int i = 100; i < 200; i++)
                free(left[i]);
            for (int i = 200; i < 300; i++)
                left[i] = realloc(left[i], 1000);
        }
        for (int i = 200; i < 400; i++)
            free(left[i]);
    }
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "clean";
    if (strcmp(name, "clean") == 0) {
        clean();
        return 0;
    }
    leave();
    if (strcmp(name, "freed") == 0) {
        free(left[99]);
        sink = left[99][5];
    } else if (strcmp(name, "overrun") == 0) {
        left[99][100] = 1;
    } else if (strcmp(name, "leak") == 0) {
        left[99] = NULL;
    } else if (strcmp(name, "large") == 0) {
        free(left[57]);
        sink = left[57][40000];
    } else if (strcmp(name, "uninitialised") == 0) {
        ARENA_SCOPE("reading") {
            for (int i = 0; i < 400; i++)
                free(left[i]);
            left[0] = malloc(300);
            if (left[0][200])
                sink = 1;
            free(left[0]);
        }
        return 0;
    }
    for (int i = 0; i < 400; i++)
        if (left[i] && !(i == 99 && strcmp(name, "freed") == 0) &&
            !(i == 57 && strcmp(name, "large") == 0))
            free(left[i]);
    return 0;
}
