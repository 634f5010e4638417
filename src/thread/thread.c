#include "thread/thread.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

#include "base/numbers.h"
#include "base/text.h"
#include "base/track.h"
#include "engine/block.h"
#include "engine/debug.h"
#include "next/fixed.h"
#include "engine/retain.h"
#include "scope/scope.h"

_Static_assert(sizeof(struct thread) <= REGION_RECORD_BYTES, "a record fits its slot");

__thread struct hot hot __attribute__((tls_model("initial-exec"), aligned(64)));

/* Set for a slot when its record is committed; records then stay. */
static bool made[REGION_SLOTS_MAX];

static pthread_key_t exit_key;

struct thread *thread_in_slot(int slot)
{
    if (!__atomic_load_n(&made[slot], __ATOMIC_ACQUIRE))
        return NULL;
    return (struct thread *)region_record(&fixed.region, slot);
}

/* ---- memory --------------------------------------------------------------------------------- */

bool thread_commit(struct thread *thread, uintptr_t end)
{
    /* In growing steps, so that a long scope makes few system calls. */
    uintptr_t step = thread->committed + (thread->committed - thread->memory) / 2;
    uintptr_t wanted = region_page_up(end > step ? end : step);
    if (wanted > thread->memory_end)
        wanted = thread->memory_end;
    if (!region_commit(thread->committed, wanted)) {
        wanted = region_page_up(end);
        if (!region_commit(thread->committed, wanted))
            return false;
    }
    thread->committed = wanted;
    if (thread->checked == 0)
        thread->open_gate = lower(thread->capacity_end, wanted);
    return true;
}

