/*
 * Activations are nodes, each linked to the one that encloses it; a thread's open ones are a stack,
 * in which each function has one at most. A block refers to the innermost in which it was drawn, a
 * node to the enclosing one, and a node is kept until it has ended and nothing refers to it. So the
 * nodes that lead from a block upwards are all that it was drawn in, ended or not.
 *
 * A node belongs to its thread. What other threads do to its blocks has numbers of its own.
 *
 * A fork's child has copies of what is open, and they are activations that began at the fork. They
 * go on to know what was drawn before it, but that enters no sum of the record a second time.
 *
 * enter and leave must not call what is not quiet (named_host.h), so that what they use is inline.
 */
#include "watch/prove.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "watch/sample.h"
#include "watch/state.h"

struct activation {
    struct activation *enclosing; /* of a spare node: the next */
    uintptr_t call;               /* where struct named_call lies: how deep the stack is */
    struct record_function *function;
    uint64_t bit; /* of the function */
    uint32_t thread;
    bool open;
    uint64_t references; /* blocks that were drawn in no inner one, inner nodes; 1 while open */
    struct note *first;  /* blocks with a stack that are alive, and in no inner one that is open */
    /* Drawn in it or in inner ones: in all, and less what the thread has freed. */
    uint64_t calls, blocks, bytes;
    uint64_t foreign_blocks, foreign_bytes; /* of these, freed by other threads */
};

/* site_number of a function that the record does not name. */
#define NOT_NAMED (RECORD_FUNCTIONS + 1)
_Static_assert(RECORD_FUNCTIONS <= 64, "a set of functions is a word");

static uint16_t forks; /* that led here from the process that was executed */
static pthread_key_t thread_end;
static bool listing; /* the lists of blocks with a stack are in use */

/* ---- blocks with a stack --------------------------------------------------------------------- */

void prove_lock(void)
{
    while (__atomic_test_and_set(&listing, __ATOMIC_ACQUIRE))
        sched_yield();
}

void prove_unlock(void)
{
    __atomic_clear(&listing, __ATOMIC_RELEASE);
}

static void list(struct activation *one, struct note *note)
{
    note->next = one->first;
    note->link = &one->first;
    if (note->next)
        note->next->link = &note->next;
    __atomic_store_n(&one->first, note, __ATOMIC_RELAXED);
}

static void unlist(struct note *note)
{
    if (note->next)
        note->next->link = note->link;
    __atomic_store_n(note->link, note->next, __ATOMIC_RELAXED);
    note->link = NULL;
}

void prove_move(struct note *to, const struct note *from)
{
    prove_lock();
    to->context = from->context;
    to->forks = from->forks;
    to->next = from->next;
    to->link = from->link;
    if (to->link) {
        __atomic_store_n(to->link, to, __ATOMIC_RELAXED);
        if (to->next)
            to->next->link = &to->next;
    }
    prove_unlock();
}

/* The activation ends: what is alive goes up to the enclosing one. */
static void tell_survivors(struct activation *one)
{
    prove_lock();
    while (one->first) {
        struct note *note = one->first;
        unlist(note);
        if (note->forks == forks)
            sample_survived(note, (unsigned)(one->function - watch_record->functions));
        if (one->enclosing)
            list(one->enclosing, note);
    }
    prove_unlock();
}

/* ---- begin and end --------------------------------------------------------------------------- */

/* There is a spare node. */
static ALWAYS_INLINE void begin(struct named_call *call, struct record_function *function,
                                uint64_t bit)
{
    struct watch_thread *thread = &watch_thread;
    struct activation *one = thread->spare, *enclosing = thread->innermost;
    thread->spare = one->enclosing;
    *one = (struct activation){
        .enclosing = enclosing,
        .call = (uintptr_t)call,
        .function = function,
        .bit = bit,
        .thread = thread->number,
        .open = true,
        .references = 1,
    };
    if (enclosing)
        __atomic_add_fetch(&enclosing->references, 1, __ATOMIC_RELAXED);
    thread->innermost = one;
    thread->open |= bit;
    state_add(&function->activations, 1);
    call->token = (uintptr_t)one;
}

/* Nothing refers to the node any more in one place less. */
static ALWAYS_INLINE void let_go(struct activation *one)
{
    struct watch_thread *thread = &watch_thread;
    while (one && __atomic_sub_fetch(&one->references, 1, __ATOMIC_ACQ_REL) == 0) {
        struct activation *enclosing = one->enclosing;
        one->enclosing = thread->spare;
        thread->spare = one;
        one = enclosing;
    }
}

/* The innermost one ends; no block is listed with it. */
static ALWAYS_INLINE void end(struct activation *one)
{
    struct watch_thread *thread = &watch_thread;
    thread->innermost = one->enclosing;
    thread->open &= ~one->bit;
    one->open = false;
    if (one->blocks != __atomic_load_n(&one->foreign_blocks, __ATOMIC_RELAXED))
        state_add(&one->function->surviving, 1);
    let_go(one);
}

static void end_slowly(struct activation *one, bool left)
{
    if (left)
        state_add(&one->function->left, 1);
    tell_survivors(one);
    end(one);
}

/* ---- wrapped calls --------------------------------------------------------------------------- */

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
    struct record_function *function = &watch_record->functions[number - 1];
    uint64_t bit = UINT64_C(1) << (number - 1);
    if (thread->open & bit) {
        state_add(&function->nested, 1);
        return true;
    }
    if (!(thread->seen & bit) || !thread->spare)
        return false;
    thread->busy = 1;
    signal_fence();
    begin(call, function, bit);
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
    end(one);
    signal_fence();
    thread->busy = 0;
    call->token = 0;
    return true;
}

