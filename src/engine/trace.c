#include "engine/trace.h"

#include <string.h>

#include "base/numbers.h"
#include "engine/drop.h"
#include "engine/retain.h"
#include "thread/gate.h"

/* Slow paths by which blocks are noted: from the first begin of a site, and behind a scope; from a
 * later one, all that a scope takes as a rule; when memory has been refilled. */
#define STEPS_AT_FIRST 128
#define STEPS_AT_BEGIN 16384
#define STEPS_AT_REFILL 8

/* Notes that are looked at for one whose block is gone. */
#define TRACE_PLACES 4

static struct trace_caller callers[TRACE_CALLERS];

/* ---- when blocks are noted ------------------------------------------------------------------- */

/* What the scope draws next is noted, and its end looked at. */
static void note_next(struct thread *thread, const struct frame *frame, unsigned steps)
{
    if (fixed.checked)
        return;
    frame->stats->ends_cut += frame->stats->ends_left;
    frame->stats->ends_left = 0;
    thread->trace.draws = (unsigned)higher(thread->trace.draws, steps);
    signal_fence();
    if (!frame->retains)
        hot.module_size = 0;
}

COLD void trace_begin(struct thread *thread)
{
    const struct frame *frame = thread_innermost(thread);
    frame->stats->trace_after = UINT64_MAX;
    thread->trace.beyond = 0;
    thread->trace.until = thread->trace.latest = frame->token;
    note_next(thread, frame, frame->stats->looks == 0 ? STEPS_AT_FIRST : STEPS_AT_BEGIN);
    if (frame->retains && hot.small != 0)
        hot.small = TRACE_GATE;
}

COLD void trace_refill(struct thread *thread)
{
    note_next(thread, thread_innermost(thread), STEPS_AT_REFILL); /* gate_open sees to `small` */
}

void trace_around(struct thread *thread, struct frame *frame)
{
    if (frame == thread->frames)
        return;
    note_next(thread, frame - 1, STEPS_AT_FIRST);
    frame->outer_module_size = 0;
    if (frame->outer_small != 0)
        frame->outer_small = TRACE_GATE;
}

void trace_next(struct thread *thread, struct site_stats *stats)
{
    stats->trace_after = 0;
    for (size_t i = 0; i < SITE_CACHE_SIZE; i++)
        if (thread->site_cache[i].stats == stats)
            thread->site_cache[i].stats = NULL; /* so that the next begin is slow, of a mark */
    thread->modules.generation = modules_generation() - 1; /* of a function */
}

/* ---- notes ----------------------------------------------------------------------------------- */

/* Marks the block's header so that only a slow path frees it. */
static void mark(uintptr_t block)
{
    if (retain_holds((void *)block))
        *retain_header(block) ^= RETAIN_NOTED;
    else
        *(uintptr_t *)(block - BLOCK_HEADER) |= BLOCK_NOTED;
}

static bool is_alive(const struct thread *thread, const struct trace_note *note)
{
    uintptr_t header = note->block - BLOCK_HEADER;
    if (!gate_scope_is_open(thread, note->token))
        return false;
    if (retain_holds((void *)note->block))
        return note->block < thread->heap.pages.end &&
               (*(uint64_t *)header ^ retain_mark(thread, note->token) ^ RETAIN_NOTED) <=
                   UINT16_MAX;
    return header < drop_top(thread) &&
           drop_is_intact(header, *(uintptr_t *)header ^ BLOCK_NOTED, drop_top(thread));
}

/* They are filled from the end, which lies in a page that is used anyway. */
static struct trace_note *note_at(struct thread *thread, unsigned number)
{
    return &thread->notes[TRACE_NOTES - 1 - number];
}

/* A place for the note of a block that has just been drawn. NULL: there is none. When there is no
 * more room each block has the same chance to take another's, of a caller that is known besides. */
static struct trace_note *find_place(struct thread *thread, uintptr_t block)
{
    struct trace *trace = &thread->trace;
    uint32_t hash = (uint32_t)(block * UINT64_C(0x9e3779b97f4a7c15) >> 32);
    struct trace_note *first = NULL;
    bool twin = false;
    for (unsigned i = 0; i < trace->count; i++)
        if (note_at(thread, i)->block == block) /* of one that was there before */
            return note_at(thread, i);
    for (unsigned i = 0; i < TRACE_PLACES && i < trace->count; i++) {
        struct trace_note *note = note_at(thread, (hash + i) % trace->count);
        if (!is_alive(thread, note))
            return note;
        twin = twin || (first && note->caller == first->caller);
        first = first ? first : note;
    }
    if (trace->count < TRACE_NOTES)
        return note_at(thread, trace->count++);
    return hash % (TRACE_NOTES + ++trace->beyond) < TRACE_NOTES && twin ? first : NULL;
}

/* The module is looked up here and not at the end, which may be that of a wrapped call: the C
 * library, which a module that was not met before is compared by, uses registers that may hold the
 * call's result. */
COLD void trace_drawn(struct thread *thread, uintptr_t block, const struct request *request)
{
    if (thread_of_address(block) != thread) /* it is the next allocator's */
        return;
    const struct module *module = modules_find(&thread->modules, request->caller);
    struct trace_note *note = module ? find_place(thread, block) : NULL;
    if (!note)
        return;
    thread->trace.latest = thread_innermost(thread)->token;
    *note = (struct trace_note){thread->trace.latest, block, request->caller, request->size,
                                module->path};
    mark(block);
}

/* ---- what is known in the end ---------------------------------------------------------------- */

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
    if (LIKELY(frame->token > thread->trace.latest))
        return;
    if (frame->token == thread->trace.until)
        thread->trace.draws = 0;
    for (unsigned i = 0; i < thread->trace.count; i++) {
        struct trace_note *note = note_at(thread, i);
        if (note->token != frame->token || !is_alive(thread, note))
            continue;
        struct trace_caller *caller =
            find_caller((size_t)(frame->stats - thread->sites), note->caller);
        note->token = 0; /* its block keeps the mark: some slow path frees it */
        if (!caller)
            continue;
        __atomic_store_n(&caller->path, note->path, __ATOMIC_RELAXED);
        __atomic_fetch_add(&caller->blocks, 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&caller->bytes, note->size, __ATOMIC_RELAXED);
    }
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
