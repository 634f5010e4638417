/*
 * The C++ allocation operators that others define.
 *
 * All variants are interposed (an operator that is missing would free with one allocator what
 * another allocated). An operator of the C++ runtime only wraps malloc and free, or another
 * operator, so it is skipped; an operator that somebody else defines behind the shim is called for
 * what is not routed.
 *
 * A program may replace some of them and leave the others to the runtime, whose own call those:
 * new[] calls new, a sized delete the plain one, a nothrow form the throwing one. Then the shim
 * must not answer a form itself that comes to a replaced one: the program's has something to say to
 * each block. The program's stand in front of the shim, so what it replaces itself is never seen
 * here. The same holds of malloc and free, to which the runtime's operators come in the end.
 *
 * The functions are called with the arguments of the longest variant. The C calling conventions of
 * the supported machines pass these in registers, where a shorter variant ignores them.
 */
#ifndef SHIM_OPERATORS_H
#define SHIM_OPERATORS_H

#include <limits.h>
#include <stdbool.h>
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
    /* What is called where the shim does not serve: what somebody defines, or, of a form that comes
     * to such a one, what brings it there. NULL: the shim does what the runtime would. */
    operator_new_function *new_variants[NEW_VARIANTS];
    operator_delete_function *delete_variants[DELETE_VARIANTS];
    unsigned news_in_front; /* bits of variants that come to one in front of the shim, in scopes,
                             * too; all until it is known */
    bool deletes_in_front;  /* one of these, or free, stands there; then no entry is NULL */
    bool resolved;
};
#define OPERATORS_UNRESOLVED                                                                       \
    {                                                                                              \
        .news_in_front = UINT_MAX                                                                  \
    }

/* Looks them up, unless that has happened. Any thread, at any time before fixed_seal(), when this
 * library is relocated. */
void operators_resolve(struct operators *operators);

/* The C++ runtime's own operator, called when there is no memory: it runs the program's
 * new_handler and throws std::bad_alloc or returns NULL. Of a nothrow form the throwing one is
 * called by it, which is the shim's, once more. */
void *operators_runtime_new(enum operator_new variant, size_t size, uintptr_t second,
                            uintptr_t third);

/* Whether the program has installed a new_handler. */
bool operators_have_handler(void);

/* What a throwing operator does when the arena refuses (ARENASHIM_OVERFLOW=error): calls the
 * program's new_handler and returns, for another try, or throws std::bad_alloc without one. */
void operators_refused(void);

#endif