COLD void thread_touch(struct thread *thread, uintptr_t end)
{
    uintptr_t seen = __atomic_load_n(&thread->touched, __ATOMIC_RELAXED);
    while (seen < end && !__atomic_compare_exchange_n(&thread->touched, &seen, end, true,
                                                      __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        continue;
}

OUT_OF_LINE void thread_note_peak(struct thread *thread, uintptr_t end)
{
    if (end > thread->touched)
        thread_touch(thread, end);
    if (end > thread->peak)
        thread->peak = end;
}

/* Where the memory ends that may be resident. Past the committed part lies what the kernel refused
 * to take back. */
static uintptr_t resident_end(const struct thread *thread)
{
    uintptr_t touched = region_page_up(thread->touched);
    return touched > thread->committed ? touched : thread->committed;
}

void thread_trim(struct thread *thread)
{
    if (fixed.config.debug & DEBUG_QUARANTINE)
        return; /* what lies there is put away, or free for the next scope */
    uintptr_t start = thread->capacity_end;
    uintptr_t end = resident_end(thread);
    /* First, so that a scope in a signal handler commits anew what it needs. */
    thread->committed = start;
    signal_fence();
    if (region_discard(start, end) && thread->touched > start)
        thread->touched = start;
    region_forbid(start, end);
}

static unsigned trims_asked;
static size_t trims_pad;

/* Trims the calling thread's idle arena. */
static bool trim_idle(size_t pad)
{
    struct thread *thread = hot.thread;
    size_t room = thread->committed - thread->memory;
    size_t kept = pad < room ? pad : room;
    uintptr_t start = thread->memory + region_page_up(kept);
    bool done = false;
    /* A signal handler does without: what it wrote after the discard would pass for zero. */
    hot.unavailable = true;
    hot.thread = NULL;
    signal_fence();
    if (start < thread->touched && region_discard(start, resident_end(thread))) {
        thread->touched = start;
        done = true;
    }
    if (fixed.retains && retain_trim(thread, pad))
        done = true;
    signal_fence();
    hot.thread = thread;
    hot.unavailable = false;
    return done;
}

bool thread_trim_as_asked(struct thread *thread)
{
    unsigned asked = __atomic_load_n(&trims_asked, __ATOMIC_ACQUIRE);
    if (thread->trims == asked)
        return true;
    if (thread->depth > 0 && !thread->automatic)
        return false;
    thread->trims = asked;
    if (!thread->automatic)
        trim_idle(__atomic_load_n(&trims_pad, __ATOMIC_RELAXED));
    return true;
}

bool threads_trim(size_t pad)
{
    __atomic_store_n(&trims_pad, pad, __ATOMIC_RELAXED);
    __atomic_fetch_add(&trims_asked, 1, __ATOMIC_RELEASE);
    modules_unloaded(); /* sends every thread's next begin the slow way, where it trims */
    return hot.thread && hot.thread->depth == 0 && trim_idle(pad);
}

/* ---- start ---------------------------------------------------------------------------------- */

/* The second half of a slot is for scopes that retain what is alive. */
static void divide(struct thread *thread)
{
    uintptr_t end = thread->memory_end;
    uintptr_t half = region_page_down((end - thread->memory) / 2);
    chunks_init(&thread->retained.chunks, thread->memory + half, end);
    thread->retained.start = UINTPTR_MAX;
    if (!fixed.checked)
        thread->retained.limit = retain_limit(&thread->retained);
    thread->memory_end = thread->memory + half - REGION_GUARD_BYTES;
}

static void record_init(struct thread *thread, int slot)
{
    thread->slot = slot;
    thread->memory = region_memory(&fixed.region, slot);
    thread->memory_end = region_memory_end(&fixed.region, slot);
    thread->stack = UINTPTR_MAX;
    thread->marks_max = fixed.retains || fixed.checked ? 0 : SCOPE_DEPTH_MAX;
    if (fixed.retains)
        divide(thread);
    thread->committed = thread->memory;
    thread->base = thread->top = block_base(thread->memory);
    thread->touched = thread->base;
    thread->capacity_end = thread->memory + fixed.config.capacity;
    thread->limit_end = lower(thread->memory + fixed.config.limit, thread->memory_end);
    /* A scope that never ends has nothing to keep warm for the next: it may fill the limit. */
    if (fixed.config.scopes == SCOPES_PROCESS && fixed.config.overflow == OVERFLOW_GROW)
        thread->capacity_end = thread->limit_end;
    if (fixed.checked) {
        thread->checked = UINTPTR_MAX;
        track_pool(thread, BLOCK_RED_ZONE);
        track_pool(&thread->retained, BLOCK_HEADER);
    }
}

static bool slot_init(int slot)
{
    uintptr_t record = region_record(&fixed.region, slot);
    uintptr_t warm = region_memory(&fixed.region, slot) + fixed.config.capacity;
    struct thread *thread = (struct thread *)record;
    if (!thread_in_slot(slot)) {
        if (!region_commit(record, record + REGION_RECORD_BYTES))
            return false;
        track_show(thread, sizeof *thread);
        track_trust(thread, sizeof *thread);
        record_init(thread, slot);
    }
    if (thread->committed < warm && !thread_commit(thread, warm))
        return false;
    __atomic_store_n(&made[slot], true, __ATOMIC_RELEASE);
    return true;
}

/* Between two owners of an arena, and of the place of a `hot`: the second may not have waited for
 * the end of the first. */
static void renew(const struct thread *thread)
{
    track_renew((void *)thread->memory, thread->committed - thread->memory);
    track_renew(thread->words, sizeof hot);
}

static void say_no_arena(const char *reason)
{
    static bool said;
    if (__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
        return;
    struct text line;
    text_message(&line);
    text_str(&line, "a thread gets no arena: ");
    text_str(&line, reason);
    text_str(&line, "; its calls, and those of further threads like it, go to the next allocator");
    text_end(&line);
}

/* Makes the slot the calling thread's, unless its exit would not release it: setting a key's value
 * can take memory. */
static void adopt(int slot)
{
    struct thread *thread = thread_in_slot(slot);
    int saved_errno = errno;
    if (pthread_setspecific(exit_key, thread) == 0) {
        thread->words = &hot;
        track_take_over(thread);
        renew(thread);
        thread->threads++;
        hot.thread = thread;
    } else {
        region_release(slot);
        say_no_arena("the system refuses to call the shim at its exit");
    }
    errno = saved_errno;
}

bool thread_acquire(void)
{
    if (hot.unavailable)
        return false;
    hot.unavailable = true; /* a signal handler that begins a scope here does without */
    int slot = region_claim(&fixed.region);
    if (slot < 0) {
        say_no_arena("all slots of the region are taken");
    } else if (!slot_init(slot)) {
        region_release(slot);
        say_no_arena("the system refuses memory for it");
    } else {
        adopt(slot);
    }
    hot.unavailable = false;
    return hot.thread != NULL;
}

COLD bool thread_scope_is_open(const struct thread *thread, uint64_t token)
{
    for (uint64_t depth = thread->depth; depth > 0; depth--)
        if (thread->frames[depth - 1].token == token)
            return true;
    return false;
}

/* ---- end ------------------------------------------------------------------------------------ */

static void empty(struct thread *thread)
{
    if (thread->committed > thread->capacity_end)
        thread_trim(thread);
    if (region_discard(thread->memory, resident_end(thread)))
        thread->touched = thread->base;
}

/*
 * Runs among the thread's key destructors, some of which may come later and free blocks of this
 * arena: such calls find hot.cursor 0 and do nothing, even when the slot has a new owner by then.
 * They may also begin scopes; hot.unavailable keeps them from getting an arena that nobody would
 * release.
 */
static void thread_exits(void *record)
{
    struct thread *thread = record;
    /* The values of other keys may lie in the thread's scope, and their destructors read them. */
    if (thread->automatic == SCOPES_THREAD && ++thread->rounds < PTHREAD_DESTRUCTOR_ITERATIONS &&
        pthread_setspecific(exit_key, thread) == 0)
        return;
    /* Blocks of the process's scope stay in use, contents in quarantine are for its report. */
    bool lasting = thread->automatic == SCOPES_PROCESS || (fixed.config.debug & DEBUG_QUARANTINE);
    scope_abandon(thread);
    hot = (struct hot){.unavailable = true};
    if (fixed.retains)
        retain_leave(thread);
    renew(thread); /* the next thread here looks at `hot` before it has an arena */
    if (!lasting)
        empty(thread);
    thread->rounds = 0;
    track_hand_over(thread);
    region_release(thread->slot);
}

bool threads_start(void)
{
    return pthread_key_create(&exit_key, thread_exits) == 0;
}

static void clear_statistics(struct thread *thread)
{
    thread->threads = 0;
    thread->in_place = 0;
    thread->freed = 0;
    thread->ignored_frees = 0;
    thread->left_open = 0;
    thread->high_water = 0;
    thread->need = 0;
    thread->late_before = chunks_late_frees(&thread->retained.chunks);
    memset(&thread->passed, 0, sizeof thread->passed);
    memset(thread->sites, 0, sizeof thread->sites);
}

static void clear_state(struct thread *thread)
{
    clear_statistics(thread);
    for (uint64_t i = 0; i < thread->depth; i++) {
        struct frame *frame = &thread->frames[i];
        frame->stack = frame->pauses = 0;
        frame->live = 0;
        frame->retains = false;
    }
    thread->stack = UINTPTR_MAX;
    thread->depth = 0;
    thread->excess = 0;
    thread->busy = 0;
    thread->automatic = SCOPES_NONE;
    thread->peak = 0;
    thread->spilled = 0;
    thread->used = 0;
    thread->newest = 0;
    thread->rounds = 0;
    thread->quarantine_end = 0;
}

/* In a fork child: gives back all memory of a slot whose thread is not there. */
static void abolish(struct thread *thread, int slot)
{
    track_trim(thread, (void *)thread->memory, 0); /* the blocks of its scopes */
    thread_touch(thread, thread->committed);       /* where they ended only it knew */
    renew(thread);
    empty(thread);
    /* A checker knows the record as a pool, so that it stays under one; so does the record of
     * chunks, some of which hold what is alive in this process, too. With the record goes the
     * knowledge of what is zero, so that all memory goes, even where a trim has failed. */
    if (!fixed.checked && !fixed.retains && region_discard((uintptr_t)thread, thread->memory_end)) {
        made[slot] = false;
        return;
    }
    clear_state(thread);
    debug_goes_round(thread); /* memory of ended scopes may lie anywhere behind the base */
}

/* The same where the blocks are alive in this process, too. */
static void keep_blocks(struct thread *thread)
{
    if (thread->automatic != SCOPES_NONE) {
        /* Where they ended only it knew. In a full arena the cursor stays in front of the guard. */
        thread->base = thread->top =
            lower(block_base(thread->committed), thread->memory_end - BLOCK_HEADER);
        thread->touched = thread->committed;
    }
    clear_state(thread);
}

void threads_after_fork(void)
{
    for (int slot = 0; slot < region_slots_seen(); slot++) {
        struct thread *thread = thread_in_slot(slot);
        if (thread && thread == hot.thread) {
            clear_statistics(thread);
            thread->threads = 1;
            continue;
        }
        if (thread && fixed.retains)
            retain_orphan(thread);
        if (thread && fixed.config.scopes == SCOPES_PROCESS)
            keep_blocks(thread);
        else if (thread)
            abolish(thread, slot);
        region_release(slot);
    }
}
