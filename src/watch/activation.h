/*
 * Activations are nodes, each linked to the one that encloses it; a thread's open ones are a stack,
 * in which each function has one at most. A block refers to the innermost in which it was drawn, a
 * node to the enclosing one, and a node is kept until it has ended and nothing refers to it. So the
 * nodes that lead from a block upwards are all that it was drawn in, ended or not.
 *
 * A node belongs to its thread. What other threads do to its blocks has numbers of its own.
 *
 * What is inline here is so for callers that must keep every register (named_host.h).
 */
#ifndef WATCH_ACTIVATION_H
#define WATCH_ACTIVATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "next/named_host.h"
#include "watch/heap.h"
#include "watch/state.h"

struct activation {
    struct activation *enclosing; /* of a spare node: the next */
    uintptr_t call;               /* where struct named_call lies: how deep the stack is */
    uint32_t function;            /* its number in the record, from 0 */
    struct record_tally *tally;   /* that of its thread's slot */
    uint32_t thread;
    bool open;
    uint64_t references; /* blocks that were drawn in no inner one, inner nodes; 1 while open */
    struct note *first;  /* blocks with a stack that are alive, and in no inner one that is open */
    /* Drawn in it or in inner ones: in all, and less what the thread has freed. */
    uint64_t calls, blocks, bytes;
    uint64_t foreign_blocks, foreign_bytes; /* of these, freed by other threads */
};

/* Forks that led here from the process that was executed. */
extern uint16_t activation_forks;

/* The tally of a function for the calling thread, which has a slot. */
static ALWAYS_INLINE struct record_tally *activation_tally(uint32_t function)
{
    return &watch_record->tallies[watch_thread.slot - 1][function];
}

/* There is a spare node. */
static ALWAYS_INLINE void activation_begin(struct named_call *call, uint32_t function)
{
    struct watch_thread *thread = &watch_thread;
    struct activation *one = thread->spare, *enclosing = thread->innermost;
    thread->spare = one->enclosing;
    *one = (struct activation){
        .enclosing = enclosing,
        .call = (uintptr_t)call,
        .function = function,
        .tally = activation_tally(function),
        .thread = thread->number,
        .open = true,
        .references = 1,
    };
    if (enclosing)
        __atomic_add_fetch(&enclosing->references, 1, __ATOMIC_RELAXED);
    thread->innermost = one;
    thread->open |= UINT64_C(1) << function;
    one->tally->activations++;
    call->token = (uintptr_t)one;
}

/* Nothing refers to the node any more in one place less. */
static ALWAYS_INLINE void activation_let_go(struct activation *one)
{
    struct watch_thread *thread = &watch_thread;
    while (one && __atomic_sub_fetch(&one->references, 1, __ATOMIC_ACQ_REL) == 0) {
        struct activation *enclosing = one->enclosing;
        one->enclosing = thread->spare;
        thread->spare = one;
        one = enclosing;
    }
}

/* The innermost one ends; no block is listed with it. */
static ALWAYS_INLINE void activation_end(struct activation *one)
{
    struct watch_thread *thread = &watch_thread;
    thread->innermost = one->enclosing;
    thread->open &= ~(UINT64_C(1) << one->function);
    one->open = false;
    if (one->blocks != __atomic_load_n(&one->foreign_blocks, __ATOMIC_RELAXED))
        one->tally->surviving++;
    activation_let_go(one);
}

/* The same, whatever is listed with it: that goes up to the enclosing one, which it has survived
 * for. `left`: by a jump. */
void activation_end_slowly(struct activation *one, bool left);

/* Blocks with a stack are listed with the innermost activation that was open when they were last
 * looked at. */
void activation_list(struct activation *one, struct note *note);
void activation_unlist(struct note *note);
void activation_move(struct note *to, const struct note *from);

/* Around a fork: no list is half changed. */
void activation_lock(void);
void activation_unlock(void);

#endif
