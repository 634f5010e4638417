/*
 * Libraries that allocate before the shim's constructor has run; one each by definition:
 * EARLY_DLSYM overrides dlsym by one that allocates and keeps what it got, EARLY_CONSTRUCTOR
 * allocates when loaded, EARLY_IFUNC while it is relocated.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static void *volatile kept[64];
static int used;

static inline void keep_one(size_t size)
{
    char *block = calloc(1, size);
    if (block && used < 64) {
        memset(block, 0x5a, size);
        kept[used++] = block;
    }
}

int early_check(void);

/* What was drawn early is still there, and can grow and be freed. */
int early_check(void)
{
    int count = used;
    for (int i = 0; i < count; i++) {
        char *block = kept[i];
        if (block[0] != 0x5a || block[20] != 0x5a)
            return -1;
        if (i % 2 == 0)
            block = realloc(block, 1000);
        if (!block || block[20] != 0x5a)
            return -1;
        free(block);
    }
    used = 0;
    return count;
}

#ifdef EARLY_DLSYM
void *dlsym(void *handle, const char *name)
{
    static void *(*real)(void *, const char *);
    if (!real) {
        void *found = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
        if (!found)
            found = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
        memcpy(&real, &found, sizeof found);
    }
    malloc_trim(0);
    void *short_lived = malloc(100);
    keep_one(50);
    short_lived = realloc(short_lived, 300);
    free(short_lived);
    return real(handle, name);
}
#endif

#ifdef EARLY_CONSTRUCTOR
__attribute__((constructor)) static void allocate(void)
{
    for (int i = 0; i < 20; i++)
        keep_one(100);
}
#endif

#ifdef EARLY_IFUNC
static int answer(void)
{
    return 4711;
}

static int (*choose(void))(void)
{
    void *volatile block = malloc(100);
    free(block);
    return answer;
}

int early_answer(void) __attribute__((ifunc("choose")));
#endif
