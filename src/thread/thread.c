/*
 * Slots and the memory of scopes that drop: taking, growing, giving back.
 *
 * Memory kept. Without a capacity of the user's, an arena that has grown keeps what two at least of
 * its recent scopes came to, of the last KEPT_WINDOW outermost ones or of those before. When more
 * than twice as much is resident, the rest goes back to the kernel: so one large scope among small
 * ones is not kept at all.
 */
#include "thread/thread.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/numbers.h"
#include "base/page.h"
#include "base/probe.h"
#include "base/text.h"
#include "base/track.h"
#include "memory/layout.h"
#include "memory/region.h"
#include "next/fixed.h"

_Static_assert(sizeof(struct thread) <= REGION_RECORD_BYTES, "a record fits its slot");

__thread struct hot hot __attribute__((tls_model("initial-exec"), aligned(HOT_ALIGNMENT)));
bool threads_retain;

/* Set for a slot when its record is committed; records then stay. */
static bool made[REGION_SLOTS_MAX];

static pthread_key_t exit_key;

struct thread *thread_in_slot(int slot)
{
    bool is_made = __atomic_load_n(&made[slot], __ATOMIC_ACQUIRE);
    return is_made ? (struct thread *)region_record(&fixed.region, slot) : NULL;
}

struct thread *thread_counted(int slot)
{
    struct thread *thread = thread_in_slot(slot);
    return thread && thread->epoch == sites_epoch ? thread : NULL;
}

struct thread *thread_of_address(uintptr_t address)
{
    struct thread *own = hot.thread;
    if (LIKELY(own && address >= own->memory &&
               address < region_memory_end(&fixed.region, own->slot)))
        return own;
    int slot = region_slot_of(&fixed.region, address);
    return slot >= 0 && slot < region_slots_seen() ? thread_in_slot(slot) : NULL;
}

/* ---- memory --------------------------------------------------------------------------------- */

/* What is warm is the capacity, unless the user sets one or nothing may lie beyond. */
static bool is_adaptive(void)
{
    return !fixed.config.capacity_is_set && fixed.config.overflow == OVERFLOW_GROW;
}

void thread_set_limits(struct thread *thread)
{
    if (is_adaptive() && thread->committed > thread->capacity_end)
        thread->capacity_end = thread->committed;
    if (!fixed.checked)
        thread->open_limit = lower(thread->capacity_end, thread->committed);
}

