/*
 * The C++ allocation operators behind the shim.
 *
 * All variants are interposed (an operator that is missing would free with one allocator what
 * another allocated). An operator of the C++ runtime only wraps malloc and free, so it is skipped;
 * an operator that somebody else defines is called.
 *
 * The functions are called with the arguments of the longest variant. The C calling conventions of
 * the supported machines pass these in registers, where a shorter variant ignores them.
 */
#ifndef SHIM_OPERATORS_H
#define SHIM_OPERATORS_H

#include <stddef.h>
#include <stdint.h>

/* In the order of operators.c's names. Even: single object, odd: array. */
enum operator_new {
    NEW,
    NEW_ARRAY,
    NEW_NOTHROW,
    NEW_ARRAY_NOTHROW,
    NEW_ALIGNED,
    NEW_ARRAY_ALIGNED,
    NEW_ALIGNED_NOTHROW,
    NEW_ARRAY_ALIGNED_NOTHROW,
    NEW_VARIANTS
};

enum operator_delete {
    DELETE,
    DELETE_ARRAY,
    DELETE_SIZED,
    DELETE_ARRAY_SIZED,
    DELETE_NOTHROW,
    DELETE_ARRAY_NOTHROW,
    DELETE_ALIGNED,
    DELETE_ARRAY_ALIGNED,
    DELETE_SIZED_ALIGNED,
    DELETE_ARRAY_SIZED_ALIGNED,
    DELETE_ALIGNED_NOTHROW,
    DELETE_ARRAY_ALIGNED_NOTHROW,
    DELETE_VARIANTS
};

typedef void *operator_new_function(size_t size, uintptr_t second, uintptr_t third);
typedef void operator_delete_function(void *block, uintptr_t second, uintptr_t third);

struct operators {
    operator_new_function *new_variants[NEW_VARIANTS];          /* NULL: the runtime's or none */
    operator_delete_function *delete_variants[DELETE_VARIANTS]; /* likewise */
};

/* Looks up the operators behind the shim. */
void operators_resolve(struct operators *operators);

/* The C++ runtime's own operator, called when there is no memory: it runs the program's
 * new_handler and throws std::bad_alloc or returns NULL. */
void *operators_runtime_new(enum operator_new variant, size_t size, uintptr_t second,
                            uintptr_t third);

/* What a throwing operator does when the arena refuses (ARENASHIM_OVERFLOW=error): calls the
 * program's new_handler and returns, for another try, or throws std::bad_alloc without one. */
void operators_refused(void);

#endif
