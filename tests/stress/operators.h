/*
 * The C++ allocation operators and scopes by C++ guards, for the C of the stress test.
 */
#ifndef TESTS_STRESS_OPERATORS_H
#define TESTS_STRESS_OPERATORS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* By what a block was made, and so by what it must be freed. */
enum kind { KIND_C, KIND_NEW, KIND_NEW_ARRAY, KIND_NEW_ALIGNED, KIND_NEW_ARRAY_ALIGNED };

/* operator new of the kind, one that throws or its nothrow sibling. NULL when it fails. */
void *operators_new(enum kind kind, int nothrow, size_t size, size_t alignment);

enum delete_form { DELETE_PLAIN, DELETE_SIZED, DELETE_NOTHROW, DELETE_FORMS };
void operators_delete(enum kind kind, enum delete_form form, void *block, size_t size,
                      size_t alignment);

/* Runs body(argument) in a scope of an arenashim::scope, which an exception leaves if `throws`. */
void operators_scope(void (*body)(void *), void *argument, int throws);

#ifdef __cplusplus
}
#endif

#endif
