/*
 * What an unwinder needs to know of a stub and the copied instructions behind it: a frame in front
 * of the function's own, with the same registers, at the instruction that the copied one stands
 * for. So a signal handler that interrupts the copy may throw, and what the function's own tables
 * say of the place counts.
 */
#ifndef WRAP_DESCRIBE_H
#define WRAP_DESCRIBE_H

#include <stddef.h>
#include <stdint.h>

#include "next/named_host.h"

/* A stub, behind it the copy of `length` bytes from `from` on, which were `before`, of a function
 * with a jump at `entry`; 0: there is no copy. */
struct described {
    uintptr_t from, entry;
    const unsigned char *before;
    size_t length;
    uintptr_t stub, copy, end;
};

/* Writes what lies in front of the stub: its struct named_copy and, right behind that, a table that
 * unwinders read as that of an object file. */
#define DESCRIPTION_BYTES 192
void describe(const struct described *described, unsigned char out[DESCRIPTION_BYTES]);

/* Lets unwinders find it, until it is forgotten, before its memory goes. */
void describe_publish(struct named_code *code, uintptr_t stub);
void describe_forget(struct named_code *code, uintptr_t stub);

#endif
