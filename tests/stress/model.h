/*
 * The model of the stress test, one per worker: which blocks are live, what they hold, where they
 * must come from, which scopes are open. Operations are drawn from the worker's own random stream,
 * done by the real functions, and judged by the model. A failure is a message and abort().
 *
 * With `exact` the model also knows the address of every routed block (cursor, header, rounding as
 * src/engine/block.h says), and so whether it fits and what the overflow policy makes of it.
 *
 * Determinism: what a worker does and what the calls answer follows from seed, number and settings
 * alone, however the threads interleave; `digest` sums it up. Not determined: addresses (but for
 * the offset in the arena), what the next allocator does, which state a receiver of mail is in, and
 * where a run for a number of seconds stops. Mail is served with random numbers that came with it
 * and leaves the receiver's arena as it was.
 */
#ifndef TESTS_STRESS_MODEL_H
#define TESTS_STRESS_MODEL_H

#include <pthread.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <arenashim/scope.h>

#include "operators.h"

enum { WORKERS_MAX = 64, BLOCKS = 200, DEPTH = 24, MAIL = 8 };

enum policy { GROW, FALLBACK, ERROR };

struct settings {
    uint64_t seed;
    size_t capacity, limit, align; /* as the shim reads them from the environment */
    enum policy policy;
    bool exact;
    bool memcheck; /* the next allocator is Valgrind's */
    bool ambient;  /* calls outside marked scopes may be routed, too */
    int workers;
    bool forks;
};
extern struct settings settings;

struct block {
    unsigned char *start;
    size_t size;      /* bytes that are the program's, filled with the pattern */
    size_t usable;    /* what malloc_usable_size says */
    size_t alignment; /* at least 16 */
    uint64_t pattern;
    enum kind kind;
    bool ours; /* from an arena */
    int depth; /* of the scope it was drawn in */
};

struct scope {
    arena_scope_token token;
    bool known; /* the token can be used: not a macro's */
    int pauses;
    uintptr_t start; /* the cursor at begin */
};

struct mail {
    struct block block;
    uint64_t random;
    struct worker *from;
};

struct counts {
    uint64_t scopes, routed, ignored_frees, left_open, fallbacks; /* as the shim counts them */
    uint64_t operations, mail, forks, lives, jumps;
};

struct worker {
    int number;
    uint64_t random;
    uint64_t operation;
    uint64_t patterns;
    uint64_t digest;
    bool in_child; /* of a fork: alone, and soon to exit */

    struct block blocks[BLOCKS];
    size_t count;
    struct scope scopes[DEPTH + 1]; /* by depth, from 1 */
    int depth;
    int floor;      /* scopes up to this depth are ended by the code that began them */
    int nesting;    /* of marked blocks */
    jmp_buf *jump;  /* where a jump may go, or NULL */
    bool in_cxx;    /* frames that pthread_exit must not unwind are on the stack */
    uintptr_t base; /* the cursor of the empty arena; 0 until the life's first scope */
    uintptr_t cursor;
    int slot;

    int lent; /* blocks of this worker's arena in other workers' mail */
    pthread_mutex_t lock;
    struct mail mail[MAIL];
    int mail_count;

    struct counts counts;
};
extern struct worker workers[WORKERS_MAX];

/* Finds out where the region is. In the first thread, before any other scope. */
void model_learn(struct worker *worker);

void model_start(struct worker *worker, int number);

/* One operation, or a marked block with several. May end the thread. */
void model_step(struct worker *worker);

/* A thread's life ends here; what is not from its arena stays for the next. */
void model_end_life(struct worker *worker);

/* Serves the mail that is there. */
void model_serve(struct worker *worker);

/* Looks at all that is left and frees it. In any thread, out of scopes. */
void model_finish(struct worker *worker);

uint64_t model_below(uint64_t *random, uint64_t bound);

__attribute__((noreturn, cold)) void
model_failed(const struct worker *worker, const char *condition, const char *file, int line);
#define REQUIRE(worker, condition)                                                                 \
    ((condition) ? (void)0 : model_failed((worker), #condition, __FILE__, __LINE__))

#endif
