/*
 * The record of a watched run: a file that `arenashim advise` makes, of its full size and with its
 * blocks allocated, and that every watched process maps shared. So what is known of a process needs
 * no orderly end of it, forked processes add to the same sums, and nothing is sent.
 *
 * Numbers other than the settings are added to with relaxed atomics by any thread of any process;
 * the command reads them when all have ended. An entry of a table is complete before its number is
 * seen by others; entry 0 of each table is none.
 *
 * Units: calls are calls of the malloc family that drew a block (a realloc that resizes one is none
 * of these), bytes are those that were asked for, weights are 1 for each call where all are
 * recorded (every == 1), else `every` for a sampled one.
 */
#ifndef WATCH_RECORD_H
#define WATCH_RECORD_H

#include <stdint.h>

enum watch_mode {
    WATCH_COUNT,  /* calls, and the time they take */
    WATCH_SAMPLE, /* and where one in `every` was drawn, and where its block was freed */
    WATCH_PROVE,  /* and, for the calls of the functions named, what died in each: every block */
};

#define RECORD_MAGIC UINT64_C(0x315f68637461772e)
#define RECORD_THREADS                                                                             \
    256 /* slots that threads share when there are more: sums are about right then */
#define RECORD_MODULES 1024
#define RECORD_MODULE_SLOTS (2 * RECORD_MODULES) /* of the hash table */
#define RECORD_FUNCTIONS 64
#define RECORD_FRAMES (1 << 18)
#define RECORD_FRAME_SLOTS (2 * RECORD_FRAMES)
#define RECORD_LIVES (1 << 17)
#define RECORD_LIFE_SLOTS (2 * RECORD_LIVES)
#define RECORD_DEPTH 512 /* frames of a stack; a deeper one is counted in too_deep, no more */

/* What threads count in slots of their own. */
struct record_thread {
    uint64_t calls;
    uint64_t bytes;
    uint64_t frees; /* of blocks, by free and by realloc(block, 0) */
    uint64_t resizes;
    uint64_t
        nanoseconds;   /* spent in the next allocator, scaled up from the calls that were timed */
    uint64_t sampled;  /* stacks unwound, of draws and of frees */
    uint64_t sampling; /* nanoseconds spent on these (WATCH_COUNT: some, on trial) */
    uint64_t threads;  /* that have this slot */
} __attribute__((aligned(64)));

#define RECORD_PATH 4096

/* An object file that calls came through, wherever a process has it. */
struct record_module {
    char path[RECORD_PATH]; /* as the dynamic linker has it; the program's own is that of
                             * /proc/self/exe */
};

/* A frame of a stack, below that of its caller: equal stacks have one leaf. */
struct record_frame {
    uint32_t parent;   /* the caller's; 0: it is the outermost */
    uint32_t module;   /* 0: the code is in no object file (generated, or none any more) */
    uint64_t offset;   /* of the address that it returns to, from the module's load base */
    uint64_t function; /* where that function's code begins, likewise, as the unwind table has it */
    uint64_t calls;    /* weight of what was drawn with this leaf */
    uint64_t bytes;
};

enum life_end {
    LIFE_INSIDE = 1, /* freed while `bound` was the last frame that both stacks have in common:
                      * function and place on the stack; the same activation, as it seems. 0: it is
                      * unknown, as a stack was cut or too deep */
    LIFE_OTHER,      /* freed by another thread; no bound */
    LIFE_SURVIVED,   /* WATCH_PROVE: outlived an activation of function number `bound` */
};

/* What became of blocks that were drawn with one leaf. Those that nothing is known of here were
 * alive at the end. */
struct record_life {
    uint32_t leaf;
    uint32_t bound;
    uint32_t end; /* enum life_end */
    uint32_t unused;
    uint64_t calls; /* weight */
    uint64_t bytes;
};

/* WATCH_PROVE: a function that the command names. */
struct record_function {
    char module[RECORD_PATH]; /* path, as in struct record_module */
    uint64_t offset;          /* of its entry, from the load base */
};

/* WATCH_PROVE: what a function's activations came to, as far as threads of one slot know. An
 * activation is a call that is not made inside of another of the same function by the same thread.
 * Of all blocks, and exact while no slot is shared. */
