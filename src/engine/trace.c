#include "engine/trace.h"

#include <string.h>

#include "base/numbers.h"
#include "engine/drop.h"
#include "engine/retain.h"

static struct trace_caller callers[TRACE_CALLERS];

COLD void trace_begin(struct thread *thread)
{
    struct frame *frame = thread_innermost(thread);
    if (fixed.checked)
        return;
    if (trace_goes_on(thread)) {
        thread->trace.denied = frame->stats;
        return;
    }
    frame->stats->trace_after = UINT64_MAX;
    frame->stats->ends_cut = frame->stats->ends_left;
    frame->stats->ends_left = 0; /* so that its end is looked at */
    thread->trace.token = frame->token;
    thread->trace.draws = true;
    thread->trace.steps = thread->trace.count = 0;
    thread->trace.denied = NULL;
    signal_fence();
    if (!frame->retains)
        hot.module_size = 0;
    else if (hot.small != 0)
        hot.small = TRACE_GATE;
}

static bool is_alive(const struct thread *thread, const struct frame *frame, uintptr_t block)
{
    if (frame->retains)
        return block < thread->heap.pages.end &&
               (*retain_header(block) ^ retain_mark(thread, frame->token)) <= UINT16_MAX;
    uintptr_t header = block - BLOCK_HEADER;
    return header >= frame->start && header < drop_top(thread) &&
           !(*(uintptr_t *)header & BLOCK_FREED);
}

static struct trace_note *note(struct thread *thread, unsigned number)
{
    return &thread->notes[TRACE_NOTES - 1 - number];
}

/* Only what is alive stays, and does not lie where the block does that has just been drawn. */
static void compact(struct thread *thread, uintptr_t block, size_t size)
{
    struct trace *trace = &thread->trace;
    const struct frame *frame = thread_innermost(thread);
    unsigned kept = 0;
    for (unsigned i = 0; i < trace->count; i++)
        if (note(thread, i)->block - block >= size &&
            is_alive(thread, frame, note(thread, i)->block))
            *note(thread, kept++) = *note(thread, i);
    trace->count = kept;
}

/* The module is looked up here and not at the end, which may be that of a wrapped call: the C
 * library, which a module that was not met before is compared by, uses registers that may hold the
 * call's result. */
COLD void trace_drawn(struct thread *thread, uintptr_t block, const struct request *request)
{
    struct trace *trace = &thread->trace;
    if (thread_innermost(thread)->token != trace->token || thread_of_address(block) != thread)
        return;
    const struct module *module = modules_find(&thread->modules, request->caller);
    compact(thread, block, request->size + BLOCK_HEADER);
    if (module)
        *note(thread, trace->count++) =
            (struct trace_note){block, request->caller, request->size, module->path};
}

/* Its entry; NULL when there is no room for it. */
static struct trace_caller *find_caller(size_t site, uintptr_t address)
{
    uint64_t key = (uint64_t)(site + 1) << 47 | address;
    for (unsigned i = 0; i < TRACE_CALLERS; i++) {
        uint64_t found = 0;
        if (__atomic_compare_exchange_n(&callers[i].key, &found, key, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED) ||
            found == key)
            return &callers[i];
    }
    return NULL;
}

void trace_end(struct thread *thread, const struct frame *frame)
{
    struct trace *trace = &thread->trace;
    if (LIKELY(frame->token != trace->token))
        return;
    for (unsigned i = 0; i < trace->count; i++) {
        const struct trace_note *noted = note(thread, i);
        struct trace_caller *caller =
            is_alive(thread, frame, noted->block)
                ? find_caller((size_t)(frame->stats - thread->sites), noted->caller)
                : NULL;
        if (!caller)
            continue;
        __atomic_store_n(&caller->path, noted->path, __ATOMIC_RELAXED);
        __atomic_fetch_add(&caller->blocks, 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&caller->bytes, noted->size, __ATOMIC_RELAXED);
    }
    trace->token = 0;
    trace->draws = false;
    if (trace->denied)
        trace_next(thread, trace->denied);
}

void trace_next(struct thread *thread, struct site_stats *stats)
{
    stats->trace_after = 0;
    for (size_t i = 0; i < SITE_CACHE_SIZE; i++)
        if (thread->site_cache[i].stats == stats)
            thread->site_cache[i].stats = NULL; /* so that the next begin is slow, of a mark */
    thread->modules.generation = modules_generation() - 1; /* of a function */
}

struct trace_caller trace_caller(unsigned index)
{
    return callers[index];
}

void trace_after_fork(void)
{
    if (callers[0].key != 0)
        memset(callers, 0, sizeof callers);
}
