/*
 * Watching a program for `arenashim advise`: what the shim and the part that does it (src/watch),
 * which is loaded only then, have in common. The shim is idle in such a process, and hands on to
 * that part what it would hand on to the next allocator.
 */
#ifndef NEXT_WATCH_HOST_H
#define NEXT_WATCH_HOST_H

#include <stdbool.h>

#include "next/allocator.h"
#include "next/named_host.h"

/* Filled by the shim but for what is called `watching`. */
struct watch_host {
    const char *record; /* ARENASHIM_WATCH: the file of watch/record.h */
    struct next_allocator
        next; /* whom calls go on to; libc_*: those of the C library's own names */
    void (*libc_free)(void *);
    void *(*libc_realloc)(void *, size_t);
    struct next_allocator watching; /* whom the shim is to hand them on to */
    void (*watching_libc_free)(void *);
    void *(*watching_libc_realloc)(void *, size_t);
    struct named_host named; /* enter and leave are the part's to replace */
};

/* The file of src/watch. */
#define WATCH_PART "libarenashim-watch.so"

/* The one symbol of src/watch, looked up by name. Called once, by the shim's constructor. False,
 * with nothing changed: this process is not to be watched, or cannot be, which was said. */
#define WATCH_START "arenashim_watch_start"
typedef bool watch_start_function(struct watch_host *host);

#endif