/* Which of the record's functions it is, from 1. */
static size_t find_function(const struct named_function *function)
{
    struct dl_find_object object;
    char program[sizeof watch_record->functions->module] = "";
    if (_dl_find_object((void *)function->module_start, &object) != 0)
        return NOT_NAMED;
    const char *path = object.dlfo_link_map->l_name;
    if (*path == '\0' && readlink("/proc/self/exe", program, sizeof program - 1) > 0)
        path = program;
    for (size_t i = 0; i < watch_record->functions_named; i++) {
        const struct record_function *named = &watch_record->functions[i];
        if (named->offset == function->offset &&
            strncmp(named->module, path, sizeof program - 1) == 0)
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
        end_slowly(thread->innermost, true);
    }
}

static void note_thread(uint64_t bit, struct record_function *function)
{
    struct watch_thread *thread = &watch_thread;
    if (thread->seen == 0) {
        state_counters(); /* the thread has a number from then on */
        pthread_setspecific(thread_end, thread);
    }
    if (!(thread->seen & bit))
        state_add(&function->threads, 1);
    thread->seen |= bit;
}

static void enter_any(struct named_call *call, size_t number)
{
    struct watch_thread *thread = &watch_thread;
    struct record_function *function = &watch_record->functions[number - 1];
    uint64_t bit = UINT64_C(1) << (number - 1);
    note_thread(bit, function);
    end_left((uintptr_t)call);
    if (thread->open & bit) {
        state_add(&function->nested, 1);
        return;
    }
    bool clean;
    if (!thread->spare)
        thread->spare = heap_take(sizeof *thread->spare, 16, &clean);
    if (!thread->spare)
        return;
    thread->spare->enclosing = NULL;
    begin(call, function, bit);
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
        enter_any(call, number);
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
            end_slowly(thread->innermost, true);
        end_slowly(one, false);
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
        end_slowly(thread->innermost, true);
    while (thread->spare) {
        struct activation *spare = thread->spare;
        thread->spare = spare->enclosing;
        heap_give(spare);
    }
    signal_fence();
    thread->busy = 0;
}

void prove_start(struct named_host *host)
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

void prove_forked(void)
{
    forks++;
    for (struct activation *one = watch_thread.innermost; one; one = one->enclosing)
        state_add(&one->function->activations, 1);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static void raise_to(uint64_t *most, uint64_t value)
{
    uint64_t old = __atomic_load_n(most, __ATOMIC_RELAXED);
    while (old < value && !__atomic_compare_exchange_n(most, &old, value, true, __ATOMIC_RELAXED,
                                                       __ATOMIC_RELAXED))
        ;
}

/* More bytes are alive in it. */
static void note_most(const struct activation *one)
{
    raise_to(&one->function->most_bytes,
             one->bytes - __atomic_load_n(&one->foreign_bytes, __ATOMIC_RELAXED));
}

void prove_draw(struct note *note)
{
    struct activation *innermost = watch_thread.innermost;
    note->context = innermost;
    note->forks = forks;
    state_add(&innermost->references, 1);
    for (struct activation *one = innermost; one; one = one->enclosing) {
        struct record_function *function = one->function;
        one->calls++;
        one->blocks++;
        one->bytes += note->size;
        state_add(&function->calls, 1);
        state_add(&function->bytes, note->size);
        raise_to(&function->most_calls, one->calls);
        note_most(one);
    }
}

void prove_drawn(struct note *note)
{
    prove_lock();
    list(note->context, note);
    prove_unlock();
}

static bool is_own(const struct note *note)
{
    return note->context->thread == watch_thread.number;
}

/* The innermost open activation that the thread has drawn the block in; NULL: none. All that
 * enclose it are open, too. */
static struct activation *still_inside(const struct note *note)
{
    struct activation *one = is_own(note) ? note->context : NULL;
    while (one && !one->open)
        one = one->enclosing;
    return one;
}

/* The thread frees or resizes a block that was drawn in these activations alone, of its open ones.
 */
static void note_outside(const struct activation *drawn_in)
{
    for (struct activation *one = watch_thread.innermost; one != drawn_in; one = one->enclosing)
        state_add(&one->function->freed_outside, 1);
}

void prove_free(struct note *note)
{
    struct activation *inside = still_inside(note);
    uint64_t counts = note->forks == forks, size = note->size;
    note_outside(inside);
    for (struct activation *one = inside; one; one = one->enclosing) {
        one->blocks--;
        one->bytes -= size;
        state_add(&one->function->inside, counts);
        state_add(&one->function->inside_bytes, counts * size);
    }
    for (struct activation *one = is_own(note) ? NULL : note->context; one; one = one->enclosing) {
        state_add(&one->foreign_blocks, 1);
        state_add(&one->foreign_bytes, size);
        state_add(&one->function->foreign, counts);
    }
    if (note->drawn) {
        prove_lock();
        if (note->link)
            unlist(note);
        prove_unlock();
    }
    let_go(note->context);
}

void prove_resize(struct note *note, size_t old)
{
    struct activation *inside = still_inside(note);
    uint64_t counts = note->forks == forks, more = note->size - old;
    note_outside(inside);
    for (struct activation *one = inside; one; one = one->enclosing) {
        one->bytes += more;
        state_add(&one->function->resizes, counts);
        state_add(&one->function->bytes, counts * more);
        note_most(one);
    }
    for (struct activation *one = is_own(note) ? NULL : note->context; one; one = one->enclosing)
        state_add(&one->foreign_bytes, -more);
}

void prove_stranger(void)
{
    note_outside(NULL);
}
