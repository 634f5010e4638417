/*
 * The few words of a thread that the fast paths touch.
 *
 * Two of them are the gate. `limit` lets the fast paths of scopes that drop pass, `small` those of
 * scopes that retain; each is 0 whenever its paths must not serve: outside such scopes, in a pause,
 * while a checker watches, and for the instant in which one of the paths is at work: gate.h. In a
 * scope that is traced `small` is TRACE_GATE.
 */
#ifndef THREAD_HOT_H
#define THREAD_HOT_H

#include <stdbool.h>
#include <stdint.h>

struct thread;

/* Small enough for the static TLS that the loader keeps in reserve, zero at thread start. */
struct hot {
    uintptr_t cursor; /* where the next header goes in the memory that drops; 0 outside scopes */
    uintptr_t limit;  /* the gate: end of the memory that may be bumped through */
    uintptr_t module_start;
    uintptr_t module_size; /* the participating module that made the last routed call */
    uintptr_t start; /* of the innermost scope; where that retains, the end of the heap's memory
                      * that can be read; under a checker above every block */
    uint64_t calls;  /* blocks drawn since the last settling (settle.h) */
    uint64_t bytes;  /* asked for in them */
    uint64_t freed;  /* blocks of the innermost scope freed since then */
    struct thread *thread; /* NULL until the first scope */
    uint64_t small;        /* the gate: blocks that retain and take fewer bytes, header included */
    uint64_t mark;         /* in the header of each block of the innermost scope that retains */
    uintptr_t heap;        /* where the thread's heap begins */
    bool unavailable;      /* no arena for this thread: it is getting one, or it exits */
    bool unscoped;         /* no automatic scope for this thread */
};

/* One cache line; but for AArch64 glibc has no room of such an alignment for what is loaded late.
 */
#ifdef __aarch64__
#define HOT_ALIGNMENT 16
#else
#define HOT_ALIGNMENT 64
#endif
extern __thread struct hot hot __attribute__((tls_model("initial-exec")));

#endif