struct record_tally {
    uint64_t activations; /* begun */
    uint64_t nested;      /* further calls, inside of these */
    uint64_t threads;     /* that made any */
    uint64_t calls;       /* drawn inside, by the thread of the activation */
    uint64_t bytes;       /* and by how much they grew or shrank while inside */
    uint64_t inside; /* of these calls: freed before the activation ended, by the same thread */
    uint64_t inside_bytes;
    uint64_t resizes;       /* of blocks drawn inside, while inside */
    uint64_t foreign;       /* drawn inside, freed by another thread at whatever time */
    uint64_t surviving;     /* activations that ended with a block of theirs alive */
    uint64_t left;          /* activations that a jump left: they ended when it was noticed */
    uint64_t freed_outside; /* blocks not drawn inside that were freed or resized inside */
    uint64_t most_bytes;    /* drawn inside and alive at once, in one activation */
    uint64_t most_calls;    /* drawn in one activation */
} __attribute__((aligned(64)));

/*
 * The command chooses `every` after a run that counts: exact (1) for up to RECORD_EXACT calls, else
 * so that the sampled run takes at most 1.3 times the plain one's CPU time,
 *
 *     every = ceil(2 * calls * stack / max(0.25 * plain - overhead, 0.05 * plain)),
 *     at least ceil(calls / RECORD_SAMPLES)
 *     stack = sampling / sampled          seconds for a stack, on trial
 *     overhead = counted - plain - sampling
 *
 * `counted` is the CPU time of the run that counts; there is some room for what varies. More
 * samples than RECORD_SAMPLES tell hardly more, and the tables are to hold their stacks.
 */
#define RECORD_EXACT 10000
#define RECORD_SAMPLES 50000

struct record {
    uint64_t magic; /* RECORD_MAGIC; written last by the command */
    uint64_t size;  /* sizeof(struct record): both sides are of one version */
    uint64_t every; /* WATCH_SAMPLE and WATCH_PROVE: one stack in so many is unwound; >= 1 */
    uint32_t mode;  /* enum watch_mode */
    uint32_t functions_named;
    char program[64]; /* base name of the executables to be watched, or of a link to one or a
                       * script; "": the leader is, whatever it executes */
    int32_t leader;   /* the process that the command started, entered before it executes */

    uint64_t processes;      /* that were watched: executed, and forked from these */
    uint64_t not_watched;    /* executed, and of another name */
    uint64_t clock_overhead; /* nanoseconds of timing nothing, already taken off */
    uint64_t dropped;        /* weight not recorded since a table was full, or memory */
    uint64_t too_deep;       /* weight of deeper stacks than RECORD_DEPTH */
    uint64_t cut;            /* weight of stacks that ended in code without unwind information */
    uint64_t cut_module;     /* the module of one such frame, or 0 */
    uint64_t busy;           /* calls passed on, since a handler had interrupted the watching */

    uint32_t is_threaded; /* several threads of one process have allocated */
    uint32_t slots_taken; /* of `threads`, over all processes */
    uint32_t modules_used, frames_used, lives_used; /* tables: the next free entry; the command
                                                     * sets 1 */
    struct record_thread threads[RECORD_THREADS];
    struct record_function functions[RECORD_FUNCTIONS]; /* from 0 */
    struct record_tally tallies[RECORD_THREADS][RECORD_FUNCTIONS];
    uint32_t module_slots[RECORD_MODULE_SLOTS];
    struct record_module modules[RECORD_MODULES];
    uint32_t frame_slots[RECORD_FRAME_SLOTS];
    struct record_frame frames[RECORD_FRAMES];
    uint32_t life_slots[RECORD_LIFE_SLOTS];
    struct record_life lives[RECORD_LIVES];
};

/* A function's tallies of all slots together. */
static inline struct record_tally record_tally(const struct record *record, uint32_t function)
{
    struct record_tally sum = {.activations = 0};
    for (uint32_t i = 0; i < RECORD_THREADS; i++) {
        const struct record_tally *one = &record->tallies[i][function];
        sum.activations += one->activations;
        sum.nested += one->nested;
        sum.threads += one->threads;
        sum.calls += one->calls;
        sum.bytes += one->bytes;
        sum.inside += one->inside;
        sum.inside_bytes += one->inside_bytes;
        sum.resizes += one->resizes;
        sum.foreign += one->foreign;
        sum.surviving += one->surviving;
        sum.left += one->left;
        sum.freed_outside += one->freed_outside;
        sum.most_bytes = one->most_bytes > sum.most_bytes ? one->most_bytes : sum.most_bytes;
        sum.most_calls = one->most_calls > sum.most_calls ? one->most_calls : sum.most_calls;
    }
    return sum;
}

#endif
