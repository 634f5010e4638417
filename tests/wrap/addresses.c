/*
 * A library (LIBRARY) with a function whose entry cannot be overwritten and whose address it has in
 * one of these ways, and a program that compares it with the one that it has itself: KNOWN is CODE,
 * DATA, COPY (made by a constructor) or NOWHERE.
 */
int looped(int count);

#ifdef LIBRARY
#include "loop.h"

#define NOWHERE 0
#define CODE 1
#define DATA 2
#define COPY 3

LOOP("looped")

static int (*known)(int)
#if KNOWN == DATA
    = looped
#endif
    ;

#if KNOWN == COPY
__attribute__((constructor)) static void copy(void)
{
    known = looped;
}
#endif

int is_known(int (*function)(int))
{
#if KNOWN == CODE
    known = looped;
#endif
    __asm__ volatile("" : "+m"(known));
    return KNOWN == NOWHERE || known == function;
}
#else
#include <stdio.h>

int is_known(int (*function)(int));

int main(void)
{
    printf("%d %s\n", looped(3), is_known(looped) ? "the same" : "another");
}
#endif
