/*
 * The next allocator: what the dynamic linker finds behind the shim (glibc, or whichever allocator
 * is preloaded or linked behind it).
 *
 * The table starts out with pointers that look the real functions up and then call them, so that
 * no caller asks "is it resolved?", and calls that arrive before any constructor work. Memory that
 * the look-up itself asks for comes from a static buffer and is never given back.
 */
#ifndef SHIM_NEXT_H
#define SHIM_NEXT_H

#include <stdbool.h>
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

/* What malloc and calloc do where hot.cursor is 0: the next allocator's functions, or those of
 * automatic.h or retain.h in their place. `serve` is for the other entry points: NULL, or a
 * function of these that does what block_serve does in scopes. */
struct request;
struct outside {
    void *(*malloc)(size_t size);
    void *(*calloc)(size_t count, size_t size);
    void *(*serve)(const struct request *request);
};
#define OUTSIDE_UNRESOLVED                                                                         \
    {                                                                                              \
        next_first_malloc, next_first_calloc, NULL                                                 \
    }

/*
 * The next allocator for calls that come before start, when the table itself may not be usable yet:
 * the dynamic linker relocates a library's dependents before the library, and their IFUNC resolvers
 * may allocate. Until it has relocated this library no pointer in it can be followed, thread-local
 * variables are not where they should be, and no function of another library can be called. The
 * boot buffer needs none of these.
 *
 * next_is_relocated   false in that state; the functions below then use the boot buffer alone, and
 *                     otherwise the table
 * next_boot_alloc     only in that state: a zeroed block, aligned to 16 or `alignment` (a power of
 *                     two); NULL when the buffer is used up, without errno
 */
bool next_is_relocated(void);
void *next_boot_alloc(size_t size, size_t alignment);
void next_early_free(void *block);
void *next_early_realloc(void *block, size_t size);
size_t next_early_usable_size(void *block);

/* Looks all entries up, unless that has happened. Any thread, at any time before fixed_seal(). */
void next_resolve(void);

#endif
