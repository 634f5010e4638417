/*
 * The state of one thread: the few words that the hot paths touch (thread-local, `hot`) and
 * everything else (a record in the thread's slot of the region).
 *
 * The gate. `hot.limit` is 0 whenever the fast paths must not serve: outside scopes, in a pause,
 * while a checker watches, and for the instant in which one of them is at work. The last makes the
 * paths safe against signal handlers: a handler that interrupts one finds the gate closed and goes
 * the slow way, which sees that the thread is busy and calls the next allocator. A handler may
 * begin and end scopes of its own at any time: begin saves the gate and end puts it back.
 */
#ifndef SHIM_THREAD_H
#define SHIM_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "memory/chunks.h"
#include "route/modules.h"
#include "thread/sites.h"

#define SCOPE_DEPTH_MAX 512

struct named_function;

/* An open scope. Of 3 times 64 bytes: so an index soon becomes an address. */
struct frame {
    uint64_t token;
    struct site_stats *stats; /* of the scope's site, in this thread's record */
    uintptr_t start;          /* the scope's blocks lie at or above */
    uintptr_t outer_cursor;   /* hot.cursor, hot.start and hot.limit at begin, */
    uintptr_t outer_start;    /* put back at the end */
    uintptr_t outer_gate;
    uintptr_t paused_gate; /* hot.limit at the first pause */
    uint64_t pauses;       /* not yet resumed; 0 in frames not in use */
    uintptr_t peak;        /* highest cursor settled so far; 0: nothing to account for */
    int64_t live;          /* blocks drawn and not freed, as of the last settling; 0 in frames not
                            * in use */
    size_t spilled;        /* the thread's `spilled` at begin */
    size_t used;           /* the thread's `used` at begin */
    uintptr_t stack; /* where the record of the wrapped call lies that is the scope; 0: a mark */

    uintptr_t outer_stack; /* the thread's `stack` at begin, of such a scope */
    uint64_t pending;      /* `token` in the frame of a wrapped call whose scope nobody has opened
                            * yet, as nothing has been asked for in it: see scope.h */
    const struct named_function *function; /* of that call */

    /* Of a scope that retains what is alive. `retains` and `stack` are 0 in frames not in use. */
    bool retains;
    uint32_t refills;    /* the thread's retained.refills at begin */
    uintptr_t outer_top; /* the thread's `top` at begin */
    uintptr_t
        first_block; /* the cursor at begin: blocks at or above, in its chunk, are the scope's */
    uintptr_t outer_block; /* retained.start, module_start and module_size at begin */
    uintptr_t outer_module_start;
    uintptr_t outer_module_size;
    uintptr_t paused_module_size; /* retained.module_size at the first pause */
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct frame) == 192, "a frame's size is cheap to multiply with");

/* Where the scopes of a thread that retain draw; see retain.h. */
struct retained {
    uintptr_t cursor; /* where the next block's header goes; 0: there is no chunk yet */
    uintptr_t limit;  /* the gate; open: the end of the current chunk, see retain_limit */
    uintptr_t start;  /* blocks at or above, in the current chunk, are the innermost scope's */
    uintptr_t module_start;
    uintptr_t
        module_size;      /* the module that made the last routed call; 0 where nothing is routed */
    uint64_t drawn;       /* blocks, of the chunks that were or are current; as all that is counted
                           * here, since the record was made */
    uint64_t freed;       /* of them, by release() */
    uint64_t bytes;       /* asked for in them */
    uint64_t chunk_drawn; /* of these, entered in the chunk's record */
    uint64_t chunk_freed;
    uint64_t settled_drawn; /* of these, entered in the statistics */
    uint64_t settled_freed;
    uint64_t settled_bytes;
    uint32_t current;   /* the chunk that the cursor is in */
    uint32_t refills;   /* how often the cursor went to the start of a chunk */
    bool busy;          /* a slow path is at work */
    struct chunks chunks;
};

/* Calls in a scope that the next allocator served, by reason. */
struct passed {
    uint64_t paused;      /* the scope is paused */
    uint64_t interrupted; /* a signal handler that interrupted the shim */
    uint64_t unknown;     /* the caller lies in no module (generated code) */
    uint64_t modules[MODULES_MAX];
};

/* Memory of an ended scope that is inaccessible now: see debug.h. */
#define QUARANTINE_MAX 512
struct quarantined {
    uintptr_t start, end;
    uintptr_t last; /* the last block in it; 0 when contents are gone */
    size_t site;
};

