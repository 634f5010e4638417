#include "scope/close.h"

#include <signal.h>

#include "base/numbers.h"
#include "base/page.h"
#include "base/track.h"
#include "engine/debug.h"
#include "engine/drop.h"
#include "engine/header.h"
#include "engine/looks.h"
#include "engine/retain.h"
#include "memory/region.h"
#include "next/fixed.h"
#include "scope/open.h"
#include "scope/stack.h"
#include "thread/gate.h"
#include "thread/misuse.h"

/* ---- accounting ------------------------------------------------------------------------------ */

/* Enters what a scope came to that drops. */
static void enter_dropping(struct thread *thread, struct frame *frame)
{
    struct site_stats *stats = frame->stats;
    if (frame->peak < frame->start)
        return; /* nothing was drawn */
    stats->peak = higher(stats->peak, frame->peak - frame->start);
    if (frame->live > 0)
        stats->live_at_end += (uint64_t)frame->live;
    thread->high_water = higher(thread->high_water, frame->peak - thread->base);
    thread->need = higher(thread->need, frame->peak - thread->base + thread->spilled);
    if (frame > thread->frames && !frame[-1].retains)
        frame[-1].peak = higher(frame[-1].peak, frame->peak);
    looks_count(thread, frame, frame->peak - frame->start);
}

/* What concerned the innermost scope alone is over. */
static ALWAYS_INLINE void drop_concerns(struct thread *thread, struct frame *frame)
{
    if (frame->pauses > 0)
        misuse_report(MISUSE_PAUSED, NULL);
    frame->pauses = 0;
    thread->spilled = frame->spilled;
    if (thread->excess > 0) {
        thread->left_open += thread->excess;
        frame->stats->left_open += thread->excess;
        thread->excess = 0;
    }
}

void scope_account_open(struct thread *thread)
{
    if (thread->depth == 0)
        return;
    settle_innermost(thread);
    for (uint64_t i = thread->depth; i-- > 0;) {
        struct frame *frame = &thread->frames[i];
        if (frame->retains)
            retain_look_back(thread, frame);
        else
            enter_dropping(thread, frame);
        frame->live = 0; /* it is counted once */
    }
}

/* ---- where blocks are checked ---------------------------------------------------------------- */

/* The first place of a page where the arena's next outermost scope starts: behind the one that
 * ends, with no page between them, which would cost the process two mappings (debug.c). */
static uintptr_t behind(void)
{
    size_t first = block_base(0, fixed.config.align);
    return page_up(hot.cursor - first) + first;
}

/* Whether there is no room behind it for one twice as large as any so far: what does not fit would
 * fall back, and memcheck would take its blocks for leaks. */
static bool is_used_up(const struct thread *thread)
{
    return behind() + 2 * (fixed.config.capacity + thread->high_water) > thread->memory_end;
}

/* Whether the addresses of an ended scope come again only when the slot's memory is used up: until
 * then every use of them is reported. */
static bool addresses_wait(void)
{
    return track_active() || debug_has(DEBUG_QUARANTINE);
}

/* The next outermost scope starts behind this one, or at the first address again. */
static void move_on(struct thread *thread, bool goes_round)
{
    thread->base = goes_round ? block_base(thread->memory, fixed.config.align) : behind();
    if (goes_round)
        debug_goes_round(thread);
}

/* The scope's blocks are looked at for the last time and are gone. */
static void retire(struct thread *thread, struct frame *frame)
{
    debug_ending(thread, frame);
    uintptr_t last = thread->newest;
    while (thread->newest >= frame->start) {
        struct header header = header_read((void *)thread->newest);
        thread->newest = header_previous((void *)thread->newest, &header);
    }
    bool moves_on = thread->depth == 1 && addresses_wait();
    bool goes_round = moves_on && is_used_up(thread);
    frame->outer_cursor = debug_ended(thread, frame, last, goes_round);
    track_trim(thread, (void *)thread->memory, frame->start - thread->memory);
    if (moves_on)
        move_on(thread, goes_round);
    thread->used = frame->used;
}

/* ---- ending one scope ------------------------------------------------------------------------ */

static void close_retaining(struct thread *thread, struct frame *frame, bool shut)
{
    bool used = (hot.calls | hot.freed | (frame->peak & ~PEAK_UNUSED)) != 0;
    if (used) {
        settle(thread, frame);
        retain_look_back(thread, frame);
    }
    drop_concerns(thread, frame);
    if (UNLIKELY(fixed.checked)) {
        debug_retaining(thread, frame);
        if (thread->depth == 1 && thread->quarantine_end != 0) { /* of scopes in it that dropped */
            thread->quarantine_end = 0;
            move_on(thread, is_used_up(thread));
        }
    }
    if (used && frame->outer_mark == 0 && !shut)
        retain_start_afresh(thread);
    leave_retaining(thread, frame);
}

static void close_dropping_slowly(struct thread *thread, struct frame *frame)
{
    if (thread->gap_top &&
        thread->swept == frame->token) /* else it is what a handler interrupted */
        drop_leave_gap(thread);
    settle(thread, frame);
    enter_dropping(thread, frame);
    drop_concerns(thread, frame);
    if (fixed.checked && !(thread->depth == 1 && thread->automatic == SCOPES_PROCESS))
        retire(thread, frame);
    if (hot.cursor > thread->touched)
        thread_touch(thread, hot.cursor);
    uintptr_t peak = frame->peak;
    uint64_t small = frame->outer_small;
    if (thread->retains) {
        hot_use_module(frame->outer_module_start, frame->outer_module_size);
        signal_fence();
        if (UNLIKELY(frame->unloads != modules_unloads))
            hot.module_size = 0; /* whose that was may be gone */
    }
    leave_dropping(thread, frame);
    if (thread->retains)
        hot.small = small;
    if (close_lets_go(thread, 0))
        thread_let_go(thread, peak);
}

