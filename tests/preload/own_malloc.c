/*
 * An allocator of its own, over the C library's: as a library it stands in the shim's way, as part
 * of a program (with -DPROGRAM) the program defines malloc.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <arenashim/scope.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void __libc_free(void *);

static size_t calls;

void *malloc(size_t size)
{
    calls++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    calls++;
    return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    return __libc_realloc(block, size);
}

void free(void *block)
{
    __libc_free(block);
}

#ifdef PROGRAM
int main(void)
{
    size_t before = calls;
    ARENA_SCOPE("own") {
        void *volatile block = malloc(100);
        free(block);
    }
    printf("%zu own calls\n", calls - before);
    return fflush(stdout) == 0 ? 7 : 1;
}
#endif
