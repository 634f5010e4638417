/*
 * What the programs of this folder share. Each case is an operation of a library in two halves:
 * `first` calls it for the first time in the process, in a scope, and `again` goes on with it after
 * the scope, when later scopes have overwritten the arena. What the library has kept for itself
 * must have survived; the outputs are compared with a run without the shim.
 *
 *     PROGRAM                     prints the names of the cases
 *     PROGRAM [-t] NAME...        runs them: all first halves in one scope, then all second halves,
 *                                 the last one first; with -t the scope is that of a thread, which
 *                                 ends before the rest
 *
 * The directory with the test's files is in KEEPS_DIR.
 */
#ifndef TESTS_KEEPS_KEEPS_H
#define TESTS_KEEPS_KEEPS_H

#include <limits.h>
#include <pthread.h>

#include "expect.h"

/* stdio is under test, too: nothing here uses it before a case does, unless something failed. */
struct keep {
    const char *name;
    void (*first)(void);
    void (*again)(void);
};

#define KEEPS_MAX 64
#define OWN_BYTES 1000

static const struct keep *keeps_chosen[KEEPS_MAX];
static size_t keeps_count;

/* Whoever has kept memory of the arena finds this in its place. */
static void overwrite_arena(void)
{
    ARENA_SCOPE("overwrite") {
        for (int i = 0; i < 9; i++)
            memset(opaque(malloc(100000)), 0xa5, 100000);
    }
}

static void keeps_in_scope(void)
{
    ARENA_SCOPE("first") {
        void *before = opaque(malloc(OWN_BYTES));
        EXPECT(!arena_first || in_arena(before));
        fill(before, OWN_BYTES, 1);
        for (size_t i = 0; i < keeps_count; i++)
            keeps_chosen[i]->first();
        void *after = opaque(calloc(1, OWN_BYTES));
        EXPECT(!arena_first || in_arena(after));
        EXPECT(filled(before, OWN_BYTES, 1) && zeroed(after, OWN_BYTES));
    }
}

static inline void *keeps_in_thread(void *unused)
{
    keeps_in_scope();
    overwrite_arena();
    return unused;
}

static inline int keeps_main(const struct keep *cases, size_t count, int argc, char **argv)
{
    int threaded = argc > 1 && strcmp(argv[1], "-t") == 0;
    for (int i = 1 + threaded; i < argc; i++) {
        size_t k = 0;
        while (k < count && strcmp(cases[k].name, argv[i]) != 0)
            k++;
        if (k == count || keeps_count == KEEPS_MAX)
            return 2;
        keeps_chosen[keeps_count++] = &cases[k];
    }
    for (size_t k = 0; keeps_count == 0 && k < count; k++)
        puts(cases[k].name);
    if (keeps_count == 0)
        return 0;

    arena_learn();
    pthread_t thread;
    if (threaded && pthread_create(&thread, NULL, keeps_in_thread, NULL) == 0)
        pthread_join(thread, NULL);
    else
        keeps_in_scope();
    overwrite_arena();
    for (size_t i = keeps_count; i > 0; i--)
        keeps_chosen[i - 1]->again();
    overwrite_arena();
    return expect_failures > 0;
}

#define KEEPS_MAIN(cases)                                                                          \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return keeps_main(cases, sizeof cases / sizeof cases[0], argc, argv);                      \
    }

/* The path of one of the test's files. */
static inline const char *keeps_path(const char *name)
{
    static char path[8][PATH_MAX];
    static int next;
    const char *directory = getenv("KEEPS_DIR");
    char *made = path[next++ % 8];
    strncpy(made, directory ? directory : ".", PATH_MAX - 100);
    strcat(made, "/");
    strncat(made, name, 50);
    return made;
}

#endif