void scope_close_innermost(struct thread *thread)
{
    struct frame *frame = thread_innermost(thread);
    uint64_t busy = thread->busy;
    bool shut = gate_heap_is_shut(thread);
    if (!gate_is_busy(thread))
        thread->busy = frame->token;
    signal_fence();
    hot.limit = 0;
    hot.small = 0;
    signal_fence();
    if (frame->call != 0)
        close_forget_call(thread, frame);
    if (frame->retains)
        close_retaining(thread, frame, shut);
    else
        close_dropping_slowly(thread, frame);
    signal_fence();
    thread->busy = busy;
}

/* How far from each other begin and end find the stack that one call of a function makes, by guards
 * that are not inlined, too. */
#define SAME_CALL ((uintptr_t)512)

static OUT_OF_LINE void close_used_slowly(struct thread *thread, const struct frame *frame)
{
    uintptr_t stack = (uintptr_t)__builtin_frame_address(0);
    if (frame->guard != 0 && !frame->retains && stack - frame->guard + SAME_CALL > 2 * SAME_CALL)
        misuse_report(MISUSE_HELD, NULL);
    scope_close_innermost(thread);
}

OUT_OF_LINE void close_used(struct thread *thread)
{
    struct frame *frame = thread_innermost(thread);
    if (UNLIKELY(thread->slow_ends != 0)) {
        close_used_slowly(thread, frame);
        return;
    }
    settle_dropping(thread, frame);
    enter_dropping(thread, frame);
    drop_concerns(thread, frame);
    if (UNLIKELY(hot.cursor > thread->touched))
        thread_touch(thread, hot.cursor);
    uintptr_t peak = frame->peak;
    leave_dropping(thread, frame);
    if (close_lets_go(thread, 0))
        thread_let_go(thread, peak);
}

/* ---- ending several -------------------------------------------------------------------------- */

void scope_count_left(struct thread *thread, uint64_t depth)
{
    for (uint64_t i = depth; i < thread->depth; i++)
        thread->frames[i].stats->left_open++;
    thread->left_open += thread->depth - depth;
}

void scope_close_down_to(struct thread *thread, uint64_t depth)
{
    while (thread->depth > depth) {
        /* A jump out of a scope leaves its pauses, too. */
        if (thread->depth > depth + 1)
            thread_innermost(thread)->pauses = 0;
        scope_close_innermost(thread);
    }
}

/* Which stack an address belongs to. That of another one (a coroutine's, one that a library has
 * made for itself, a signal stack that is disarmed while it is in use) says nothing else. */
enum stack { OWN, SIGNAL, OTHER };

static enum stack stack_of(const struct thread *thread, uintptr_t address,
                           const stack_t *signal_stack)
{
    if (address - (uintptr_t)signal_stack->ss_sp < signal_stack->ss_size)
        return SIGNAL;
    return stack_is_own(thread, address) ? OWN : OTHER;
}

/*
 * Whether a jump has left the call whose record lies at `record`, when code runs at `stack`. On one
 * stack the addresses tell; a signal stack's calls are left when the thread is back on its own. A
 * call on another stack may only wait to go on, so that it counts as left if nothing is lost then.
 */
static bool is_left(const struct thread *thread, uintptr_t record, uintptr_t stack,
                    const stack_t *signal_stack, bool all_retain)
{
    enum stack lies = stack_of(thread, record, signal_stack);
    enum stack runs = stack_of(thread, stack, signal_stack);
    if (lies == OTHER)
        return all_retain && (runs == OWN || (runs == OTHER && record <= stack));
    return lies == runs ? record <= stack : lies == SIGNAL && runs == OWN;
}

COLD bool scope_close_left(struct thread *thread, uintptr_t stack)
{
    stack_t signal_stack;
    if (LIKELY(thread->call > stack))
        return false;
    if (sigaltstack(NULL, &signal_stack) != 0 || (signal_stack.ss_flags & SS_DISABLE))
        signal_stack = (stack_t){0};
    stack_find(thread);
    /* Marks that were opened in a call that is left are left, too. */
    uint64_t left = thread->depth;
    bool all_retain = true;
    for (uint64_t i = thread->depth; i-- > 0;) {
        const struct frame *frame = &thread->frames[i];
        all_retain = all_retain && frame->retains;
        if (frame->call == 0)
            continue;
        if (!is_left(thread, frame->call, stack, &signal_stack, all_retain))
            break;
        left = i;
    }
    scope_count_left(thread, left);
    scope_close_down_to(thread, left);
    return stack_of(thread, stack, &signal_stack) != OWN;
}

void scope_abandon(struct thread *thread)
{
    uint64_t automatic = thread->automatic != SCOPES_NONE;
    for (uint64_t i = 0; i < thread->depth; i++)
        thread->frames[i].pauses = 0;
    scope_count_left(thread, automatic);
    scope_close_down_to(thread, automatic);
    uintptr_t end = hot.cursor;
    scope_close_down_to(thread, 0);
    if (thread->automatic == SCOPES_PROCESS && end != 0)
        thread->base = end;
    thread->automatic = SCOPES_NONE;
}
