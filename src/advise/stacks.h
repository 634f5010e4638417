/*
 * The stacks of a record: which functions they are made of, and what was drawn and freed in each.
 */
#ifndef ADVISE_STACKS_H
#define ADVISE_STACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watch/record.h"

/* A function, by the path of its file; however often that was loaded, and wherever. */
struct stack_function {
    const char *module;
    uint64_t offset;     /* of its entry */
    double calls, bytes; /* weight of what was drawn with it on the stack */
    double inside;       /* of the calls: freed while its outermost frame was there */
    unsigned depth;      /* of its outermost frame */
    bool starts;         /* what starts the program or a thread, main among them */
    bool is_system;      /* of the C and C++ runtimes, or of the shim */
};

struct stacks {
    const struct record *record;
    uint32_t frame_count;             /* with frame 0, which is none */
    uint32_t *function;               /* of each frame: its number; 0: the code is in no file */
    struct stack_function *functions; /* from 1 */
    uint32_t function_count;
    double calls, bytes; /* of all stacks */
};

void stacks_read(const struct record *record, struct stacks *stacks);
void stacks_free(struct stacks *stacks);

/* The number of a function, 0 when no stack has it. */
uint32_t stacks_find(const struct stacks *stacks, const char *module, uint64_t offset);

/* The caller's frame, 0 for the outermost. */
static inline uint32_t stacks_parent(const struct stacks *stacks, uint32_t frame)
{
    uint32_t parent = stacks->record->frames[frame].parent;
    return parent < frame ? parent : 0; /* callers are entered first */
}

#endif
