/*
 * The record of a thread: everything about it but the few words of `hot`. It lies in the thread's
 * slot of the region and stays when the thread exits; the slot's next thread goes on with it.
 */
#ifndef THREAD_THREAD_H
#define THREAD_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "route/modules.h"
#include "settings/config.h"
#include "thread/frame.h"
#include "thread/heap.h"
#include "thread/hot.h"
#include "thread/sites.h"

#define SCOPE_DEPTH_MAX 512

/* Calls in a scope that the next allocator served, by reason. */
struct passed {
    uint64_t paused;                    /* the scope is paused */
    uint64_t interrupted;               /* a signal handler that interrupted the shim */
    uint64_t unknown;                   /* the caller lies in no module (generated code) */
    uint64_t modules[MODULE_NAMES_MAX]; /* by the number of a name */
};

/* Memory of an ended scope that is inaccessible now: see engine/debug.h. */
#define QUARANTINE_MAX 512
struct quarantined {
    uintptr_t start, end;
    uintptr_t last; /* the last block in it; 0 when contents are gone */
    size_t site;
};

/* Blocks whose callers are noted: see engine/trace.h. */
#define TRACE_NOTES 128
struct trace_note {
    uint64_t token; /* of the scope that drew it; 0: there is no note here */
    uintptr_t block, caller;
    size_t size;
    uint64_t path; /* of the caller's module: modules_file */
};
struct trace {
    unsigned draws;  /* so many slow paths to come, and no fast ones, note what they draw */
    unsigned count;  /* of the record's notes */
    unsigned beyond; /* blocks that found no free place */
    uint64_t until;  /* the token of a scope with whose end that is over */
    uint64_t latest; /* no scope begun later has notes */
};

struct thread {
    int slot;
    enum automatic_scopes automatic; /* what frames[0] is, if anything */
    unsigned rounds;                 /* of key destructors at thread exit */
    uint64_t depth;                  /* open scopes: frames[0 .. depth-1] */
    uint64_t excess;                 /* begins past SCOPE_DEPTH_MAX that have not ended */
    uint64_t serial;                 /* of the last token */
    uint64_t busy;  /* the token of the scope in which a slow path is at work; 0 when none is */
    uintptr_t base; /* the cursor of an empty arena */
    uintptr_t open_limit; /* hot.limit where the fast paths serve: the lower of what may be
                           * bumped through without overflow and `committed`; 0 under a checker */
    uintptr_t slow_ends;  /* all bits set where every end takes its slow path, else 0 */
    uintptr_t memory;     /* the slot's memory for scopes that drop */
    uintptr_t memory_end;
    uintptr_t capacity_end; /* where requests begin to overflow: what is kept warm, as a rule */
    uintptr_t nominal_end;  /* the end of the capacity that is set, or the default */
    uintptr_t limit_end;    /* where it may grow to */
    uintptr_t committed;    /* [memory, committed) is readable and writable */
    uintptr_t begun;        /* see region_grow */
    uintptr_t touched;      /* memory from here or hot.cursor on, whichever is higher, is zero */
    uintptr_t peak;         /* highest cursor that was stepped back from since the last settling */
    size_t spilled;         /* bytes that overflow sent to the next allocator in open scopes */
    size_t used;            /* bytes of live blocks in open scopes, where blocks are checked */
    uintptr_t newest;      /* the newest block of the open scopes, where blocks are checked, or 0 */
    unsigned trims;        /* of what malloc_trim asked for, done */
    uint64_t fast_begins;  /* begin's fast path serves below this depth: SCOPE_DEPTH_MAX, or 0
                            * where begin has more to do */
    uintptr_t call;        /* where the record of the innermost wrapped call lies; UINTPTR_MAX:
                            * there is none; 0: look for calls that a jump has left */
    uintptr_t stack_start; /* of the owner's own stack, once a call has asked: scope/stack.h */
    uintptr_t stack_size;
    uintptr_t gap_top;    /* in a gap that a sweep has found: the top of the arena; else 0 */
    uintptr_t gap_start;  /* of this gap; open_limit is its end */
    uintptr_t gaps;       /* gaps to come; 0: none */
    uint64_t swept;       /* the token of the scope that was swept last */
    uintptr_t sweep_at;   /* the cursor from which on it is worth the time again */
    uintptr_t new_caller; /* whose nothrow operator new goes on as the throwing one; 0: nobody's */
    uint64_t
        throwing; /* the token of the scope in which an exception was drawn last: see routing.c */
    struct kept kept;
    struct heap heap;
    struct module_cache modules;
    struct hot *words; /* the owner's `hot`; the last owner's in a free slot */
    bool owned;        /* the owner is there */
    bool retains;      /* it may have scopes that retain: all begins and ends are slow */
    pid_t owner;       /* its number */

