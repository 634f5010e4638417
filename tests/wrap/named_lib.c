/*
 * A library with functions of the kinds that specs are about; NAME is a prefix that tells several
 * builds of it apart. The functions whose entry cannot be patched are two instructions in assembly
 * that a branch goes back to.
 */
#include <string.h>

#include "loop.h"

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
#ifndef NAME
#define NAME k_
#endif
#define F(name) PASTE(NAME, name)

#ifdef __clang__
#define AS_IT_IS __attribute__((noinline))
#else
#define AS_IT_IS __attribute__((noinline, noclone))
#endif

AS_IT_IS int F(sum)(const int *numbers, int count)
{
    int sum = 0;
    for (int i = 0; i < count; i++)
        sum += numbers[i] * 3;
    return sum;
}

AS_IT_IS static int hidden(const char *text)
{
    int sum = 0;
    while (*text)
        sum = sum * 7 + *text++;
    return sum;
}

/* Calls inside the module: one by the PLT, one direct. */
int F(inside)(const char *text)
{
    int numbers[3] = {1, 2, (int)strlen(text)};
    return F(sum)(numbers, 3) + hidden(text);
}

int F(alias)(const int *numbers, int count) __attribute__((alias(
#define STRING_(x) #x
#define STRING(x) STRING_(x)
    STRING(F(sum)))));

LOOP(STRING(NAME) "looped")
LOOP(STRING(NAME) "looped_too")
__asm__(".hidden " STRING(NAME) "looped_local\n");
LOOP(STRING(NAME) "looped_local")
__asm__(".hidden " STRING(NAME) "looped_hid\n");
LOOP(STRING(NAME) "looped_hid")

int F(looped)(int count);

/* By its own PLT. */
int F(call_looped)(int count)
{
    return F(looped)(count);
}
