#include "scope/process.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "engine/frees.h"
#include "engine/looks.h"
#include "engine/trace.h"
#include "thread/gate.h"
#include "thread/misuse.h"
#include "thread/settle.h"

/* What the open scopes have drawn so far was the parent's doing. */
static void begin_statistics(struct thread *own)
{
    if (own->depth > 0)
        settle_found(own, gate_heap_is_shut(own));
    for (uint64_t i = 0; i < own->depth; i++)
        own->frames[i].live = 0;
    thread_clear_statistics(own);
    own->threads = 1;
    own->owner = (pid_t)syscall(SYS_gettid); /* the parent's thread has another */
}

/* Statistics of other threads are of another epoch from now on. */
void process_begin(void)
{
    sites_epoch++;
    modules_next_generation();
    if (hot.thread)
        begin_statistics(hot.thread);
    frees_after_fork();
    looks_after_fork();
    trace_after_fork();
    misuse_after_fork();
}

void process_look(void)
{
    if (UNLIKELY(modules_generation() == 0) && modules_first_generation())
        process_begin();
    if (UNLIKELY(fixed.scope != NULL))
        fixed.scope();
    struct thread *own = hot.thread;
    if (own && UNLIKELY(own->epoch != sites_epoch))
        begin_statistics(own);
}
