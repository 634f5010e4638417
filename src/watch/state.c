#include "watch/state.h"

#include "base/compiler.h"

__thread struct watch_thread watch_thread;
struct record *watch_record;

static void take_slot(struct watch_thread *thread)
{
    static uint32_t threads;
    uint32_t taken = __atomic_fetch_add(&watch_record->slots_taken, 1, __ATOMIC_RELAXED);
    thread->slot = taken % RECORD_THREADS + 1;
    /* Processes that do the same, as children often do, are not sampled at the same calls. */
    thread->random = (taken + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);
    thread->until = state_gap(watch_record->every);
    if (thread->number != 0)
        return;
    thread->number = __atomic_add_fetch(&threads, 1, __ATOMIC_RELAXED);
    if (thread->number > 1)
        __atomic_store_n(&watch_record->is_threaded, 1, __ATOMIC_RELAXED);
    state_add(&watch_record->threads[thread->slot - 1].threads, 1);
}

struct record_thread *state_counters(void)
{
    struct watch_thread *thread = &watch_thread;
    if (UNLIKELY(thread->slot == 0))
        take_slot(thread);
    return &watch_record->threads[thread->slot - 1];
}

void state_forked(void)
{
    if (watch_thread.slot != 0)
        take_slot(&watch_thread);
}

uint64_t state_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* xorshift64 (Marsaglia, Journal of Statistical Software 8(14), 2003). Uniform from 0 to
 * 2 (every - 1), so that the mean is every - 1 and no period of the program's is met. */
uint32_t state_gap(uint64_t every)
{
    struct watch_thread *thread = &watch_thread;
    thread->random ^= thread->random << 13;
    thread->random ^= thread->random >> 7;
    thread->random ^= thread->random << 17;
    return (uint32_t)((thread->random >> 16) % (2 * every - 1));
}
