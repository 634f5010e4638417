/*
 * What the watching keeps for each thread, in static thread-local memory, which is scarce: nothing
 * is allocated for a thread, and nothing remains of it.
 *
 * A signal handler may interrupt the watching and allocate: while `busy` is set its calls are
 * passed on and not recorded, and a recorded block that it frees is given up.
 */
#ifndef WATCH_STATE_H
#define WATCH_STATE_H

#include <stdint.h>
#include <time.h>

#include "watch/record.h"

struct activation;

struct watch_thread {
    uint32_t busy;
    uint32_t number;              /* of the process's threads, from 1; 0: the thread is new */
    uint32_t slot;                /* in the record, from 1; 0: the thread has none yet */
    uint32_t until;               /* calls that are not sampled, before the next that is */
    uint32_t untimed;             /* likewise for the clock */
    uint32_t untried;             /* likewise for unwinding on trial */
    uint64_t random;              /* state of a generator; never 0 once the thread is known */
    struct activation *innermost; /* open activation, or NULL (prove.h) */
    uint64_t open;                /* set of the functions that have one */
    uint64_t seen;                /* set of those that the thread has called */
    struct activation *spare;     /* nodes that are free */
};

extern __thread struct watch_thread watch_thread
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* The record; set at start, before the first call. */
extern struct record *watch_record;

/* The thread's slot of counters. */
struct record_thread *state_counters(void);

/* In the child of a fork: the slot is its parent's. */
void state_forked(void);

/* Adds to a counter of the thread's slot, in one instruction, so that no handler comes between.
 * Where threads share a slot some calls are lost; exact sums would take four times as long. */
static inline void state_count(uint64_t *counter, uint64_t more)
{
    *counter += more;
}

/* Adds to a number of the record. */
static inline void state_add(uint64_t *number, uint64_t more)
{
    __atomic_fetch_add(number, more, __ATOMIC_RELAXED);
}

/* Nanoseconds of the clock. */
uint64_t state_clock(clockid_t clock);

/* How many calls to leave out so that one in `every` is taken, at random: 0 when every is 1. */
uint32_t state_gap(uint64_t every);

#endif
