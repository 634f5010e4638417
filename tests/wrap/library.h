/*
 * The functions of a library or program, read from its file, for the tests of the entry patcher:
 * from the symbol tables, and, for those without a symbol, from the unwind table.
 */
#ifndef TESTS_WRAP_LIBRARY_H
#define TESTS_WRAP_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Addresses are the file's own, to which the place where it is loaded is added. */
struct library_function {
    uintptr_t start;
    size_t size;
    uintptr_t text_start, text_end; /* the executable segment */
    bool named;                     /* has a symbol: it is a function, not a part of one */
};

struct library {
    unsigned char *file;
    size_t bytes;
    uintptr_t end;                      /* of all segments */
    struct library_function *functions; /* by address, each once */
    size_t count;
};

/* Reads a file; ends the process when it cannot. */
void library_read(struct library *library, const char *path);

/* Maps the segments as a loader would, without relocating anything; returns what to add to
 * addresses. */
uintptr_t library_map(const struct library *library);

#endif
