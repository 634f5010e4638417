/*
 * Memory of this part's own, from the kernel: what it keeps must outlive every scope, whichever
 * modules draw from arenas, and it works while the dynamic linker holds its locks.
 */
#ifndef WRAP_MEMORY_H
#define WRAP_MEMORY_H

#include <stddef.h>

/* Zeroed memory aligned to 16 that is never given back; NULL when there is none. One thread at a
 * time. */
void *memory_take(size_t bytes);

/* A copy of `length` bytes with a NUL behind them, from memory_take. */
char *memory_text(const char *bytes, size_t length);

/* An array that grows; its items move. Begins as zeroes. */
struct list {
    void *items;
    size_t count;
    size_t bytes; /* mapped */
};

/* Appends a zeroed item; NULL, with nothing changed, when there is no memory. Every item of a list
 * has the same size. */
void *list_add(struct list *list, size_t item_bytes);

void list_free(struct list *list);

#endif
