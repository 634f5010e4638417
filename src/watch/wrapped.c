/*
 * enter and leave must not call what is not quiet (named_host.h).
 */
#include "watch/wrapped.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/compiler.h"
#include "base/find_object.h"
#include "watch/activation.h"
#include "watch/state.h"
#include "watch/tables.h"

/* site_number of a function that the record does not name. */
#define NOT_NAMED (RECORD_FUNCTIONS + 1)
_Static_assert(RECORD_FUNCTIONS <= 64, "a set of functions is a word");

static pthread_key_t thread_end;

static NAMED_QUIET bool enter(struct named_call *call)
{
    struct watch_thread *thread = &watch_thread;
    size_t number = __atomic_load_n(&call->function->site_number, __ATOMIC_RELAXED);
    call->token = 0;
    if (number == NOT_NAMED)
        return true;
    if (number == 0 || thread->busy ||
        (thread->innermost && thread->innermost->call <= (uintptr_t)call))
        return false;
    uint32_t function = (uint32_t)number - 1;
    uint64_t bit = UINT64_C(1) << function;
    if (!(thread->seen & bit))
        return false;
    if (thread->open & bit) {
        activation_tally(function)->nested++;
        return true;
    }
    if (!thread->spare)
        return false;
    thread->busy = 1;
    signal_fence();
    activation_begin(call, function);
    signal_fence();
    thread->busy = 0;
    return true;
}

static NAMED_QUIET bool leave(struct named_call *call)
{
    struct watch_thread *thread = &watch_thread;
    struct activation *one = thread->innermost;
    if (call->token == 0)
        return true;
    if (thread->busy || !one || one->call != (uintptr_t)call ||
        __atomic_load_n(&one->first, __ATOMIC_RELAXED))
        return false;
    thread->busy = 1;
    signal_fence();
    activation_end(one);
    signal_fence();
    thread->busy = 0;
    call->token = 0;
    return true;
}

/* Which of the record's functions it is, from 1. */
static size_t find_function(const struct named_function *function)
{
    struct dl_find_object object;
    if (_dl_find_object((void *)function->module_start, &object) != 0)
        return NOT_NAMED;
    uint32_t module = tables_module(object.dlfo_link_map);
    if (module == TABLES_OWN)
        return NOT_NAMED;
    for (size_t i = 0; i < watch_record->functions_named; i++) {
        const struct record_function *named = &watch_record->functions[i];
        if (named->offset == function->offset &&
            strcmp(named->module, watch_record->modules[module].path) == 0)
            return i + 1;
    }
    return NOT_NAMED;
}

/*
 * Ends what a jump has left: the stack grows downwards. A handler's stack tells nothing of what the
 * handler has interrupted. A coroutine that waits on a lower stack seems to have been left.
 */
static void end_left(uintptr_t stack)
{
    struct watch_thread *thread = &watch_thread;
    while (thread->innermost && thread->innermost->call <= stack) {
        stack_t handlers;
        if (sigaltstack(NULL, &handlers) == 0 && (handlers.ss_flags & SS_ONSTACK) &&
            thread->innermost->call - (uintptr_t)handlers.ss_sp >= handlers.ss_size)
            break;
        activation_end_slowly(thread->innermost, true);
    }
}

static void note_thread(uint32_t function)
{
    struct watch_thread *thread = &watch_thread;
    uint64_t bit = UINT64_C(1) << function;
    if (thread->seen == 0) {
        state_counters(); /* the thread has a number and a slot from then on */
        pthread_setspecific(thread_end, thread);
    }
    if (!(thread->seen & bit))
        activation_tally(function)->threads++;
    thread->seen |= bit;
}

static void enter_any(struct named_call *call, uint32_t function)
{
    struct watch_thread *thread = &watch_thread;
    note_thread(function);
    end_left((uintptr_t)call);
    if (thread->open & UINT64_C(1) << function) {
        activation_tally(function)->nested++;
        return;
    }
    bool clean;
    if (!thread->spare) {
        thread->spare = heap_take(sizeof *thread->spare, 16, &clean);
        if (!thread->spare) {
            state_add(&watch_record->dropped, 1);
            return;
        }
        thread->spare->enclosing = NULL;
    }
    activation_begin(call, function);
}

/* A handler that has interrupted the watching makes no activation. */
static void enter_slowly(struct named_call *call)
{
    struct watch_thread *thread = &watch_thread;
    int saved_errno = errno;
    size_t number = __atomic_load_n(&call->function->site_number, __ATOMIC_RELAXED);
    call->token = 0;
    if (thread->busy) {
        state_add(&watch_record->busy, 1);
        return;
    }
    thread->busy = 1;
    signal_fence();
    if (number == 0) {
        number = find_function(call->function);
        __atomic_store_n(&call->function->site_number, number, __ATOMIC_RELAXED);
    }
    if (number != NOT_NAMED)
        enter_any(call, (uint32_t)number - 1);
    signal_fence();
    thread->busy = 0;
    errno = saved_errno;
}

/* It may have ended already, as one that seemed to have been left; inner ones have been left. */
static void leave_slowly(struct named_call *call)
{
    struct watch_thread *thread = &watch_thread;
    int saved_errno = errno;
    struct activation *one = call->token != 0 && !thread->busy ? thread->innermost : NULL;
    call->token = 0;
    while (one && one->call != (uintptr_t)call)
        one = one->enclosing;
    if (one) {
        thread->busy = 1;
        signal_fence();
        while (thread->innermost != one)
            activation_end_slowly(thread->innermost, true);
        activation_end_slowly(one, false);
        signal_fence();
        thread->busy = 0;
    }
    errno = saved_errno;
}

/* What a thread leaves open has ended with it. */
static void end_thread(void *value)
{
    struct watch_thread *thread = value;
    thread->busy = 1;
    signal_fence();
    while (thread->innermost)
        activation_end_slowly(thread->innermost, true);
    while (thread->spare) {
        struct activation *spare = thread->spare;
        thread->spare = spare->enclosing;
        heap_give(spare);
    }
    signal_fence();
    thread->busy = 0;
}

void wrapped_start(struct named_host *host)
{
    host->enter = enter;
    host->enter_slowly = enter_slowly;
    host->leave = leave;
    host->leave_slowly = leave_slowly;
    /* What cannot be wrapped has no activations; the command says so. */
    host->quiet = true;
    host->strict = false;
    if (pthread_key_create(&thread_end, end_thread) != 0)
        host->file = host->specs = "";
}
