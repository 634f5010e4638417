/*
 * libforward.so, to be preloaded: malloc, calloc, realloc and free that do nothing but call the
 * next ones. What standing in front of the allocator costs at least.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>

/* Their prototypes are the callers' headers' business. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#define EXPORT __attribute__((visibility("default")))

static void look_up(void);

/* What the pointers below lead to until the next allocator is known, so that later calls need no
 * test. Calls that the look-up itself makes fail, which dlsym bears. */
static void *refuse(void)
{
    errno = ENOMEM;
    return NULL;
}

static void *first_malloc(size_t size);
static void *first_calloc(size_t count, size_t size);
static void *first_realloc(void *block, size_t size);
static void first_free(void *block);

static struct {
    void *(*malloc)(size_t size);
    void *(*calloc)(size_t count, size_t size);
    void *(*realloc)(void *block, size_t size);
    void (*free)(void *block);
} next = {first_malloc, first_calloc, first_realloc, first_free};

static int is_looking_up;

static void *first_malloc(size_t size)
{
    look_up();
    return next.malloc == first_malloc ? refuse() : next.malloc(size);
}

static void *first_calloc(size_t count, size_t size)
{
    look_up();
    return next.calloc == first_calloc ? refuse() : next.calloc(count, size);
}

static void *first_realloc(void *block, size_t size)
{
    look_up();
    return next.realloc == first_realloc ? refuse() : next.realloc(block, size);
}

static void first_free(void *block)
{
    look_up();
    if (next.free != first_free)
        next.free(block);
}

/* Before the program has threads: by the constructor, or by a call that comes earlier. */
__attribute__((constructor)) static void look_up(void)
{
    if (is_looking_up)
        return;
    is_looking_up = 1;
    *(void **)&next.malloc = dlsym(RTLD_NEXT, "malloc");
    *(void **)&next.calloc = dlsym(RTLD_NEXT, "calloc");
    *(void **)&next.realloc = dlsym(RTLD_NEXT, "realloc");
    *(void **)&next.free = dlsym(RTLD_NEXT, "free");
}

EXPORT void *malloc(size_t size)
{
    return next.malloc(size);
}

EXPORT void *calloc(size_t count, size_t size)
{
    return next.calloc(count, size);
}

EXPORT void *realloc(void *block, size_t size)
{
    return next.realloc(block, size);
}

EXPORT void free(void *block)
{
    next.free(block);
}
