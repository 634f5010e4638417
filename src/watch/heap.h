/*
 * Memory for the blocks that are recorded: a range of addresses of its own, so that a block is
 * recognised by where it lies, with a note in front of each. Neither the program's memory nor its
 * speed are measured in such runs, so nothing is done for either but lists of free blocks by size.
 * But a program that lives within limits is to do so here: the addresses are free ones that the
 * kernel gives to nobody who does not ask for them, and are mapped as they are needed, as the next
 * allocator maps its own. Those of a large block are given up with it.
 *
 * Any thread at any time; a signal handler that interrupts a call here must not make one (see
 * state.h).
 */
#ifndef WATCH_HEAP_H
#define WATCH_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct activation;
struct drawn;

/* In front of a block, up to its first byte. */
struct note {
    size_t size;                /* that was asked for */
    struct activation *context; /* innermost activation that it was drawn in, or NULL (prove.h) */
    struct drawn *drawn;        /* the stack that drew it, or NULL (sample.h) */
    struct note *next, **link; /* in a list of blocks with a stack; link: NULL: in none (prove.h) */
    size_t bytes;              /* of its memory */
    uint32_t before;           /* bytes from the start of its memory to the note */
    uint16_t forks;            /* of the process, when it was drawn (prove.h) */
    bool large;                /* it has a mapping of its own */
};

/* False: there is no memory. Called once. */
bool heap_start(void);

/* Whether the pointer is to a block of this heap. */
static inline bool heap_has(const void *block);

static inline struct note *heap_note(void *block)
{
    return (struct note *)block - 1;
}

#define HEAP_ALIGNMENT_MOST ((size_t)1 << 30)

/* A block whose note has its size alone; `alignment` is a power of two from 16
 * on. *clean: it is all zeroes. NULL: there is no memory, or the alignment is larger than that; the
 * next allocator may have some. */
void *heap_take(size_t size, size_t alignment, bool *clean);
void heap_give(void *block);

/* Bytes from the block's first to the end of its memory. */
size_t heap_room(void *block);

/* Around a fork, so that the child's lists are whole. */
void heap_lock(void);
void heap_unlock(void);

extern uintptr_t heap_start_address, heap_bytes; /* the latter grows */
static inline bool heap_has(const void *block)
{
    return (uintptr_t)block - heap_start_address < __atomic_load_n(&heap_bytes, __ATOMIC_RELAXED);
}

#endif