struct thread {
    int slot;
    enum automatic_scopes automatic; /* what frames[0] is, if anything */
    unsigned rounds;                 /* of key destructors at thread exit */
    uint64_t depth;                  /* open scopes: frames[0 .. depth-1] */
    uint64_t excess;                 /* begins past SCOPE_DEPTH_MAX that have not ended */
    uint64_t serial;                 /* of the last token */
    uintptr_t base;                  /* the cursor of an empty arena */
    uintptr_t top;       /* where a scope begins when hot.cursor is 0: base, or behind the scopes
                          * that a scope which retains lies in */
    uintptr_t open_gate; /* hot.limit where the fast paths serve: the lower of capacity_end and
                          * committed; 0 under a checker */
    uintptr_t checked;   /* all bits set where blocks are checked, else 0 */
    uintptr_t memory;    /* the slot's memory */
    uintptr_t memory_end;
    uintptr_t capacity_end; /* where requests begin to overflow */
    uintptr_t limit_end;    /* where it may grow to */
    uintptr_t committed;    /* [memory, committed) is readable and writable */
    uintptr_t touched;      /* memory from here or hot.cursor on, whichever is higher, is zero */
    uintptr_t peak;         /* highest cursor that was stepped back from since the last settling */
    size_t spilled;         /* bytes that overflow sent to the next allocator in open scopes */
    size_t used;            /* bytes of live blocks in open scopes, where blocks are checked */
    uintptr_t newest;   /* the newest block of the open scopes, where blocks are checked, or 0 */
    unsigned trims;     /* of what threads_trim asked for, done */
    uint64_t marks_max; /* from this depth on begin has more to do than its fast path does:
                         * SCOPE_DEPTH_MAX, or 0 where scopes may retain or blocks
                         * are checked */
    uintptr_t stack; /* of the innermost scope that is a wrapped call, 0 when that is known to lie
                      * on a signal stack; UINTPTR_MAX when there is none */
    struct retained retained;
    struct module_cache modules;
    struct hot *words; /* the owner's `hot`; the last owner's in a free slot */

    /* Statistics of all threads that have had this slot. */
    uint64_t threads;
    uint64_t in_place;      /* reallocs served without a new block */
    uint64_t freed;         /* blocks freed by their owner in a scope */
    uint64_t ignored_frees; /* frees of scope memory from elsewhere, or after its scope */
    uint64_t left_open;
    uint64_t late_before; /* late frees before the statistics start */
    uint64_t high_water;  /* largest arena, in bytes */
    uint64_t need;        /* largest capacity that would have held everything, in bytes */
    struct passed passed;

    struct site_cache_entry site_cache[SITE_CACHE_SIZE];
    struct frame frames[SCOPE_DEPTH_MAX];
    struct site_stats sites[SITES_MAX];

    uint64_t quarantine_next; /* entries made since the addresses went round */
    size_t quarantine_bytes;  /* of entries with contents */
    uintptr_t quarantine_end; /* in an open scope: what is inaccessible lies below */
    struct quarantined quarantine[QUARANTINE_MAX];

    /* The token of the scope in which a slow path is at work; 0 when none is. */
    uint64_t busy;
};

/* Small enough for the static TLS that the loader keeps in reserve, zero at thread start. */
struct hot {
    uintptr_t cursor; /* where the next block's header goes; 0 outside scopes */
    uintptr_t limit;  /* end of the memory that the fast path may use: the gate */
    uintptr_t module_start;
    uintptr_t module_size; /* the participating module that made the last routed call */
    uintptr_t start;       /* innermost scope's start; under a checker above every block */
    uint64_t calls;        /* blocks drawn since the last settling */
    uint64_t bytes;        /* asked for in them */
    uint64_t freed;        /* blocks of the innermost scope freed since the last settling */
    struct thread *thread; /* NULL until the first scope */
    bool unavailable;      /* no arena for this thread: it is getting one, or it exits */
    bool apart;            /* no automatic scope for this thread */
};

extern __thread struct hot hot __attribute__((tls_model("initial-exec")));

/* Gives the calling thread a slot and sets hot.thread. False, with hot.thread NULL, when there is
 * no slot, no memory for it or no way to release it, or the thread is about to exit. */
bool thread_acquire(void);

/* True when a signal handler is running that interrupted a slow path. When such a handler has left
 * by siglongjmp, this ends with the scope that the slow path was working for. */
bool thread_scope_is_open(const struct thread *thread, uint64_t token);
static inline bool thread_is_busy(const struct thread *thread)
{
    return UNLIKELY(thread->busy != 0) && thread_scope_is_open(thread, thread->busy);
}

/* Makes thread exit release slots; once, at start. False when no thread-specific key is left. */
bool threads_start(void);

/* In a fork child: the slots of the threads that do not exist here are released, and statistics
 * start from 0. */
void threads_after_fork(void);

/* Grows the committed part of the arena to hold `end`. False when the kernel refuses. */
bool thread_commit(struct thread *thread, uintptr_t end);

/* Notes that memory below `end` may have been written; before the cursor steps back from there. A
 * signal handler may do the same at any time, and neither note is lost. */
void thread_touch(struct thread *thread, uintptr_t end);

/* Notes in addition that the innermost scope's arena reached up to `end`. */
void thread_note_peak(struct thread *thread, uintptr_t end);

/* Gives back what lies past the capacity; outside scopes. */
void thread_trim(struct thread *thread);

/* Gives the pages of idle arenas back to the kernel, except the first `pad` bytes of each: the
 * calling thread's now, another thread's when it next begins a scope outside all others (only the
 * owner knows that it is idle). True when pages went back now. */
bool threads_trim(size_t pad);

/* What threads_trim asked for, by the owner. False when it has to wait for the end of scopes. */
bool thread_trim_as_asked(struct thread *thread);

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

static ALWAYS_INLINE bool frame_is_pending(const struct frame *frame)
{
    return frame->pending == frame->token;
}

/* The record of slot 0 <= slot < region_slots_seen(), or NULL while it is being made. */
struct thread *thread_in_slot(int slot);

#endif