    /* Statistics of all threads that have had this slot, in the process `epoch` (sites.h). */
    unsigned epoch;
    uint64_t threads;
    uint64_t in_place;      /* reallocs served without a new block */
    uint64_t freed;         /* blocks freed by their owner in a scope */
    uint64_t ignored_frees; /* frees of dropped blocks from elsewhere, or after their scope */
    uint64_t left_open;
    uint64_t
        other_stacks;    /* calls on a stack that is not the thread's own, which opened no scope */
    uint64_t late_frees; /* frees of retained blocks by others than the scope that drew them */
    uint64_t high_water; /* largest arena, in bytes */
    uint64_t need;       /* largest capacity that would have held everything, in bytes */
    struct passed passed;

    unsigned unloads; /* modules_unloads when site_cache was last emptied */
    struct site_cache_entry site_cache[SITE_CACHE_SIZE];
    struct trace trace;
    struct frame frames[SCOPE_DEPTH_MAX];
    struct trace_note notes[TRACE_NOTES]; /* from the last on: it lies beside the first site */
    struct site_stats sites[SITES_MAX];

    uint64_t quarantine_next; /* entries made since the addresses went round */
    size_t quarantine_bytes;  /* of entries with contents */
    uintptr_t quarantine_end; /* in an open scope: what is inaccessible lies below */
    struct quarantined quarantine[QUARANTINE_MAX];
};

/* Whether there may be blocks in heaps: scopes that retain are asked for at start, or one has been
 * begun since. */
extern HIDDEN bool threads_retain;

/* The thread, which has had no such scope, may have them from now on. */
void thread_allow_retaining(struct thread *thread);

/* Gives the calling thread a slot and sets hot.thread. False, with hot.thread NULL, when there is
 * no slot, no memory for it or no way to release it, or the thread is about to exit. */
bool thread_acquire(void);

/* Makes `exits` be called with the record at the exit of each thread that has one; once, at start.
 * False when no thread-specific key is left. */
bool threads_start(void (*exits)(void *));

/* From `exits`: has it called again in the next round of key destructors. False in the last. */
bool thread_exits_later(struct thread *thread);

/* The thread has ended its scopes: releases its slot. Its memory goes back to the kernel, unless
 * blocks in it are to last. */
void thread_release(struct thread *thread, bool lasts);

/* Tells a checker of races that the arena, and the place of its owner's `hot`, begin anew: the next
 * owner may not have waited for the end of the last. */
void thread_renew(const struct thread *thread);

/* Modules have left the table: whichever of them any thread has in use, it has no more. */
void threads_forget_gone(void);

/* In a fork child: statistics start from 0. */
void thread_clear_statistics(struct thread *thread);

/* In a fork child, for the slot of a thread that does not exist there: releases it. Where blocks
 * are to last the arena goes on behind what was committed. */
void thread_abolish(struct thread *thread, bool lasts);

/* Grows the committed part of the arena to hold `end`. False when the kernel refuses. */
bool thread_commit(struct thread *thread, uintptr_t end);

/* Notes that memory below `end` may have been written; before the cursor steps back from there. A
 * signal handler may do the same at any time, and neither note is lost. */
void thread_touch(struct thread *thread, uintptr_t end);

/* Notes in addition that the innermost scope's arena reached up to `end`. */
void thread_note_peak(struct thread *thread, uintptr_t end);

/* An outermost scope has ended that reached up to `peak`, in an arena that has grown beyond its
 * capacity: gives back what recent scopes have had no use for. */
void thread_let_go(struct thread *thread, uintptr_t peak);

/* Where the fast paths serve by now: open_limit, outside gaps. */
void thread_set_limits(struct thread *thread);

/* Gives all pages of the idle arena back but for `pad` bytes. True when some went. */
bool thread_trim(struct thread *thread, size_t pad);

/* The empty assembly keeps the address in a register: else every access to a field carries the
 * offset of the array, and the hot paths are a tenth longer. */
static ALWAYS_INLINE struct frame *thread_frame(struct thread *thread, uint64_t index)
{
    struct frame *frame = &thread->frames[index];
    __asm__("" : "+r"(frame));
    return frame;
}

/* Of a thread with an open scope. */
static inline struct frame *thread_innermost(struct thread *thread)
{
    return thread_frame(thread, thread->depth - 1);
}

/* Makes the module the one whose calls the fast paths route. Size 0 first: a signal handler must
 * not see the start of one module with the size of another. */
static ALWAYS_INLINE void hot_use_module(uintptr_t start, uintptr_t size)
{
    hot.module_size = 0;
    signal_fence();
    hot.module_start = start;
    signal_fence();
    hot.module_size = size;
}

/* The record of slot 0 <= slot < region_slots_seen(), or NULL while it is being made. */
struct thread *thread_in_slot(int slot);

/* The same, or NULL where its statistics are of another process. */
struct thread *thread_counted(int slot);

/* The record of the slot that an address of the region lies in, or NULL. */
struct thread *thread_of_address(uintptr_t address);

#endif
