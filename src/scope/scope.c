/*
 * Begin and end are written so that a signal handler may begin and end scopes of its own between
 * any two of their instructions, as long as it ends what it began:
 *
 * - a frame is filled before `depth` counts it, and once more if a handler used it in between;
 * - the gate is closed before the cursor moves and opened last;
 * - what end puts back is what begin found, not what it must have been.
 */
#define ARENASHIM_BUILDING
#include <arenashim/scope.h>

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/compiler.h"
#include "base/numbers.h"
#include "base/track.h"
#include "scope/automatic.h"
#include "engine/block.h"
#include "engine/debug.h"
#include "next/fixed.h"
#include "thread/misuse.h"
#include "scope/named.h"
#include "engine/retain.h"
#include "scope/scope.h"
#include "process/start.h"

/* ---- tokens: serial number, slot, depth ------------------------------------------------------ */

#define TOKEN_DEPTH(id) ((id)&0xffff)
#define TOKEN_SLOT(id) ((int)((id) >> 16 & 0xffff))
#define DEPTH_EXCESS ((uint64_t)0xffff)

static ALWAYS_INLINE uint64_t make_token(struct thread *thread, uint64_t depth)
{
    return ++thread->serial << 32 | (uint64_t)thread->slot << 16 | depth;
}

/* ---- accounting ----------------------------------------------------------------------------- */

static ALWAYS_INLINE void settle_resetting(struct thread *thread, struct frame *frame)
{
    /* 0: in a signal handler that interrupted the begin or the end of a scope that retains. */
    CHECK(hot.cursor == 0 || (hot.cursor >= frame->start && hot.cursor <= thread->memory_end));
    uint64_t calls = hot.calls;
    uint64_t bytes = hot.bytes;
    uint64_t freed = hot.freed;
    /* Subtracted, not cleared: a signal handler may have counted in between. Without the fence the
     * compiler sees that the difference is 0 and clears. */
    signal_fence();
    hot.calls -= calls;
    hot.bytes -= bytes;
    hot.freed -= freed;
    frame->stats->calls += calls;
    frame->stats->bytes += bytes;
    frame->live += (int64_t)(calls - freed);
    thread->freed += freed;
    uintptr_t peak = higher(thread->peak, hot.cursor);
    thread->peak = 0;
    frame->peak = higher(frame->peak, peak);
}

static ALWAYS_INLINE void settle_retaining(struct thread *thread, struct frame *frame)
{
    frame->peak |= 1; /* it has been used */
    retain_settle(thread, frame);
}

static void settle(struct thread *thread, struct frame *frame)
{
    if (frame->retains)
        settle_retaining(thread, frame);
    else
        settle_resetting(thread, frame);
}

void scope_settle(struct thread *thread)
{
    CHECK(thread->depth > 0 && thread->depth <= SCOPE_DEPTH_MAX);
    if (scope_is_pending(thread))
        scope_open_pending(thread);
    uint64_t depth = thread->depth;
    while (depth > 0 && frame_is_pending(&thread->frames[depth - 1]))
        depth--; /* in a signal handler that interrupted the opening */
    if (depth > 0)
        settle(thread, &thread->frames[depth - 1]);
}

