#include "engine/frees.h"

#include "base/compiler.h"
#include "thread/thread.h"

/* By threads that have no record to count them in. */
static uint64_t elsewhere[2];

void frees_count(enum frees kind)
{
    struct thread *thread = hot.thread;
    if (!thread)
        __atomic_fetch_add(&elsewhere[kind], 1, __ATOMIC_RELAXED);
    else if (kind == IGNORED_FREES)
        thread->ignored_frees++;
    else
        thread->late_frees++;
}

uint64_t frees_elsewhere(enum frees kind)
{
    return __atomic_load_n(&elsewhere[kind], __ATOMIC_RELAXED);
}

void frees_after_fork(void)
{
    elsewhere[IGNORED_FREES] = elsewhere[LATE_FREES] = 0;
}
