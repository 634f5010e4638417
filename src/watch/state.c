#include "watch/state.h"

#include <time.h>

__thread struct watch_thread watch_thread;
struct record *watch_record;

struct record_thread *state_counters(void)
{
    static uint32_t threads;
    struct watch_thread *thread = &watch_thread;
    if (thread->slot == 0) {
        uint32_t number = __atomic_fetch_add(&threads, 1, __ATOMIC_RELAXED);
        thread->number = number;
        thread->slot = number % RECORD_THREADS + 1;
        thread->random = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
        thread->until = state_gap(watch_record->every);
        state_add(&watch_record->threads[thread->slot - 1].threads, 1);
    }
    return &watch_record->threads[thread->slot - 1];
}

uint64_t state_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
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
