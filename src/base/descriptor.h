/*
 * Descriptors of the host program that the shim writes to. The number may be another file's by the
 * time it is written to, as when a program closes its stderr and opens a file: so what it names is
 * noted at start and compared. Nothing here allocates, locks or changes errno.
 */
#ifndef BASE_DESCRIPTOR_H
#define BASE_DESCRIPTOR_H

#include <stdbool.h>
#include <stdint.h>

struct descriptor {
    int number; /* -1: it was closed */
    unsigned device[2];
    uint64_t file;
    int64_t seconds; /* when the file was made: numbers of files are used again */
    uint32_t nanoseconds;
};

/* Notes what the number names. False, with `number` -1, when that is nothing. */
bool descriptor_note(struct descriptor *descriptor, int number);

/* Its number, or -1 when that names nothing, or something else by now. */
int descriptor_now(const struct descriptor *descriptor);

/* True when both name the same file, terminal, pipe or socket. */
bool descriptor_equals(const struct descriptor *one, const struct descriptor *other);

#endif
