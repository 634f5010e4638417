/*
 * In front of another allocator: what is not routed is served by it, whoever frees it. Which one is
 * asked from the allocator itself; stack NAME. Also compiled as C++.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>

#include "expect.h"

static bool (*is_theirs)(const void *);

/* jemalloc: which of its arenas does a block lie in? It crashes when asked of one of ours. */
static int (*mallctl_function)(const char *, void *, size_t *, void *, size_t);

static bool is_jemalloc(const void *block)
{
    unsigned index;
    size_t size = sizeof index;
    return !in_arena(block) &&
           mallctl_function("arenas.lookup", &index, &size, &block, sizeof block) == 0;
}

static bool (*mimalloc_function)(const void *);

static bool is_mimalloc(const void *block)
{
    return mimalloc_function(block);
}

/* tcmalloc: 1 is "mine". */
static int (*tcmalloc_function)(const void *);

static bool is_tcmalloc(const void *block)
{
    return tcmalloc_function(block) == 1;
}

static void *symbol(const char *name)
{
    void *found = dlsym(RTLD_DEFAULT, name);
    if (!found)
        fprintf(stderr, "no %s\n", name);
    return found;
}

static bool find_allocator(const char *name)
{
    void *found = NULL;
    if (strcmp(name, "jemalloc") == 0) {
        found = symbol("mallctl");
        memcpy(&mallctl_function, &found, sizeof found);
        is_theirs = is_jemalloc;
    } else if (strcmp(name, "mimalloc") == 0) {
        found = symbol("mi_is_in_heap_region");
        memcpy(&mimalloc_function, &found, sizeof found);
        is_theirs = is_mimalloc;
    } else if (strcmp(name, "tcmalloc") == 0) {
        found = symbol("MallocExtension_GetOwnership");
        memcpy(&tcmalloc_function, &found, sizeof found);
        is_theirs = is_tcmalloc;
    }
    return found != NULL;
}

#ifdef __cplusplus
#include <new>
#include <string>
#include <vector>

static void *draw(size_t size, int way)
{
    switch (way % 6) {
    case 0:
        return ::operator new(size);
    case 1:
        return ::operator new[](size);
    case 2:
        return ::operator new(size, std::nothrow);
    case 3:
        return ::operator new[](size, std::nothrow);
    case 4:
        return ::operator new(size, std::align_val_t(64));
    default:
        return ::operator new[](size, std::align_val_t(64));
    }
}

static void give_back(void *block, size_t size, int way)
{
    switch (way % 6) {
    case 0:
        return ::operator delete(block, size);
    case 1:
        return ::operator delete[](block);
    case 2:
        return ::operator delete(block, std::nothrow);
    case 3:
        return ::operator delete[](block, size);
    case 4:
        return ::operator delete(block, size, std::align_val_t(64));
    default:
        return ::operator delete[](block, std::align_val_t(64));
    }
}
#else
static void *draw(size_t size, int way)
{
    void *block = NULL;
    switch (way % 6) {
    case 0:
        return malloc(size);
    case 1:
        return calloc(2, (size + 1) / 2);
    case 2:
        return realloc(malloc(3), size);
    case 3:
        return aligned_alloc(64, (size + 63) / 64 * 64);
    case 4:
        return posix_memalign(&block, 128, size) == 0 ? block : NULL;
    default:
        return memalign(32, size);
    }
}

static void give_back(void *block, size_t size, int way)
{
    (void)size;
    (void)way;
    free(block);
}
#endif

static void *work(void *argument)
{
    enum { COUNT = 60 };
    unsigned char *before[COUNT], *paused[COUNT];
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < COUNT; i++) {
            size_t size = (size_t)(i * i * 10 + 1);
            before[i] = (unsigned char *)opaque(draw(size, i));
            EXPECT(is_theirs(before[i]) && !in_arena(before[i]));
            EXPECT(malloc_usable_size(before[i]) >= size);
            fill(before[i], size, (unsigned)i);
        }
        ARENA_SCOPE("stack") {
            for (int i = 0; i < COUNT; i++) {
                size_t size = (size_t)(i * i * 10 + 1);
                unsigned char *own = (unsigned char *)opaque(draw(size, i));
                EXPECT(in_arena(own) && !is_theirs(own));
                fill(own, size, 99);
                ARENA_SCOPE_PAUSED
                {
                    paused[i] = (unsigned char *)opaque(draw(size, i + 1));
                    EXPECT(is_theirs(paused[i]));
                }
                EXPECT(filled(before[i], size, (unsigned)i));
                /* Theirs is given back in a scope, ours as well. */
                give_back(before[i], size, i);
                if (i % 2)
                    give_back(own, size, i);
            }
#ifdef __cplusplus
            std::vector<std::string> words(20, std::string(50, 'x'));
            EXPECT(in_arena(words.data()));
#else
            /* A block of theirs that grows in a scope stays theirs. */
            unsigned char *block;
            ARENA_SCOPE_PAUSED block = (unsigned char *)opaque(malloc(100));
            fill(block, 100, 1);
            block = (unsigned char *)opaque(realloc(block, 10000));
            EXPECT(is_theirs(block) && filled(block, 100, 1));
            free(block);
            /* And one of ours that grows in a pause becomes theirs. */
            block = (unsigned char *)opaque(malloc(100));
            fill(block, 100, 2);
            ARENA_SCOPE_PAUSED block = (unsigned char *)opaque(realloc(block, 5000));
            EXPECT(is_theirs(block) && filled(block, 100, 2));
            free(block);
#endif
        }
        for (int i = 0; i < COUNT; i++)
            give_back(paused[i], (size_t)(i * i * 10 + 1), i + 1);
    }
    return argument;
}

int main(int argc, char **argv)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    if (argc < 2 || !find_allocator(argv[1]))
        return 2;
    arena_learn();
    work(NULL);
    for (int i = 0; i < THREADS; i++)
        EXPECT(pthread_create(&threads[i], NULL, work, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        EXPECT(pthread_join(threads[i], NULL) == 0);
    puts("works");
    return expect_failures > 0;
}
