#include "process/life.h"

#include <pthread.h>

#include "base/track.h"
#include "engine/debug.h"
#include "engine/retain.h"
#include "memory/region.h"
#include "memory/wiped.h"
#include "next/objects.h"
#include "report/report.h"
#include "scope/close.h"
#include "scope/process.h"
#include "thread/gate.h"
#include "thread/thread.h"

/* Whether dropped blocks of the thread are to stay when it is gone: those of a scope of the
 * process, and contents in quarantine for its report. */
static bool lasts(const struct thread *thread)
{
    return thread->automatic == SCOPES_PROCESS || (fixed.config.debug & DEBUG_QUARANTINE);
}

/* Runs among the thread's key destructors. */
static void thread_exits(void *record)
{
    struct thread *thread = record;
    /* The values of other keys may lie in the thread's scope, and their destructors read them. */
    if (thread->automatic == SCOPES_THREAD && thread_exits_later(thread))
        return;
    bool stays = lasts(thread);
    hot.unavailable = true; /* a signal handler opens no scope that nobody would end */
    signal_fence();
    scope_abandon(thread);
    hot.thread = NULL;
    signal_fence();
    if (thread->retains)
        retain_leave(thread);
    thread_release(thread, stays);
}

/* A thread that is not there: its blocks are alive in this process, too, where scopes retain or the
 * process is one. If it was in the middle of a slow path, nobody goes on with its slot. */
static void thread_is_gone(struct thread *thread)
{
    thread->owned = false; /* its stack, in which its words lie, may be unmapped at any time */
    if (gate_is_busy(thread))
        return;
    if (thread->retains)
        retain_recover(thread);
    thread_abolish(thread, lasts(thread));
    debug_goes_round(thread); /* memory of ended scopes may lie anywhere behind the base */
}

void life_forked(void)
{
    struct thread *own = hot.thread;
    wiped.words_taken = false;
    objects_forked();
    process_begin();
    for (int slot = 0; slot < region_slots_seen(); slot++) {
        struct thread *thread = thread_in_slot(slot);
        if (thread && thread != own && track_emulated())
            thread_renew(thread);
        if (!thread)
            region_forget_slot(&fixed.region, slot); /* of a thread that was about to get it */
        else if (thread != own && region_is_claimed(slot))
            thread_is_gone(thread);
    }
    report_begin();
}

bool life_start(void)
{
    return threads_start(thread_exits) &&
           pthread_atfork(objects_before_fork, NULL, life_forked) == 0;
}
