/*
 * Who counts as the caller of malloc: the module that the call returns to. A function whose last
 * act is to call malloc has no part in that; one run per case. With -DLIBRARY this is libtail.so,
 * which allocates for itself and for others.
 */
#include <stdlib.h>

typedef void *allocate_function(size_t);

void *tail_malloc(size_t size);
void *tail_calloc(size_t size);
void *tail_realloc(size_t size);
void *tail_through(allocate_function *allocate, size_t size);
void *tail_kept(allocate_function *allocate, size_t size);

#ifdef LIBRARY

/* Wrappers, such as every program has somewhere. */
void *tail_malloc(size_t size)
{
    return malloc(size);
}

void *tail_calloc(size_t size)
{
    return calloc(1, size);
}

void *tail_realloc(size_t size)
{
    return realloc(NULL, size);
}

/* Tail-calls what it is given. */
void *tail_through(allocate_function *allocate, size_t size)
{
    return allocate(size);
}

/* Memory of the library's own, from the function that it is told to use. */
void *tail_kept(allocate_function *allocate, size_t size)
{
    static void *kept;
    kept = (allocate ? allocate : tail_malloc)(size);
    if (kept)
        *(volatile char *)kept = 1;
    return kept;
}

#else

#include "expect.h"

static void say(void *block)
{
    puts(in_arena(block) ? "arena" : "elsewhere");
}

/* A wrapper of the library's, called by the program, is the program's call. */
static void wrapper_malloc(void)
{
    ARENA_SCOPE("wrapper")
        say(opaque(tail_malloc(100)));
}

static void wrapper_calloc(void)
{
    ARENA_SCOPE("wrapper")
        say(opaque(tail_calloc(100)));
}

static void wrapper_realloc(void)
{
    ARENA_SCOPE("wrapper")
        say(opaque(tail_realloc(100)));
}

/* Two of them, one after the other. */
static void wrapper_of_wrapper(void)
{
    ARENA_SCOPE("wrapper")
        say(opaque(tail_through(tail_malloc, 100)));
}

static void pointer_to_malloc(void)
{
    ARENA_SCOPE("wrapper")
        say(opaque(tail_through(malloc, 100)));
}

/* The library's own wrapper, for memory of the library's own, is the library's call. */
static void library_for_itself(void)
{
    ARENA_SCOPE("library")
        say(opaque(tail_kept(NULL, 100)));
}

static void library_with_malloc(void)
{
    ARENA_SCOPE("library")
        say(opaque(tail_kept(malloc, 100)));
}

__attribute__((noinline)) static void *tail_callback(size_t size)
{
    return malloc(size);
}

/* Does something after the call, as counting allocators do. */
__attribute__((noinline)) static void *counting_callback(size_t size)
{
    static volatile int count;
    void *block = malloc(size);
    count++;
    return block;
}

/* The program's callback vanishes from the call that the library makes through it... */
static void library_with_tail_callback(void)
{
    ARENA_SCOPE("library")
        say(opaque(tail_kept(tail_callback, 100)));
}

/* ... or is the caller: then memory that the library keeps lies in the arena. */
static void library_with_callback(void)
{
    ARENA_SCOPE("library")
        say(opaque(tail_kept(counting_callback, 100)));
}

/* What a program does about it. */
static void library_in_pause(void)
{
    ARENA_SCOPE("library") {
        EXPECT(in_arena(opaque(malloc(1))));
        ARENA_SCOPE_PAUSED
        {
            say(opaque(tail_kept(counting_callback, 100)));
        }
    }
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"wrapper_malloc", wrapper_malloc},
        {"wrapper_calloc", wrapper_calloc},
        {"wrapper_realloc", wrapper_realloc},
        {"wrapper_of_wrapper", wrapper_of_wrapper},
        {"pointer_to_malloc", pointer_to_malloc},
        {"library_for_itself", library_for_itself},
        {"library_with_malloc", library_with_malloc},
        {"library_with_tail_callback", library_with_tail_callback},
        {"library_with_callback", library_with_callback},
        {"library_in_pause", library_in_pause},
    };
    arena_learn();
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}

#endif
