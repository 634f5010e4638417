/*
 * The functions behind the marks (arenashim/scope.h).
 */
#define ARENASHIM_BUILDING
#include <arenashim/scope.h>

#include <errno.h>
#include <string.h>

#include "base/compiler.h"
#include "base/text.h"
#include "engine/block.h"
#include "process/start.h"
#include "scope/automatic.h"
#include "scope/close.h"
#include "scope/open.h"
#include "scope/stack.h"
#include "scope/token.h"
#include "thread/gate.h"
#include "thread/misuse.h"
#include "thread/settle.h"

/* ---- begin ----------------------------------------------------------------------------------- */

static COLD struct site_stats *find_stats(struct thread *thread, const arena_scope_site *site)
{
    struct site_cache_entry *entry = &thread->site_cache[site_hash(site)];
    entry->stats = NULL; /* a signal handler must not find the new site with the old statistics */
    signal_fence();
    struct site_stats *stats = &thread->sites[sites_find(site)];
    entry->label = site->label;
    entry->file = site->file;
    entry->numbers = site_numbers(site);
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
    return LIKELY(stats != NULL) && LIKELY(site_is_cached(entry, site)) ? stats : NULL;
}

static struct site_stats *stats_of(struct thread *thread, const arena_scope_site *site)
{
    struct site_stats *stats = cached_stats(thread, site);
    return LIKELY(stats != NULL) ? stats : find_stats(thread, site);
}

static bool asks_to_retain(const arena_scope_site *site)
{
    return (site->flags & ARENA_SCOPE_RETAINS) != 0;
}

/* Before a thread's first scope that retains. Those that are open drop, and have perhaps been
 * opened by the fast path, which leaves such words as it finds them. */
static COLD void prepare_to_retain(struct thread *thread)
{
    if (thread->retains)
        return;
    __atomic_store_n(&threads_retain, true, __ATOMIC_RELAXED);
    for (uint64_t i = 0; i < thread->depth; i++)
        thread->frames[i].outer_module_size = 0;
    hot.heap = thread->heap.pages.start;
    signal_fence();
    thread_allow_retaining(thread);
}

/* A guard of C++ has its site in itself. One that lies neither on the thread's stack nor in a
 * module is a coroutine's, or an object's: its end looks whether it comes in the same call. */
static COLD void note_guard(struct thread *thread, const arena_scope_site *site)
{
    stack_find(thread);
    bool lies_on_heap =
        !stack_is_own(thread, (uintptr_t)site) && !modules_find(&thread->modules, (uintptr_t)site);
    thread_innermost(thread)->guard = lies_on_heap ? (uintptr_t)__builtin_frame_address(0) : 0;
}

static arena_scope_token open_marked(struct thread *thread, const arena_scope_site *site,
                                     bool retains, const struct module *module)
{
    arena_scope_token token = scope_open(thread, stats_of(thread, site), retains, module);
    if (UNLIKELY(fixed.config.debug != 0))
        note_guard(thread, site);
    return token;
}

