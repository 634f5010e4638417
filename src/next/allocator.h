/*
 * The table of the next allocator's functions, and that of what the entry points call outside
 * scopes.
 */
#ifndef NEXT_ALLOCATOR_H
#define NEXT_ALLOCATOR_H

#include <stddef.h>

/* The functions that every interposable allocator defines; the rest of the family is made from
 * them, so that memory of two allocators never mixes. malloc_trim may be another's: it takes no
 * block. */
#define NEXT_FUNCTIONS(X)                                                                          \
    X(void *, malloc, (size_t))                                                                    \
    X(void, free, (void *))                                                                        \
    X(void *, calloc, (size_t, size_t))                                                            \
    X(void *, realloc, (void *, size_t))                                                           \
    X(void *, memalign, (size_t, size_t))                                                          \
    X(void *, aligned_alloc, (size_t, size_t))                                                     \
    X(int, posix_memalign, (void **, size_t, size_t))                                              \
    X(size_t, malloc_usable_size, (void *))                                                        \
    X(int, malloc_trim, (size_t))

#define NEXT_MEMBER(result, name, parameters) result(*name) parameters;
struct next_allocator {
    NEXT_FUNCTIONS(NEXT_MEMBER)
};

/* The entries before the look-up, for the table's static initializer. */
#define NEXT_DECLARE(result, name, parameters) result next_first_##name parameters;
NEXT_FUNCTIONS(NEXT_DECLARE)
#define NEXT_FIRST(result, name, parameters) .name = next_first_##name,
#define NEXT_UNRESOLVED                                                                            \
    {                                                                                              \
        NEXT_FUNCTIONS(NEXT_FIRST)                                                                 \
    }

/* What malloc and calloc do where hot.cursor is 0, and free, realloc and malloc_usable_size with
 * pointers that are not for the fast paths: the next allocator's functions, or those of automatic.h
 * and block.h in their place. `serve` is for the other entry points: NULL, or a
 * function of these that does what block_serve does in scopes. */
struct request;
struct outside {
    void *(*malloc)(size_t size);
    void *(*calloc)(size_t count, size_t size);
    void *(*serve)(const struct request *request);
    void (*free)(void *block);
    void *(*realloc)(void *block, size_t size);
    size_t (*malloc_usable_size)(void *block);
};
#define OUTSIDE_UNRESOLVED                                                                         \
    {                                                                                              \
        next_first_malloc, next_first_calloc, NULL, next_first_free, next_first_realloc,           \
            next_first_malloc_usable_size                                                          \
    }

#endif
