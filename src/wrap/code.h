/*
 * Executable memory, and changing code. A page is never writable and executable at once: memory for
 * code is executable from the start, and all code is written through the kernel
 * (/proc/thread-self/mem), which gives the process a page of its own as a debugger's write does.
 *
 * Calls are made by one thread at a time. None allocates or touches errno.
 */
#ifndef WRAP_CODE_H
#define WRAP_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A place for at most CODE_PLACE_MAX bytes of code, aligned to 16, from which a jump
 * reaches `near` and what lies around it. The same place is found again until it is filled. 0:
 * there is no memory. */
#define CODE_PLACE_MAX 512
uintptr_t code_place(uintptr_t near);

/* Writes code to a place found last, which is taken then. False: as code_write. */
bool code_fill(uintptr_t place, const void *code, size_t size);

/* Gives a filled place back: nothing runs there, or comes there, any more. */
void code_release(uintptr_t place);

/* Code in a mapping of its own, anywhere, for when code_fill fails; 0: there is no memory. */
uintptr_t code_alone(const void *code, size_t size);

/* Writes at most CODE_PLACE_MAX bytes over code. False when the kernel refuses it, or it did not
 * arrive: all is as it was, or no write succeeds any more. */
bool code_write(uintptr_t address, const void *code, size_t size);

#endif