bool thread_commit(struct thread *thread, uintptr_t end)
{
    /* In growing steps, so that a long scope makes few system calls. */
    uintptr_t step = thread->committed + (thread->committed - thread->memory) / 2;
    uintptr_t wanted = page_up(end > step ? end : step);
    if (wanted > thread->memory_end)
        wanted = thread->memory_end;
    bool done = region_grow(&thread->committed, &thread->begun, wanted) ||
                region_grow(&thread->committed, &thread->begun, page_up(end));
    thread_set_limits(thread);
    if (done)
        PROBE(refill, thread->slot, thread->committed - thread->memory);
    return done;
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

/* Gives the pages from `start` on back. */
static bool discard(struct thread *thread, uintptr_t start)
{
    if (start >= thread->touched || !region_discard(start, page_up(thread->touched)))
        return false;
    PROBE(trim, thread->memory, page_up(thread->touched) - start);
    thread->touched = start;
    return true;
}

void thread_let_go(struct thread *thread, uintptr_t peak)
{
    size_t capacity = fixed.config.capacity;
    if (fixed.config.debug & DEBUG_QUARANTINE)
        return; /* what lies there is put away, or free for the next scope */
    if (is_adaptive()) {
        size_t kept = kept_note(&thread->kept, peak > thread->memory ? peak - thread->memory : 0);
        capacity = higher(capacity, page_up(kept));
        if (thread->touched - thread->memory <= 2 * capacity)
            return;
    }
    discard(thread, thread->memory + capacity);
}

bool thread_trim(struct thread *thread, size_t pad)
{
    size_t room = thread->committed - thread->memory;
    return discard(thread, thread->memory + page_up(lower(pad, room)));
}

/* ---- modules that are gone ------------------------------------------------------------------- */

/* While one thread writes into the words of others these do not exit. A signal handler that ends
 * the process may have interrupted who has taken them: so nobody waits for ever. */
static bool words_take(void)
{
    for (int tries = 0; tries < 10000; tries++) {
        if (!__atomic_exchange_n(&wiped.words_taken, true, __ATOMIC_ACQUIRE))
            return true;
        sched_yield();
    }
    return false;
}

static void words_give_back(bool taken)
{
    if (taken)
        __atomic_store_n(&wiped.words_taken, false, __ATOMIC_RELEASE);
}

/* Its words are there. A thread may have ended by a system call of its own, without any destructor.
 */
static bool is_there(const struct thread *thread)
{
    if (!__atomic_load_n(&thread->owned, __ATOMIC_ACQUIRE))
        return false;
    return thread == hot.thread || syscall(SYS_tgkill, getpid(), thread->owner, 0) == 0 ||
           errno != ESRCH;
}

/* An owner that comes to another module meanwhile looks that up anew, at worst. */
void threads_forget_gone(void)
{
    int saved_errno = errno;
    bool taken = words_take();
    for (int slot = 0; taken && slot < region_slots_seen(); slot++) {
        const struct thread *thread = thread_in_slot(slot);
        if (!thread || !is_there(thread))
            continue;
        struct hot *words = thread->words;
        size_t size = __atomic_load_n(&words->module_size, __ATOMIC_RELAXED);
        if (size != 0 &&
            !modules_lie_at(__atomic_load_n(&words->module_start, __ATOMIC_RELAXED), size))
            __atomic_store_n(&words->module_size, 0, __ATOMIC_RELAXED);
    }
    words_give_back(taken);
    errno = saved_errno;
}

/* ---- start ---------------------------------------------------------------------------------- */

/* Bytes of a slot's memory for scopes that drop: behind it, and a guard, is as much for those that
 * retain. */
static size_t part_that_drops(size_t bytes)
{
    size_t part = page_down(bytes / 2);
    while (part + page_size + pages_span(part) > bytes)
        part -= page_size;
    return part;
}

/* A signal handler may come in between and do the same. */
void thread_allow_retaining(struct thread *thread)
{
    thread->fast_begins = 0;
    thread->slow_ends = UINTPTR_MAX;
    thread->retains = true;
}

static void record_init(struct thread *thread, int slot)
{
    thread->slot = slot;
    thread->memory = region_memory(&fixed.region, slot);
    size_t bytes = region_memory_end(&fixed.region, slot) - thread->memory;
    thread->memory_end = thread->memory + part_that_drops(bytes);
    thread->call = UINTPTR_MAX;
    thread->fast_begins = fixed.checked ? 0 : SCOPE_DEPTH_MAX;
    thread->slow_ends = fixed.checked ? UINTPTR_MAX : 0;
    thread->heap.slot = (uint64_t)slot;
    pages_init(&thread->heap.pages, thread->memory_end + page_size,
               region_memory_end(&fixed.region, slot));
    if (threads_retain)
        thread_allow_retaining(thread);
    thread->committed = thread->memory;
    thread->base = block_base(thread->memory, fixed.config.align);
    thread->touched = thread->base;
    thread->capacity_end = thread->nominal_end = thread->memory + fixed.config.capacity;
    thread->limit_end = lower(thread->memory + fixed.config.limit, thread->memory_end);
    /* A scope that never ends has nothing to keep warm for the next: it may fill the limit. */
    if (fixed.config.scopes == SCOPES_PROCESS && fixed.config.overflow == OVERFLOW_GROW)
        thread->capacity_end = thread->nominal_end = thread->limit_end;
    if (fixed.checked) {
        track_pool(thread, BLOCK_RED_ZONE);
        track_pool(&thread->heap, BLOCK_HEADER);
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
        __atomic_store_n(&made[slot], true, __ATOMIC_RELEASE);
    }
    return thread->committed >= warm || thread_commit(thread, warm);
}

void thread_renew(const struct thread *thread)
{
    track_renew((void *)thread->memory, thread->committed - thread->memory);
    if (thread->words) /* else it was being made when its process forked */
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
        thread->owner = (pid_t)syscall(SYS_gettid);
        __atomic_store_n(&thread->owned, true, __ATOMIC_RELEASE);
        thread->stack_start = thread->stack_size = 0;
        track_take_over(thread);
        thread_renew(thread);
        if (thread->epoch != sites_epoch)
            thread_clear_statistics(thread);
        thread->threads++;
        PROBE(first_scope, thread->slot, thread->owner);
        hot.heap = thread->retains ? thread->heap.pages.start : UINTPTR_MAX;
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

/* ---- end ------------------------------------------------------------------------------------ */

bool threads_start(void (*exits)(void *))
{
    return pthread_key_create(&exit_key, exits) == 0;
}

bool thread_exits_later(struct thread *thread)
{
    return ++thread->rounds < PTHREAD_DESTRUCTOR_ITERATIONS &&
           pthread_setspecific(exit_key, thread) == 0;
}

/* Memory that has been used has tables of its own in every slot, all of which a fork copies. So
 * many slots keep theirs when their thread exits, for the next. */
#define TABLED_SLOTS 16

/* Key destructors that come later may free blocks of this arena: such calls find hot.cursor 0 and
 * do nothing, even when the slot has a new owner by then. They may also begin scopes;
 * hot.unavailable keeps them from getting an arena that nobody would release. */
void thread_release(struct thread *thread, bool lasts)
{
    hot = (struct hot){.unavailable = true};
    thread_renew(thread); /* the next thread here looks at `hot` before it has an arena */
    /* It stays readable: to free a block of it later is wrong, and harmless. */
    if (!lasts && discard(thread, thread->memory) && thread->slot >= TABLED_SLOTS && !fixed.checked)
        region_replace(thread->memory, thread->committed);
    thread->rounds = 0;
    thread->kept = (struct kept){0};
    track_hand_over(thread);
    bool taken = words_take();
    thread->owned = false;
    region_release(thread->slot);
    words_give_back(taken);
}

void thread_clear_statistics(struct thread *thread)
{
    thread->epoch = sites_epoch;
    thread->threads = 0;
    thread->in_place = 0;
    thread->freed = 0;
    thread->ignored_frees = 0;
    thread->left_open = 0;
    thread->other_stacks = 0;
    thread->high_water = 0;
    thread->need = 0;
    thread->late_frees = 0;
    memset(&thread->passed, 0, sizeof thread->passed);
    memset(thread->sites, 0, sites_count() * sizeof *thread->sites);
}

static void clear_state(struct thread *thread)
{
    for (uint64_t i = 0; i < thread->depth; i++) {
        struct frame *frame = &thread->frames[i];
        frame->call = frame->pauses = 0;
    }
    thread->call = UINTPTR_MAX;
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
    thread->gap_top = 0;
    thread->gaps = 0;
    thread->owned = false;
    thread_set_limits(thread);
}

void thread_abolish(struct thread *thread, bool lasts)
{
    int slot = thread->slot;
    thread_touch(thread, thread->committed); /* where its scopes ended only it knew */
    thread_renew(thread);
    /* A checker knows the record as a pool. */
    if (!lasts && !fixed.checked && !thread->retains) {
        /* The thread may have been about to commit more. */
        uintptr_t memory = thread->memory, end = higher(thread->committed, thread->begun);
        made[slot] = false;
        /* Else the slot is lost: what lies there is not as a new thread must find it. */
        if (region_uncommit((uintptr_t)thread, (uintptr_t)thread + REGION_RECORD_BYTES) &&
            (end == memory || region_uncommit(memory, end)))
            region_release(slot);
        return;
    }
    if (lasts) {
        /* In a full arena the cursor stays in front of the guard. */
        uintptr_t behind = block_base(thread->committed, fixed.config.align);
        thread->base = lower(behind, thread->memory_end - BLOCK_HEADER);
    } else {
        track_trim(thread, (void *)thread->memory, 0);
        discard(thread, thread->memory);
    }
    clear_state(thread);
    region_release(slot);
}
