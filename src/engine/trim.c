#include "engine/trim.h"

#include "engine/retain.h"
#include "next/fixed.h"
#include "route/modules.h"
#include "thread/gate.h"

static unsigned asked;
static size_t asked_pad;

static bool trim_idle(size_t pad)
{
    struct thread *thread = hot.thread;
    /* A signal handler does without: what it wrote after the discard would pass for zero. */
    hot.unavailable = true;
    hot.thread = NULL;
    signal_fence();
    bool done = thread_trim(thread, pad);
    if (thread->retains && retain_trim(thread, pad))
        done = true;
    signal_fence();
    hot.thread = thread;
    hot.unavailable = false;
    return done;
}

static bool trim_in_scope(struct thread *thread, size_t pad)
{
    if (!thread->retains || gate_heap_is_shut(thread))
        return false;
    uintptr_t open = gate_close(thread);
    bool done = retain_trim(thread, pad);
    gate_open(thread, open);
    return done;
}

bool trim_as_asked(struct thread *thread)
{
    unsigned seen = __atomic_load_n(&asked, __ATOMIC_ACQUIRE);
    if (thread->trims == seen)
        return true;
    if (thread->depth > 0 && !thread->automatic)
        return false;
    thread->trims = seen;
    if (!thread->automatic)
        trim_idle(__atomic_load_n(&asked_pad, __ATOMIC_RELAXED));
    return true;
}

bool trim_arenas(size_t pad)
{
    __atomic_store_n(&asked_pad, pad, __ATOMIC_RELAXED);
    __atomic_fetch_add(&asked, 1, __ATOMIC_RELEASE);
    modules_next_generation(); /* sends every thread's next begin the slow way, where it trims */
    if (!hot.thread)
        return false;
    return hot.thread->depth == 0 ? trim_idle(pad) : trim_in_scope(hot.thread, pad);
}