/* Where the arena's next outermost scope starts behind the one that ends. */
static uintptr_t behind(void)
{
    return region_page_down(hot.cursor) + REGION_GUARD_BYTES;
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

/* Where blocks are checked: the scope's are looked at for the last time and are gone. */
static void retire(struct thread *thread, struct frame *frame)
{
    uint64_t busy = thread->busy;
    thread->busy = frame->token; /* a signal handler is served by the next allocator meanwhile */
    signal_fence();
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
        thread->base = thread->top = block_base(goes_round ? thread->memory : behind());
    if (goes_round)
        debug_goes_round(thread);
    signal_fence();
    thread->busy = busy;
}

/* Enters what a scope came to that does not retain. */
static void note(struct thread *thread, struct frame *frame)
{
    struct site_stats *stats = frame->stats;
    if (frame->peak < frame->start)
        return; /* nothing was drawn; or it retained, and a handler jumped away from its end */
    stats->peak = higher(stats->peak, frame->peak - frame->start);
    if (frame->live > 0)
        stats->live_at_end += (uint64_t)frame->live;
    thread->high_water = higher(thread->high_water, frame->peak - thread->base);
    thread->need = higher(thread->need, frame->peak - thread->base + thread->spilled);
    if (frame > thread->frames)
        frame[-1].peak = higher(frame[-1].peak, frame->peak);
}

/* Forgets what concerned the innermost scope alone. */
static ALWAYS_INLINE void forget(struct thread *thread, struct frame *frame)
{
    if (frame->pauses > 0)
        misuse_report(MISUSE_PAUSED, NULL);
    frame->pauses = 0;
    thread->spilled = frame->spilled;
    if (thread->checked)
        thread->used = frame->used;
    if (thread->excess > 0) {
        thread->left_open += thread->excess;
        thread->excess = 0;
    }
}

void scope_account_open(struct thread *thread)
{
    if (thread->depth == 0)
        return;
    scope_settle(thread);
    for (uint64_t i = thread->depth; i-- > 0;) {
        struct frame *frame = &thread->frames[i];
        if (!frame->retains && !frame_is_pending(frame))
            note(thread, frame);
        frame->live = 0; /* it is counted once */
    }
}

/* ---- begin ---------------------------------------------------------------------------------- */

static COLD struct site_stats *find_stats(struct thread *thread, const arena_scope_site *site)
{
    struct site_cache_entry *entry = &thread->site_cache[site_hash(site)];
    entry->stats = NULL; /* a signal handler must not find the new key with the old statistics */
    signal_fence();
    struct site_stats *stats = &thread->sites[sites_find(site)];
    entry->key = *site;
    signal_fence();
    entry->stats = stats;
    return stats;
}

/* NULL when they are not in the cache. */
static ALWAYS_INLINE struct site_stats *cached_stats(struct thread *thread,
                                                     const arena_scope_site *site)
{
    const struct site_cache_entry *entry = &thread->site_cache[site_hash(site)];
    struct site_stats *stats = entry->stats;
    return LIKELY(stats != NULL) && LIKELY(site_same(&entry->key, site)) ? stats : NULL;
}

static struct site_stats *stats_of(struct thread *thread, const arena_scope_site *site)
{
    struct site_stats *stats = cached_stats(thread, site);
    return LIKELY(stats != NULL) ? stats : find_stats(thread, site);
}

static ALWAYS_INLINE void fill(struct thread *thread, struct frame *frame, uint64_t token,
                               struct site_stats *stats, uintptr_t start, uintptr_t gate,
                               uintptr_t checked)
{
    CHECK(frame->pauses == 0);
    frame->token = token;
    signal_fence();
    frame->stats = stats;
    frame->start = start;
    frame->outer_cursor = hot.cursor;
    frame->outer_start = hot.start;
    frame->outer_gate = gate;
    frame->peak = start & checked;
    frame->spilled = thread->spilled;
    if (checked)
        frame->used = thread->used;
    signal_fence();
}

/* The fast paths have counted something for the innermost scope. */
static ALWAYS_INLINE bool must_settle(const struct thread *thread)
{
    return UNLIKELY((hot.calls | hot.freed) != 0) && thread->depth > 0;
}

/* The same where the innermost scope may be one that retains. */
static ALWAYS_INLINE bool must_settle_any(const struct thread *thread)
{
    const struct retained *r = &thread->retained;
    return thread->depth > 0 && (hot.calls | hot.freed | (r->drawn - r->settled_drawn) |
                                 (r->freed - r->settled_freed)) != 0;
}

/* What differs for a frame of a scope that does not retain and starts at `start`, once it is filled
 * and counts. */
static ALWAYS_INLINE void draw_resetting(uintptr_t start, uintptr_t checked)
{
    hot.start = start | checked;
    hot.cursor = start;
    signal_fence();
}

/* Everything settled. `checked` is the thread's. */
static ALWAYS_INLINE arena_scope_token open_resetting(struct thread *thread,
                                                      struct site_stats *stats, uintptr_t checked)
{
    stats->scopes++;

    /* From here on the cursor stays where it is: a signal handler draws no block. */
    uintptr_t gate = hot.limit;
    hot.limit = 0;
    signal_fence();
    uintptr_t start = hot.cursor ? hot.cursor : thread->top;
    struct frame *frame = thread_frame(thread, thread->depth);
    uint64_t token = make_token(thread, thread->depth + 1);
    fill(thread, frame, token, stats, start, gate, checked);
    thread->depth++;
    signal_fence();
    if (UNLIKELY(frame->token != token))
        fill(thread, frame, token, stats, start, gate, checked);
    draw_resetting(start, checked);
    hot.limit = thread->open_gate;
    return (arena_scope_token){token};
}

static ALWAYS_INLINE uintptr_t close_retained_gate(struct thread *thread)
{
    uintptr_t gate = thread->retained.limit;
    thread->retained.limit = 0;
    signal_fence();
    return gate;
}

/* Not to where it was: a handler's scopes may have gone on to another chunk. */
static ALWAYS_INLINE void open_retained_gate(struct thread *thread)
{
    signal_fence();
    thread->retained.limit = retain_limit(&thread->retained);
}

/* What differs for a frame of a scope that retains, once it is filled and counts. Returns whether
 * the gate is to be opened. */
static ALWAYS_INLINE bool draw_retaining(struct thread *thread, struct frame *frame,
                                         uintptr_t outer_cursor, uintptr_t outer_top,
                                         const struct module *module, uintptr_t retained_gate)
{
    frame->outer_cursor = outer_cursor;
    frame->outer_top = outer_top;
    frame->retains = true;
    hot.start = UINTPTR_MAX;
    return retain_begin(thread, frame, module, retained_gate);
}

/* The same as open_resetting for one that retains what is alive (retain.h). A signal handler finds
 * both gates closed until all is in place: what it drew meanwhile would be counted in the wrong
 * frame. */
static ALWAYS_INLINE arena_scope_token open_retaining(struct thread *thread,
                                                      struct site_stats *stats,
                                                      const struct module *module)
{
    stats->scopes++;

    uintptr_t gate = hot.limit;
    hot.limit = 0;
    uintptr_t retained_gate = close_retained_gate(thread);
    uintptr_t cursor = hot.cursor; /* not before: a signal handler may draw a block */
    uintptr_t top = thread->top;
    uintptr_t start = cursor ? cursor : top;
    struct frame *frame = thread_frame(thread, thread->depth);
    uint64_t token = make_token(thread, thread->depth + 1);
    fill(thread, frame, token, stats, start, gate, thread->checked);
    thread->top = start;
    hot.cursor = 0;
    signal_fence();
    thread->depth++;
    signal_fence();
    if (UNLIKELY(frame->token != token))
        fill(thread, frame, token, stats, start, gate, thread->checked);
    if (draw_retaining(thread, frame, cursor, top, module, retained_gate))
        open_retained_gate(thread);
    return (arena_scope_token){token};
}

arena_scope_token scope_open(struct thread *thread, struct site_stats *stats, bool retains,
                             const struct module *module)
{
    if (scope_is_pending(thread))
        scope_open_pending(thread);
    if (must_settle_any(thread))
        scope_settle(thread);
    return retains ? open_retaining(thread, stats, module)
                   : open_resetting(thread, stats, thread->checked);
}

void scope_use_module(const struct module *module)
{
    /* Size 0 first: a handler must not see the start of one module with the size of another. */
    hot.module_size = 0;
    signal_fence();
    hot.module_start = module->start;
    signal_fence();
    hot.module_size = module->end - module->start;
}

const struct module *scope_mark_module(struct thread *thread, uintptr_t address)
{
    struct module *module = modules_find(&thread->modules, address);
    if (!module)
        return NULL;
    modules_mark(module);
    if (!modules_participates(module, false))
        return NULL;
    if (!thread_is_busy(thread))
        scope_use_module(module);
    return module;
}

struct thread *scope_thread(void)
{
    if (!hot.thread && !start_shim())
        return NULL;
    if (!hot.thread || hot.thread->depth == 0)
        automatic_opens();
    /* An arena of the process's scope may hold blocks that other scopes must not lie under. */
    if (!hot.thread && (fixed.config.scopes == SCOPES_PROCESS || !thread_acquire()))
        return NULL;
    struct thread *thread = hot.thread;
    if (thread->modules.generation != modules_generation) {
        hot.module_size = 0;
        thread->modules = (struct module_cache){.generation = modules_generation};
        if (!thread_trim_as_asked(thread))
            thread->modules.generation--; /* so that the next begin comes here, too */
    }
    return thread;
}

/* The first scope of a thread or of a module, or after a module was unloaded or a trim asked for,
 * and scopes nested too deeply to be told apart: these are part of the innermost one that is. */
static COLD arena_scope_token begin_slowly(const arena_scope_site *site, uintptr_t caller)
{
    struct thread *thread = scope_thread();
    if (!thread)
        return (arena_scope_token){0};
    named_close_left(thread, (uintptr_t)__builtin_frame_address(0));
    const struct module *module = scope_mark_module(thread, caller);
    if (thread->depth < SCOPE_DEPTH_MAX)
        return scope_open(thread, stats_of(thread, site), fixed.config.end == END_RETAIN, module);
    scope_settle(thread); /* its end must account for the deeper ones */
    thread->excess++;
    return (arena_scope_token){make_token(thread, DEPTH_EXCESS)};
}

/* Where scopes may retain or blocks are checked: after the looks of the fast path, and one at calls
 * that a jump has left.
 */
static OUT_OF_LINE arena_scope_token begin_elsewhere(const arena_scope_site *site, uintptr_t caller)
{
    static const arena_scope_site unmarked = {NULL, NULL, 0, 0};
    struct thread *thread = hot.thread;
    if (!site)
        site = &unmarked;
    if (UNLIKELY(!thread || caller - hot.module_start >= hot.module_size ||
                 thread->modules.generation != modules_generation ||
                 thread->depth >= SCOPE_DEPTH_MAX || thread_is_busy(thread) ||
                 (thread->depth == 0 && fixed.config.scopes != SCOPES_NONE) ||
                 thread->stack <= (uintptr_t)__builtin_frame_address(0)))
        return begin_slowly(site, caller);
    return scope_open(thread, stats_of(thread, site), fixed.config.end == END_RETAIN,
                      modules_find(&thread->modules, caller));
}

static OUT_OF_LINE arena_scope_token settle_and_open(struct thread *thread,
                                                     struct site_stats *stats)
{
    scope_settle(thread);
    return open_resetting(thread, stats, 0);
}

HOT arena_scope_token arena_scope_begin(const arena_scope_site *site)
{
    struct thread *thread = hot.thread;
    uintptr_t caller = CALLER();
    if (UNLIKELY(!thread || !site || caller - hot.module_start >= hot.module_size ||
                 thread->modules.generation != modules_generation ||
                 thread->depth >= thread->marks_max))
        return begin_elsewhere(site, caller);
    struct site_stats *stats = cached_stats(thread, site);
    if (UNLIKELY(!stats))
        return begin_elsewhere(site, caller);
    if (UNLIKELY(must_settle(thread)))
        return settle_and_open(thread, stats);
    return open_resetting(thread, stats, 0);
}

void scope_begin_automatic(struct thread *thread, const arena_scope_site *site)
{
    thread->automatic = fixed.config.scopes;
    scope_open(thread, stats_of(thread, site), fixed.config.end == END_RETAIN, NULL);
}

/* ---- end ------------------------------------------------------------------------------------ */

/* The fast paths, or slow ones, have been used in the innermost scope, which does not retain. */
static ALWAYS_INLINE bool is_used(const struct frame *frame)
{
    return hot.calls | hot.freed | frame->peak;
}

/* The same of one that may. */
static ALWAYS_INLINE bool is_used_anyhow(const struct thread *thread, const struct frame *frame)
{
    return frame->peak != 0 || must_settle_any(thread);
}

static ALWAYS_INLINE bool must_trim(const struct thread *thread, uint64_t depth)
{
    return UNLIKELY(thread->committed > thread->capacity_end && thread->depth == depth);
}

/* Puts back what the begin of the innermost scope found; the gate is closed. */
static ALWAYS_INLINE void leave_resetting(struct thread *thread, const struct frame *frame)
{
    uintptr_t gate = frame->outer_gate;
    hot.cursor = frame->outer_cursor;
    hot.start = frame->outer_start;
    signal_fence();
    thread->depth--; /* from here on the frame may be a signal handler's */
    signal_fence();
    hot.limit = gate;
}

/* Ends the innermost scope, which does not retain, in whatever state it is; the gate is closed. */
static OUT_OF_LINE void close_used(struct thread *thread)
{
    struct frame *frame = thread_innermost(thread);
    settle_resetting(thread, frame);
    note(thread, frame);
    forget(thread, frame);
    if (thread->checked && !(thread->depth == 1 && thread->automatic == SCOPES_PROCESS))
        retire(thread, frame);
    if (UNLIKELY(hot.cursor > thread->touched))
        thread_touch(thread, hot.cursor);
    frame->live = 0;
    leave_resetting(thread, frame);
    if (must_trim(thread, 0))
        thread_trim(thread);
}

static ALWAYS_INLINE void close_resetting(struct thread *thread, struct frame *frame)
{
    hot.limit = 0; /* first: what a signal handler draws later would not be seen */
    signal_fence();
    if (is_used(frame) || UNLIKELY(hot.cursor > thread->touched) || must_trim(thread, 1)) {
        close_used(thread);
        signal_fence(); /* no tail call: memcheck is to show who ended the scope */
    } else {
        leave_resetting(thread, frame);
    }
}

/* The same of one that retains; the thread's gate for such scopes, which was at `retained_gate`, is
 * closed. */
static ALWAYS_INLINE void leave_retaining(struct thread *thread, struct frame *frame,
                                          uintptr_t retained_gate)
{
    retain_end(thread, frame);
    uintptr_t gate = frame->outer_gate;
    uintptr_t cursor = frame->outer_cursor;
    uintptr_t start = frame->outer_start;
    uintptr_t top = frame->outer_top;
    frame->retains = false;
    frame->live = 0;
    /* First: a scope of a signal handler lies behind what the outer one has drawn. Until the frame
     * counts no more, no path takes a block for the outer scope's. */
    hot.cursor = cursor;
    signal_fence();
    thread->depth--;
    signal_fence();
    hot.start = start;
    thread->top = top;
    if (retained_gate)
        open_retained_gate(thread);
    signal_fence();
    hot.limit = gate;
}

static void close_retaining(struct thread *thread, struct frame *frame)
{
    bool used = is_used_anyhow(thread, frame);
    if (used) {
        settle_retaining(thread, frame);
        forget(thread, frame);
    }
    if (UNLIKELY(thread->checked))
        debug_retaining(thread, frame);
    uintptr_t gate = close_retained_gate(thread);
    if (used)
        retain_look_back(thread, frame, gate);
    leave_retaining(thread, frame, gate);
    if (must_trim(thread, 0))
        thread_trim(thread);
}

static ALWAYS_INLINE void forget_call(struct thread *thread, struct frame *frame)
{
    thread->stack = frame->outer_stack;
    frame->stack = 0;
}

/* Drops the innermost frame, of that token, if it is still pending. */
static ALWAYS_INLINE bool drop_pending(struct thread *thread, struct frame *frame, uint64_t token)
{
    uintptr_t retained_gate = frame->outer_gate;
    if (!signal_exchange(&frame->pending, token, 0))
        return false;
    forget_call(thread, frame);
    signal_fence();
    thread->depth--;
    if (retained_gate)
        open_retained_gate(thread);
    return true;
}

void scope_close_innermost(struct thread *thread)
{
    struct frame *frame = thread_innermost(thread);
    if (drop_pending(thread, frame, frame->token))
        return;
    if (frame->stack != 0)
        forget_call(thread, frame);
    if (frame->retains)
        close_retaining(thread, frame);
    else
        close_resetting(thread, frame);
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

/* ---- wrapped calls --------------------------------------------------------------------------- */

/* Functions that these call must be quiet, too: else the compiler saves all registers. A call of
 * one that is not has a fence behind it: clang would put the registers back and jump there. */
static OUT_OF_LINE NAMED_QUIET void settle_quietly(struct thread *thread)
{
    scope_settle(thread);
    signal_fence();
}

static OUT_OF_LINE NAMED_QUIET void close_quietly(struct thread *thread)
{
    scope_close_innermost(thread);
    signal_fence();
}

/* Opens the scope of a pending frame, all but the gates, which are closed; those outside are open.
 * `opens` says whether the gate of the scopes that retain would be open without it; returns whether
 * it is to be. */
static bool open_pending(struct thread *thread, struct frame *frame, bool opens)
{
    const struct named_function *function = frame->function;
    const struct module *module = __atomic_load_n(&function->module, __ATOMIC_ACQUIRE);
    uintptr_t cursor = hot.cursor;
    uintptr_t top = thread->top;
    uintptr_t start = cursor ? cursor : top;
    uintptr_t gate = cursor ? thread->open_gate : 0;
    fill(thread, frame, frame->token, frame->stats, start, gate, thread->checked);
    frame->pending = 0; /* from here on its end puts back what was found: a handler may jump away */
    signal_fence();
    if (function->retain) {
        opens = draw_retaining(thread, frame, cursor, top, module, opens);
        thread->top = start;
        hot.cursor = 0;
    } else {
        if (module && hot.module_start != module->start)
            scope_use_module(module);
        draw_resetting(start, thread->checked);
    }
    return opens;
}

void scope_open_pending(struct thread *thread)
{
    struct retained *r = &thread->retained;
    /* Where no scope is open, a jump out of a signal handler has left it busy. */
    if (thread_is_busy(thread) || (r->busy && !frame_is_pending(thread->frames)))
        return;
    thread->busy = thread_innermost(thread)->token;
    signal_fence();
    bool opens = close_retained_gate(thread) != 0;
    hot.limit = 0;
    signal_fence();
    uint64_t first = thread->depth;
    while (first > 0 && frame_is_pending(&thread->frames[first - 1]))
        first--;
    if (first > 0 && must_settle_any(thread))
        settle(thread, &thread->frames[first - 1]);
    if (first < thread->depth)
        opens |= thread->frames[first].outer_gate != 0;
    for (uint64_t i = first; i < thread->depth; i++)
        opens = open_pending(thread, &thread->frames[i], opens);
    signal_fence();
    r->busy = false;
    thread->busy = 0;
    if (opens)
        open_retained_gate(thread);
    signal_fence();
    if (hot.cursor != 0)
        hot.limit = thread->open_gate;
}

static COLD NAMED_QUIET void open_quietly(struct thread *thread)
{
    if (scope_is_pending(thread))
        scope_open_pending(thread);
    signal_fence();
}

/* The frame of a call whose scope opens later. */
static ALWAYS_INLINE void fill_pending(const struct thread *thread, struct frame *frame,
                                       const struct named_call *call, struct site_stats *stats,
                                       uintptr_t retained_gate)
{
    frame->token = call->token;
    signal_fence();
    frame->stats = stats;
    frame->function = call->function;
    frame->outer_gate = retained_gate;
    frame->outer_stack = thread->stack;
    signal_fence();
    frame->pending = call->token;
    signal_fence();
}

/* What every wrapped call needs, and may have only after a slow one. */
static ALWAYS_INLINE bool is_ready(const struct thread *thread, const struct named_call *call,
                                   const struct module *module)
{
    return LIKELY(thread != NULL) && LIKELY(module != NULL) &&
           LIKELY(thread->stack > (uintptr_t)call) &&
           LIKELY(thread->modules.generation == modules_generation) &&
           LIKELY(thread->depth < SCOPE_DEPTH_MAX);
}

static ALWAYS_INLINE const struct module *module_of(const struct named_call *call)
{
    return __atomic_load_n(&call->function->module, __ATOMIC_ACQUIRE);
}

/* In a scope that does not retain, and where blocks are checked, the scope opens at once. */
static OUT_OF_LINE NAMED_QUIET bool enter_at_once(struct named_call *call)
{
    struct thread *thread = hot.thread;
    const struct named_function *function = call->function;
    const struct module *module = module_of(call);
    if (UNLIKELY(!function->retain && hot.module_start != module->start))
        return false;
    if (must_settle_any(thread))
        settle_quietly(thread);
    struct site_stats *stats = &thread->sites[function->site_number - 1];
    call->token = function->retain ? open_retaining(thread, stats, module).id
                                   : open_resetting(thread, stats, thread->checked).id;
    scope_note_call(thread, call);
    return true;
}

HOT bool named_enter(struct named_call *call)
{
    struct thread *thread = hot.thread;
    if (!is_ready(thread, call, module_of(call)))
        return false;
    if (UNLIKELY(hot.cursor != 0) || UNLIKELY(thread->checked != 0))
        return enter_at_once(call);
    struct site_stats *stats = &thread->sites[call->function->site_number - 1];
    stats->scopes++;
    /* A gate that is closed stays as it is: a signal handler may open it, with what is pending. */
    uintptr_t retained_gate = thread->retained.limit;
    if (LIKELY(retained_gate != 0))
        thread->retained.limit = 0;
    signal_fence();
    struct frame *frame = thread_frame(thread, thread->depth);
    call->token = make_token(thread, thread->depth + 1);
    fill_pending(thread, frame, call, stats, retained_gate);
    thread->depth++;
    signal_fence();
    if (UNLIKELY(frame->token != call->token))
        fill_pending(thread, frame, call, stats, retained_gate);
    frame->stack = (uintptr_t)call; /* not before it counts: a mark's frame has none */
    thread->stack = (uintptr_t)call;
    if (UNLIKELY((hot.cursor | thread->retained.limit) != 0))
        open_quietly(thread); /* such a handler came before it counted */
    return true;
}

/* Of a call whose scope has been opened. */
static OUT_OF_LINE NAMED_QUIET bool leave_open(struct named_call *call)
{
    struct thread *thread = hot.thread;
    struct frame *frame = thread_innermost(thread);
    if (UNLIKELY(frame->pauses > 0 || fixed.checked))
        return false;
    close_quietly(thread);
    call->token = 0;
    return true;
}

HOT bool named_leave(struct named_call *call)
{
    struct thread *thread = hot.thread;
    if (UNLIKELY(!thread) || UNLIKELY(thread->depth == 0))
        return call->token == 0;
    struct frame *frame = thread_innermost(thread);
    if (UNLIKELY(frame->token != call->token))
        return call->token == 0;
    if (!drop_pending(thread, frame, call->token))
        return leave_open(call);
    call->token = 0;
    return true;
}

/* ---- end, by token --------------------------------------------------------------------------- */

/* Ends a scope that is not the innermost one, or says what is wrong with the token. */
static COLD void end_slowly(uint64_t token)
{
    struct thread *thread = hot.thread;
    uint64_t depth = TOKEN_DEPTH(token);
    /* The scopes of an exiting thread are closed before its destructors, which may end them. */
    if (token == 0 || (!thread && hot.unavailable))
        return;
    if (!thread || thread->slot != TOKEN_SLOT(token)) {
        misuse_report(MISUSE_OTHER_THREAD, NULL);
    } else if (depth == DEPTH_EXCESS && thread->excess > 0) {
        thread->excess--;
    } else if (token >> 32 == 0 || token >> 32 > thread->serial) {
        misuse_report(MISUSE_END_WITHOUT_BEGIN, NULL);
    } else if (depth == 0 || depth > thread->depth || thread->frames[depth - 1].token != token) {
        misuse_report(MISUSE_ENDED_ALREADY, NULL);
    } else {
        thread->left_open += thread->depth - depth;
        scope_close_down_to(thread, depth - 1);
    }
}

static OUT_OF_LINE void end_elsewhere(uint64_t token)
{
    struct thread *thread = hot.thread;
    struct frame *frame = thread && thread->depth > 0 ? thread_innermost(thread) : NULL;
    if (LIKELY(frame && frame->retains && frame->token == token && frame->stack == 0))
        close_retaining(thread, frame);
    else
        end_slowly(token);
}

HOT void arena_scope_end(arena_scope_token token)
{
    struct thread *thread = hot.thread;
    if (LIKELY(hot.cursor != 0 && thread->depth > 0)) {
        struct frame *frame = thread_innermost(thread);
        if (LIKELY(frame->token == token.id)) {
            close_resetting(thread, frame);
            return;
        }
    }
    end_elsewhere(token.id);
}

void scope_abandon(struct thread *thread)
{
    uint64_t automatic = thread->automatic != SCOPES_NONE;
    for (uint64_t i = 0; i < thread->depth; i++)
        thread->frames[i].pauses = 0;
    thread->left_open += thread->depth - automatic;
    scope_close_down_to(thread, automatic);
    uintptr_t end = hot.cursor;
    scope_close_down_to(thread, 0);
    if (thread->automatic == SCOPES_PROCESS && end != 0)
        thread->base = thread->top = end;
    thread->automatic = SCOPES_NONE;
}

/* ---- pause, keep ----------------------------------------------------------------------------- */

static struct frame *current_frame(void)
{
    struct thread *thread = hot.thread;
    if (thread && scope_is_pending(thread))
        scope_open_pending(thread);
    return thread && thread->depth > 0 ? thread_innermost(thread) : NULL;
}

void arena_scope_pause(void)
{
    struct frame *frame = current_frame();
    if (!frame)
        return;
    /* Saved before it is counted: a pause in a signal handler then finds it saved. */
    if (frame->pauses == 0 && frame->retains)
        retain_pause(hot.thread, frame);
    if (frame->pauses == 0)
        frame->paused_gate = hot.limit;
    if (frame->peak == 0)
        frame->peak = frame->start; /* so that the end looks for a pause without resume */
    signal_fence();
    frame->pauses++;
    signal_fence();
    hot.limit = 0;
}

void arena_scope_resume(void)
{
    struct frame *frame = current_frame();
    if (!frame)
        return;
    /* Read before the count goes down: from then on a signal handler may save another. */
    uintptr_t gate = frame->paused_gate;
    signal_fence();
    if (frame->pauses == 0)
        misuse_report(MISUSE_RESUME, NULL);
    else if (--frame->pauses == 0 && frame->retains)
        retain_resume(hot.thread, frame);
    else if (frame->pauses == 0)
        hot.limit = gate;
}

void *arena_scope_keep(void *block)
{
    if (!block || fixed.region.start == 0 || !block_is_ours(block))
        return block;
    size_t size = block_usable(block);
    void *kept = block_outside(size);
    if (!kept) {
        errno = ENOMEM;
        return NULL;
    }
    memcpy(kept, block, size);
    if (!block_release(block))
        block_free(block);
    return kept;
}

int arena_scope_active(void)
{
    const struct frame *frame = current_frame();
    return frame && frame->pauses == 0;
}

void scope_describe(struct text *line, const struct frame *frame)
{
    sites_describe(line, (size_t)(frame->stats - hot.thread->sites));
}