static COLD void say_passed_by(void)
{
    static bool said;
    struct text line;
    if (__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
        return;
    text_message(&line);
    text_str(&line, "marks open no scopes: before the first one a library was loaded with "
                    "RTLD_DEEPBIND, which calls the C library past the shim");
    text_end(&line);
}

/* The first scope of a thread or of a module, the first that retains, or after a module was
 * unloaded or a trim asked for, and scopes nested too deeply to be told apart: these are part of
 * the innermost one that is. */
static COLD arena_scope_token begin_slowly(const arena_scope_site *site, uintptr_t caller)
{
    if (!hot.thread && !start_shim())
        return (arena_scope_token){0};
    if (start_passed_by) {
        say_passed_by();
        return (arena_scope_token){0};
    }
    struct thread *thread = scope_thread();
    if (!thread)
        return (arena_scope_token){0};
    scope_close_left(thread, (uintptr_t)__builtin_frame_address(0));
    bool retains = asks_to_retain(site);
    const struct module *module = retains ? NULL : scope_mark_module(thread, caller);
    if (retains)
        prepare_to_retain(thread);
    if (thread->depth < SCOPE_DEPTH_MAX)
        return open_marked(thread, site, retains || fixed.config.end == END_RETAIN, module);
    /* Its end must account for the deeper ones. */
    settle_found(thread, gate_heap_is_shut(thread));
    thread->excess++;
    return (arena_scope_token){token_make(thread, TOKEN_EXCESS)};
}

/* Where scopes may retain, blocks are checked or the cursor is in a gap: after the looks of the
 * fast path, and one at calls that a jump has left. No module is in use where scopes retain: but
 * that of a site which the thread knows has its mark. */
static OUT_OF_LINE arena_scope_token begin_elsewhere(const arena_scope_site *site, uintptr_t caller)
{
    static const arena_scope_site unmarked = {NULL, NULL, 0, 0};
    struct thread *thread = hot.thread;
    if (!site)
        site = &unmarked;
    bool retains = asks_to_retain(site) || fixed.config.end == END_RETAIN;
    if (UNLIKELY(!thread ||
                 (retains ? !thread->retains || !cached_stats(thread, site)
                          : caller - hot.module_start >= hot.module_size) ||
                 thread->modules.generation != modules_generation() ||
                 thread->depth >= SCOPE_DEPTH_MAX || gate_is_busy(thread) ||
                 (thread->depth == 0 && fixed.config.scopes != SCOPES_NONE) ||
                 thread->call <= (uintptr_t)__builtin_frame_address(0)))
        return begin_slowly(site, caller);
    return open_marked(thread, site, retains, NULL);
}

static OUT_OF_LINE arena_scope_token open_and_begin(const arena_scope_site *site, uintptr_t caller,
                                                    uintptr_t limit)
{
    drop_open_anew(&hot, limit);
    return begin_elsewhere(site, caller);
}

/* Opens a scope that drops, everything settled, with the gate found at `limit` and closed since:
 * from then on the cursor stays where it is. */
static ALWAYS_INLINE arena_scope_token open_dropping(struct thread *thread,
                                                     struct site_stats *stats, uintptr_t limit)
{
    stats->scopes++;
    uintptr_t start = hot.cursor ? hot.cursor : thread->base;
    struct frame *frame = thread_frame(thread, thread->depth);
    uint64_t token = token_make(thread, thread->depth + 1);
    frame_fill(thread, frame, token, stats, start, limit, 0);
    thread->depth++;
    signal_fence();
    if (UNLIKELY(frame->token != token))
        frame_fill(thread, frame, token, stats, start, limit, 0);
    hot.start = start;
    hot.cursor = start;
    signal_fence();
    hot.limit = thread->open_limit;
    return (arena_scope_token){token};
}

static ALWAYS_INLINE uintptr_t close_limit(void)
{
    uintptr_t limit = hot.limit;
    hot.limit = 0;
    signal_fence();
    return limit;
}

static OUT_OF_LINE arena_scope_token settle_and_open(struct thread *thread,
                                                     const arena_scope_site *site,
                                                     struct site_stats *stats, uintptr_t caller,
                                                     uintptr_t limit)
{
    if (UNLIKELY(thread->depth >= thread->fast_begins))
        return open_and_begin(site, caller, limit);
    settle_innermost(thread); /* which drops: no scope of the thread retains */
    return open_dropping(thread, stats, limit);
}

/* Whether the fast path may serve is looked at last: a signal handler may have gone into a gap. */
HOT arena_scope_token arena_scope_begin(const arena_scope_site *site)
{
    struct thread *thread = hot.thread;
    uintptr_t caller = CALLER();
    if (UNLIKELY(!thread || !site || caller - hot.module_start >= hot.module_size ||
                 thread->modules.generation != modules_generation()))
        return begin_elsewhere(site, caller);
    struct site_stats *stats = cached_stats(thread, site);
    if (UNLIKELY(!stats))
        return begin_elsewhere(site, caller);
    uintptr_t limit = close_limit();
    if (UNLIKELY(must_settle(thread)))
        return settle_and_open(thread, site, stats, caller, limit);
    if (UNLIKELY(thread->depth >= thread->fast_begins))
        return open_and_begin(site, caller, limit);
    return open_dropping(thread, stats, limit);
}

/* ---- end ------------------------------------------------------------------------------------- */

/* Ends a scope that is not the innermost one, or says what is wrong with the token. */
static COLD void end_elsewhere(uint64_t token)
{
    struct thread *thread = hot.thread;
    uint64_t depth = token_depth(token);
    /* The scopes of an exiting thread are closed before its destructors, which may end them. */
    if (token == 0 || (!thread && hot.unavailable))
        return;
    if (!thread || thread->slot != token_slot(token)) {
        misuse_report(MISUSE_OTHER_THREAD, NULL);
    } else if (depth == TOKEN_EXCESS && thread->excess > 0) {
        thread->excess--;
    } else if (token_serial(token) == 0 || token_serial(token) > thread->serial) {
        misuse_report(MISUSE_END_WITHOUT_BEGIN, NULL);
    } else if (depth == 0 || depth > thread->depth || thread->frames[depth - 1].token != token) {
        misuse_report(MISUSE_ENDED_ALREADY, NULL);
    } else {
        scope_count_left(thread, depth);
        scope_close_down_to(thread, depth - 1);
    }
}

HOT void arena_scope_end(arena_scope_token token)
{
    struct thread *thread = hot.thread;
    if (LIKELY(hot.cursor != 0 && thread->depth > 0)) {
        struct frame *frame = thread_innermost(thread);
        if (LIKELY(frame->token == token.id)) {
            close_dropping(thread, frame);
            return;
        }
    }
    end_elsewhere(token.id);
}

/* ---- pause, keep ----------------------------------------------------------------------------- */

static struct frame *innermost(void)
{
    struct thread *thread = hot.thread;
    return thread && thread->depth > 0 ? thread_innermost(thread) : NULL;
}

void arena_scope_pause(void)
{
    struct frame *frame = innermost();
    if (!frame)
        return;
    /* Saved before it is counted: a pause in a signal handler then finds it saved. */
    if (frame->pauses == 0) {
        frame->paused_limit = hot.limit;
        frame->paused_small = hot.small;
    }
    if (frame->peak == 0)
        frame->peak = frame->start; /* so that the end looks for a pause without resume */
    signal_fence();
    frame->pauses++;
    signal_fence();
    hot.limit = 0;
    hot.small = 0;
}

void arena_scope_resume(void)
{
    struct frame *frame = innermost();
    if (!frame)
        return;
    /* Read before the count goes down: from then on a signal handler may save others. */
    uintptr_t limit = frame->paused_limit;
    uint64_t small = frame->paused_small;
    signal_fence();
    if (frame->pauses == 0) {
        misuse_report(MISUSE_RESUME, NULL);
    } else if (--frame->pauses == 0) {
        /* Where the arena ends may be another by now: see drop_open. */
        hot.limit = limit != 0 ? hot.thread->open_limit : 0;
        hot.small = small;
    }
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
    block_give_back(block);
    return kept;
}

int arena_scope_active(void)
{
    const struct frame *frame = innermost();
    return frame && frame->pauses == 0;
}
