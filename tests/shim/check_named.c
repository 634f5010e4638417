/*
 * Wrapped calls (named.h), each of which is a scope of one kind or the other.
 *
 * Tested: a call in which nothing happens leaves no trace but a count; requests, frees of outer
 * blocks, marks and pauses in calls of both kinds inside each other; ends in another order, jumps
 * out, threads that exit, fork, the greatest depth; random calls against a model. "every
 * instruction": enter, leave and what is drawn and freed in them are interrupted by handlers that
 * do such things themselves, and by one that jumps away.
 */
#include "harness.h"

#include "route/modules.h"
#include "scope/named.h"
#include "stepping.h"

#include <setjmp.h>

enum { CAPACITY = 32 * 32768, LIMIT = 8 * 1024 * 1024 };

static void start_once(void)
{
    static bool started;
    if (!started) {
        setenv("ARENASHIM_END", "retain", 1);
        routing_start(CAPACITY, LIMIT, 16);
        require(threads_retain);
    }
    started = true;
}

/* ---- wrapped calls --------------------------------------------------------------------------- */

enum { RETAINING, RESETTING, HANDLERS, HANDLERS_RESETTING };
static struct named_function functions[] = {
    [RETAINING] = {.site = {"retaining", NULL, 0, 0}, .retain = true},
    [RESETTING] = {.site = {"resetting", NULL, 0, 0}},
    [HANDLERS] = {.site = {"handler's", NULL, 0, 0}, .retain = true},
    [HANDLERS_RESETTING] = {.site = {"handler's resetting", NULL, 0, 0}},
};

static void enter(struct named_call *call, int function)
{
    call->function = &functions[function];
    call->function->module_start = marked_caller();
    if (!named_enter(call))
        named_enter_slowly(call);
}

static void leave(struct named_call *call)
{
    if (!named_leave(call))
        named_leave_slowly(call);
    require(call->token == 0);
}

static struct frame *frame_at(uint64_t depth)
{
    return &hot.thread->frames[depth - 1];
}

/* Blocks that are alive, as the heap counts them. */
static uint64_t alive(void)
{
    if (hot.thread->depth > 0)
        settle_innermost(hot.thread);
    return hot.thread->heap.alive;
}

/* A handler has jumped out of an end: where blocks lie outside scopes is nobody's question. */
static bool has_jumped;

/* Both gates are where they belong, and nothing is at work. */
static void check_gates(void)
{
    const struct thread *thread = hot.thread;
    require(!gate_is_busy(thread)); /* a jump may leave the note of a scope that is gone */
    if (thread->depth == 0) {
        require(hot.cursor == 0 && hot.limit == 0 && hot.small == 0 && hot.mark == 0);
        require((hot.start == 0 || has_jumped) && thread->gap_top == 0);
        return;
    }
    const struct frame *frame = frame_at(thread->depth);
    bool retains = frame->retains, paused = frame->pauses > 0;
    require(hot.cursor >= thread->base && !frame->shut);
    /* In a scope that is traced, and until the next slow call after it. */
    bool traced = retains && !paused && hot.small == TRACE_GATE;
    require(hot.small == (retains && !paused ? fixed.small : 0) || traced);
    require(hot.limit == (retains || paused ? 0 : thread->open_limit));
    require(!retains || hot.mark == retain_mark(thread, frame->token));
    if (fixed.checked || !retains)
        require(hot.start == (fixed.checked ? UINTPTR_MAX : frame->start));
    else /* what an inner scope has added is noticed later */
        require(hot.start >= thread->heap.pages.start && hot.start <= thread->heap.pages.end);
}

/* The thread is as one that was never in a scope. */
static void check_outside(void)
{
    const struct thread *thread = hot.thread;
    check_gates();
    require(thread->depth == 0 && thread->excess == 0);
    require(thread->call == UINTPTR_MAX && thread->spilled == 0);
    for (int i = 0; i < 16; i++) {
        const struct frame *frame = &thread->frames[i];
        require(frame->call == 0 && frame->pauses == 0);
    }
}

/* Of the process, as it is before the first slow call. */
static void warm_up(void)
{
    struct named_call call;
    start_once();
    for (int i = 0; i < (int)COUNT(functions); i++) {
        enter(&call, i);
        leave(&call);
        enter(&call, i);
        t_free(t_malloc(100));
        leave(&call);
    }
    check_outside();
}

static bool survives(const void *block)
{
    return block_is_ours(block) && retain_holds(block);
}

static bool is_dropped(const void *block)
{
    return block_is_ours(block) && !retain_holds(block);
}

/* ---- behaviour ------------------------------------------------------------------------------- */

START_TEST(an_empty_call_leaves_a_count_alone)
{
    for (int kind = RETAINING; kind <= RESETTING; kind++) {
        const char *label = functions[kind].site.label;
        struct named_call call;
        struct site_stats before = site_named(label);
        struct heap heap = hot.thread->heap;
        struct hot words = hot;
        enter(&call, kind);
        ck_assert_uint_eq(hot.thread->depth, 1);
        check_gates();
        leave(&call);
        check_outside();
        require(memcmp(&words, &hot, sizeof words) == 0);
        require(memcmp(&heap, &hot.thread->heap, sizeof heap) == 0);
        struct site_stats after = site_named(label);
        ck_assert_uint_eq(after.scopes, before.scopes + 1);
        ck_assert_uint_eq(after.calls, before.calls);
        ck_assert_uint_eq(after.peak, before.peak);
    }
}
END_TEST

static void *first_request(int form)
{
    switch (form) {
    case 0:
        return t_malloc(100);
    case 1:
        return t_calloc(1, 100);
    case 2:
        return t_memalign(256, 100);
    case 3:
        return t_realloc(NULL, 100);
    case 4:
        return t_malloc(100000);
    case 5:
        return t_calloc(1, 100000);
    default:
        return t_memalign(4096, 100000);
    }
}

/* Bit i of `kinds`: call i resets. */
START_TEST(the_first_request_is_the_innermost_calls)
{
    int form = _i / 8, kinds = _i % 8;
    struct named_call calls[3];
    void *blocks[4];
    for (int i = 2; i >= 0; i--)
        enter(&calls[i], kinds >> i & 1);
    ck_assert_uint_eq(hot.thread->depth, 3);
    blocks[0] = first_request(form);
    check_gates();
    for (int i = 0; i < 3; i++) {
        uint64_t depth = hot.thread->depth;
        memset(blocks[i], i, 100);
        ck_assert_uint_eq(frame_at(depth)->token, calls[i].token);
        ck_assert(frame_at(depth)->retains == !(kinds >> i & 1));
        ck_assert(kinds >> i & 1 ? is_dropped(blocks[i]) : survives(blocks[i]));
        leave(&calls[i]);
        check_gates();
        blocks[i + 1] = i < 2 ? t_malloc(100) : NULL;
        for (int k = 0; k <= i; k++)
            ck_assert(!survives(blocks[k]) || holds_only(blocks[k], 100, (unsigned char)k));
    }
    for (int i = 0; i < 3; i++)
        if (survives(blocks[i]))
            t_free(blocks[i]);
    check_outside();
}
END_TEST

START_TEST(blocks_are_counted_for_their_own_scopes)
{
    struct site_stats retaining = site_named("retaining"), resetting = site_named("resetting");
    struct named_call calls[3];
    enter(&calls[2], RETAINING);
    unsigned char *outer = memset(t_malloc(300), 1, 300);
    enter(&calls[1], RESETTING);
    enter(&calls[0], RETAINING);
    void *inner = t_malloc(50);
    leave(&calls[0]);
    void *middle = t_malloc(70);
    leave(&calls[1]);
    leave(&calls[2]);
    ck_assert_uint_eq(site_named("retaining").scopes - retaining.scopes, 2);
    ck_assert_uint_eq(site_named("retaining").calls - retaining.calls, 2);
    ck_assert_uint_eq(site_named("retaining").bytes - retaining.bytes, 350);
    ck_assert_uint_eq(site_named("resetting").calls - resetting.calls, 1);
    ck_assert_uint_eq(site_named("resetting").bytes - resetting.bytes, 70);
    ck_assert_uint_eq(site_named("resetting").live_at_end - resetting.live_at_end, 1);
    /* Each at the end of its own scope. */
    ck_assert_uint_eq(site_named("retaining").survivors - retaining.survivors, 2);
    ck_assert(is_dropped(middle) && holds_only(outer, 300, 1));
    t_free(outer);
    t_free(inner);
    check_outside();
}
END_TEST

START_TEST(an_outer_block_is_freed_in_calls)
{
    uint64_t survivors = site_named("retaining").survivors;
    uint64_t expected = 0;
    for (size_t size = 10; size < 200000; size *= 3) {
        struct named_call calls[3];
        enter(&calls[2], RETAINING);
        void *older = t_malloc(size);
        unsigned char *block = memset(t_malloc(size), 1, size);
        void *newest = t_malloc(size);
        enter(&calls[1], RETAINING);
        t_free(newest);
        enter(&calls[0], RETAINING);
        block = t_realloc(block, 2 * size);
        ck_assert(holds_only(block, size, 1));
        /* In place, where blocks may be resized, it is still the scope's that drew it. */
        expected += fixed.checked ||
                    ((*retain_header((uintptr_t)block) ^ hot.mark) & ~RETAIN_NOTED) <= UINT16_MAX;
        check_gates();
        leave(&calls[0]);
        leave(&calls[1]);
        enter(&calls[1], RESETTING);
        t_free(older);
        check_gates();
        leave(&calls[1]);
        check_gates();
        t_free(block);
        leave(&calls[2]);
        check_outside();
        ck_assert_uint_eq(alive(), 0);
    }
    ck_assert_uint_eq(site_named("retaining").survivors - survivors, expected);
}
END_TEST

START_TEST(a_survivor_is_freed_in_a_call)
{
    struct named_call call;
    enter(&call, RETAINING);
    void *survivor = t_malloc(100);
    leave(&call);
    enter(&call, RESETTING);
    t_free(survivor);
    check_gates();
    leave(&call);
    check_outside();
    ck_assert_uint_eq(alive(), 0);
}
END_TEST

START_TEST(marks_pauses_and_questions_in_a_call)
{
    for (int kind = RETAINING; kind <= RESETTING; kind++) {
        struct named_call calls[2];
        enter(&calls[1], kind);
        enter(&calls[0], kind);
        ck_assert(arena_scope_active());
        check_gates();
        leave(&calls[0]);
        enter(&calls[0], kind);
        arena_scope_pause();
        void *paused = t_malloc(100);
        ck_assert(!block_is_ours(paused) && !arena_scope_active());
        arena_scope_resume();
        check_gates();
        void *block = t_malloc(100);
        ck_assert(kind == RETAINING ? survives(block) : is_dropped(block));
        leave(&calls[0]);
        if (kind == RETAINING)
            t_free(block);
        t_free(paused);
        leave(&calls[1]);
        check_outside();

        enter(&calls[1], kind);
        arena_scope_token token = begin("mark");
        ck_assert_uint_eq(hot.thread->depth, 2);
        block = t_malloc(100);
        ck_assert(survives(block));
        enter(&calls[0], kind);
        unsigned char *kept = arena_scope_keep(memset(block, 3, 100));
        ck_assert(!block_is_ours(kept) && holds_only(kept, 100, 3));
        leave(&calls[0]);
        check_gates();
        arena_scope_end(token);
        check_gates();
        leave(&calls[1]);
        fixed.next.free(kept);
        check_outside();
    }
}
END_TEST

START_TEST(ends_in_another_order)
{
    for (int opened = 0; opened < 2; opened++) {
        struct named_call calls[3];
        uint64_t left_open = hot.thread->left_open;
        arena_scope_token token = begin("mark");
        for (int i = 2; i >= 0; i--)
            enter(&calls[i], i % 2);
        void *block = opened ? t_malloc(100) : NULL;
        leave(&calls[1]);
        check_gates();
        ck_assert_uint_eq(hot.thread->depth, 2);
        leave(&calls[0]);
        ck_assert_uint_eq(hot.thread->depth, 2);
        enter(&calls[1], RESETTING);
        arena_scope_end(token);
        check_outside();
        leave(&calls[1]);
        leave(&calls[2]);
        check_outside();
        ck_assert_uint_eq(hot.thread->left_open - left_open, 3);
        if (opened)
            t_free(block);
    }
}
END_TEST

static jmp_buf back;
static volatile bool jumps = true; /* which the compiler need not know */

CALL static void jump_out_of(int calls_left, int kinds, bool opened)
{
    struct named_call call;
    enter(&call, kinds & 1);
    if (calls_left > 1)
        jump_out_of(calls_left - 1, kinds >> 1, opened);
    if (opened)
        arena_scope_active();
    if (jumps)
        longjmp(back, 1);
    leave(&call);
}

/* Deep enough that every later record lies above those left, however large the frames are. */
CALL static void jump_from_below(int calls_left, int kinds, bool opened)
{
    char room[1024];
    __asm__ volatile("" : : "r"(room) : "memory");
    jump_out_of(calls_left, kinds, opened);
    __asm__ volatile("" : : "r"(room) : "memory");
}

CALL static void call_again(int kind, bool drawing)
{
    struct named_call call;
    enter(&call, kind);
    require(hot.thread->depth == 1);
    if (drawing) {
        void *block = t_malloc(100);
        require(kind == RETAINING ? survives(block) : is_dropped(block));
        t_free(block);
    }
    check_gates();
    leave(&call);
    check_outside();
}

START_TEST(a_jump_leaves_calls)
{
    int kinds = _i % 8, kind = _i / 8 % 2;
    bool opened = _i / 16 % 2, drawing = _i / 32 % 2;
    uint64_t left_open = hot.thread->left_open;
    if (setjmp(back) == 0)
        jump_from_below(3, kinds, opened);
    ck_assert_uint_eq(hot.thread->depth, 3);
    call_again(kind, drawing);
    ck_assert_uint_eq(hot.thread->left_open - left_open, 3);

    if (setjmp(back) == 0)
        jump_from_below(3, kinds, opened);
    arena_scope_token token = begin("mark");
    ck_assert_uint_eq(hot.thread->depth, 1);
    void *block = t_malloc(10);
    ck_assert(survives(block));
    t_free(block);
    arena_scope_end(token);
    check_outside();
}
END_TEST

CALL static void nest(uint64_t calls_left, bool drawing)
{
    struct named_call call;
    enter(&call, RETAINING);
    if (calls_left > 1) {
        nest(calls_left - 1, drawing);
    } else if (drawing) {
        require(hot.thread->depth == SCOPE_DEPTH_MAX);
        void *block = t_malloc(10);
        arena_scope_token token = begin("too deep");
        require(hot.thread->excess == 1 && survives(block));
        arena_scope_end(token);
        t_free(block);
    }
    leave(&call);
}

START_TEST(calls_nest_to_the_greatest_depth_and_deeper)
{
    uint64_t before = site_named("retaining").scopes;
    nest(SCOPE_DEPTH_MAX + 10, false);
    check_outside();
    nest(SCOPE_DEPTH_MAX + 10, true);
    check_outside();
    ck_assert_uint_eq(site_named("retaining").scopes - before, 2 * SCOPE_DEPTH_MAX);
}
END_TEST

static void *exit_in_calls(void *opened)
{
    struct named_call calls[3];
    for (int i = 2; i >= 0; i--)
        enter(&calls[i], i % 2);
    if (opened)
        leave(&calls[0]);
    return opened ? t_malloc(100) : NULL;
}

START_TEST(a_thread_exits_in_calls)
{
    uint64_t before = stats_now()->left_open;
    for (int i = 0; i < 4; i++)
        in_thread(exit_in_calls, NULL);
    ck_assert_uint_eq(stats_now()->left_open - before, 12);
    in_thread(exit_in_calls, &before);
    const struct thread *other = thread_in_slot(1);
    ck_assert_ptr_nonnull(other);
    ck_assert(other->depth == 0 && other->call == UINTPTR_MAX && other->heap.alive == 0);
}
END_TEST

static int arrived[2], leaving[2];

static void *wait_in_a_call(void *unused)
{
    struct named_call calls[2];
    char byte = 0;
    enter(&calls[1], RETAINING);
    void *block = t_malloc(100);
    enter(&calls[0], RETAINING);
    require(write(arrived[1], &byte, 1) == 1);
    require(read(leaving[0], &byte, 1) == 1);
    leave(&calls[0]);
    t_free(block);
    leave(&calls[1]);
    return unused;
}

START_TEST(fork_in_calls)
{
    struct named_call calls[2];
    pthread_t other;
    char byte = 0;
    require(pipe(arrived) == 0 && pipe(leaving) == 0);
    require(pthread_create(&other, NULL, wait_in_a_call, NULL) == 0);
    require(read(arrived[0], &byte, 1) == 1);
    enter(&calls[1], RETAINING);
    enter(&calls[0], RESETTING);
    pid_t child = fork();
    require(child >= 0);
    if (child == 0) {
        struct thread *gone = thread_in_slot(1);
        require(gone && gone->depth == 0);
        require(gone->heap.unsure);
        require(is_dropped(t_malloc(100)));
        leave(&calls[0]);
        void *block = t_malloc(100);
        require(survives(block));
        t_free(block);
        leave(&calls[1]);
        check_outside();
        _exit(0);
    }
    int status;
    require(waitpid(child, &status, 0) == child);
    ck_assert_int_eq(status, 0);
    leave(&calls[0]);
    leave(&calls[1]);
    require(write(leaving[1], &byte, 1) == 1);
    pthread_join(other, NULL);
    check_outside();
}
END_TEST

/* ---- reports --------------------------------------------------------------------------------- */

/* Sane: nothing went below zero. */
static void check_statistics(const struct stats *stats)
{
    require(stats->high_water < (uint64_t)1 << 40 && stats->need < (uint64_t)1 << 40);
    for (size_t i = 0; i < sites_count(); i++) {
        struct site_stats site = {0};
        if (stats_of_site(i, &site)) {
            require(site.peak < (uint64_t)1 << 40);
            require(site.live_at_end < (uint64_t)1 << 40);
            require(site.survivors < (uint64_t)1 << 40);
        }
    }
}

static void report_at_exit(void)
{
    static struct stats stats;
    int kinds = atoi(fresh_argument);
    struct named_call calls[3];
    warm_up();
    for (int i = 2; i >= 0; i--) {
        enter(&calls[i], kinds >> i & 1);
        if (kinds & 8 << i)
            t_malloc(100);
    }
    stats_collect(&stats, true);
    require(stats.left_open == 3);
    check_statistics(&stats);
}

START_TEST(a_report_in_a_call)
{
    char number[24];
    snprintf(number, sizeof number, "%d", _i);
    ck_assert_msg(run_fresh_with("report_at_exit", number) == 0, "%d", _i);
}
END_TEST

/* ---- automatic scopes ------------------------------------------------------------------------ */

static void *call_in_an_automatic_scope(void *unused)
{
    for (int kinds = 0; kinds < 4; kinds++) {
        struct named_call calls[2];
        for (int i = 1; i >= 0; i--)
            enter(&calls[i], kinds >> i & 1);
        require(hot.thread->depth == 3 && hot.thread->automatic != SCOPES_NONE);
        void *inner = t_malloc(100);
        require(kinds & 1 ? is_dropped(inner) : survives(inner));
        leave(&calls[0]);
        enter(&calls[0], kinds & 1);
        leave(&calls[0]);
        leave(&calls[1]);
        check_gates();
        if (!(kinds & 1))
            t_free(inner);
        void *block = t_malloc(100);
        require(hot.thread->depth == 1 && block_is_ours(block));
        t_free(block);
    }
    return unused;
}

static void work_in_automatic_scopes(void)
{
    static struct stats stats;
    bool retain = *fresh_argument == 'r';
    start_once();
    fixed.config.end = retain ? END_RETAIN : END_RESET;
    fixed.config.scopes = strchr(fresh_argument, 't') ? SCOPES_THREAD : SCOPES_PROCESS;
    hot.unscoped = fixed.config.scopes == SCOPES_THREAD;
    if (fixed.config.scopes == SCOPES_PROCESS)
        call_in_an_automatic_scope(NULL);
    for (int i = 0; i < 5; i++)
        in_thread(call_in_an_automatic_scope, NULL);
    stats_collect(&stats, true);
    check_statistics(&stats);
    require(stats.left_open == 0 && stats.misuses == 0);
}

START_TEST(calls_in_automatic_scopes)
{
    static const char *const arguments[] = {"retain t", "retain p", "s t", "s p"};
    ck_assert_msg(run_fresh_with("work_in_automatic_scopes", arguments[_i]) == 0, "%s",
                  arguments[_i]);
}
END_TEST

/* ---- random calls ---------------------------------------------------------------------------- */

static size_t any_size(void)
{
    static const size_t bounds[] = {50, 200, 200, 2000, 20000, 100000};
    return 1 + below(bounds[below(below(8) ? 4 : COUNT(bounds))]);
}

enum { LIVE = 300, RESETS_MAX = 16 };
static struct live {
    unsigned char *block;
    size_t size;
    unsigned char mark;
    uint64_t depth; /* of the scope that will drop it; 0: none */
} live[LIVE];
static size_t live_count;

static void note_live(struct live *entry, void *block, size_t size, unsigned char mark)
{
    uint64_t depth = hot.thread ? hot.thread->depth : 0;
    require(block && t_usable(block) >= size);
    /* In place it is still the scope's that drew it. */
    if (!is_dropped(block))
        entry->depth = 0;
    else if (block != entry->block)
        entry->depth = depth;
    entry->block = memset(block, mark, size);
    entry->size = size;
    entry->mark = mark;
}

static void work_on_blocks(void)
{
    size_t k = live_count ? below(live_count) : 0, size = any_size();
    size_t what = below(100);
    if (what < 50 && live_count < LIVE) {
        void *block = below(5)   ? t_malloc(size)
                      : below(2) ? t_calloc(1, size)
                                 : t_memalign((size_t)16 << below(9), size);
        live[live_count].block = NULL;
        note_live(&live[live_count++], block, size, (unsigned char)below(256));
    } else if (what < 90 && live_count > 0) {
        require(holds_only(live[k].block, live[k].size, live[k].mark));
        t_free(live[k].block);
        live[k] = live[--live_count];
    } else if (live_count > 0) {
        unsigned char *block = t_realloc(live[k].block, size);
        require(holds_only(block, size < live[k].size ? size : live[k].size, live[k].mark));
        note_live(&live[k], block, size, live[k].mark);
    }
}

static void drop_blocks(uint64_t depth)
{
    for (size_t k = live_count; k-- > 0;)
        if (live[k].depth >= depth) {
            require(holds_only(live[k].block, live[k].size, live[k].mark));
            live[k] = live[--live_count];
        }
}

/* A call, or a mark, in which random things happen. */
CALL static void random_call(int levels_left)
{
    struct named_call call;
    arena_scope_token token = {0};
    int kind = (int)below(3);
    if (kind == 2)
        token = arena_scope_begin(SITE("model"));
    else
        enter(&call, kind);
    uint64_t depth = hot.thread->depth;
    for (size_t steps = below(2) ? below(30) : 0; steps > 0; steps--) {
        if (levels_left > 0 && below(3) == 0) {
            random_call(levels_left - 1);
            continue;
        }
        if (below(12) == 0) {
            arena_scope_pause();
            t_free(t_malloc(100));
            arena_scope_resume();
        }
        work_on_blocks();
    }
    if (levels_left > 0 && below(3) == 0)
        random_call(levels_left - 1);
    require(hot.thread->depth == depth);
    check_gates();
    drop_blocks(depth);
    if (kind == 2)
        arena_scope_end(token);
    else
        leave(&call);
    require(hot.thread->depth == depth - 1);
    check_gates();
}

START_TEST(random_calls)
{
    model_random = 88172645463325252U + (uint64_t)_i * 7777777;
    live_count = 0;
    for (int i = 0; i < 250; i++) {
        random_call(6);
        while (below(3) == 0)
            work_on_blocks();
    }
    while (live_count > 0) {
        live_count--;
        require(holds_only(live[live_count].block, live[live_count].size, live[live_count].mark));
        t_free(live[live_count].block);
    }
    check_outside();
    struct named_call call;
    enter(&call, RETAINING);
    t_free(t_malloc(100000)); /* takes what was freed outside */
    leave(&call);
    ck_assert_uint_eq(alive(), 0);
    ck_assert_uint_eq(stats_now()->misuses, 0);
    ck_assert_uint_eq(stats_now()->interrupted, 0);
    check_statistics(stats_now());
}
END_TEST

/* ---- what handlers do ------------------------------------------------------------------------ */

#if CAN_STEP

/* Blocks that the handler has drawn and keeps, and one drawn for it to free or resize. */
static struct watched drawn[2], handlers;

static void keep_one(struct watched *watched, size_t size)
{
    watch(watched, t_malloc(size), size);
}

static void draw_and_free(void)
{
    struct watched first, second;
    keep_one(&first, 3000);
    keep_one(&second, 100);
    let_go(&second);
    let_go(&first);
}

static void draw_and_keep(void)
{
    keep_one(&drawn[0], 40);
    watch(&drawn[1], t_memalign(64, 200), 200);
}

static void draw_large(void)
{
    keep_one(&drawn[0], 40000);
}

static void free_one(void)
{
    let_go(&handlers);
}

static void grow_one(void)
{
    look_at(&handlers);
    unsigned char *grown = t_realloc(handlers.block, 600);
    require(holds_only(grown, handlers.size, handlers.byte));
    watch(&handlers, grown, 600);
}

static void pause_and_resume(void)
{
    arena_scope_pause();
    struct watched outside;
    keep_one(&outside, 40);
    let_go(&outside);
    arena_scope_resume();
}

static void ask(void)
{
    arena_scope_active();
}

static void call_emptily(void)
{
    struct named_call calls[2];
    enter(&calls[1], HANDLERS);
    enter(&calls[0], HANDLERS_RESETTING);
    leave(&calls[0]);
    leave(&calls[1]);
}

static void let_go_unless_dropped(struct watched *watched)
{
    if (!is_dropped(watched->block))
        let_go(watched);
}

static void call_and_draw(void)
{
    struct named_call calls[3];
    struct watched blocks[3];
    enter(&calls[2], HANDLERS_RESETTING);
    enter(&calls[1], HANDLERS);
    enter(&calls[0], HANDLERS_RESETTING);
    keep_one(&blocks[0], 1000);
    leave(&calls[0]);
    keep_one(&blocks[1], 1000);
    leave(&calls[1]);
    keep_one(&blocks[2], 1000);
    look_at(&blocks[1]);
    leave(&calls[2]);
    for (int i = 0; i < 3; i++)
        let_go_unless_dropped(&blocks[i]);
}

static void call_and_draw_much(void)
{
    struct named_call call;
    struct watched blocks[4];
    enter(&call, HANDLERS);
    for (int i = 0; i < 4; i++)
        keep_one(&blocks[i], 15000);
    leave(&call);
    for (int i = 0; i < 4; i++)
        let_go(&blocks[i]);
}

static void mark_and_draw(void)
{
    struct watched block;
    arena_scope_token token = arena_scope_begin(SITE("handler's mark"));
    keep_one(&block, 500);
    let_go(&block);
    arena_scope_end(token);
}

static void mark_that_resets(void)
{
    struct watched first, second;
    fixed.config.end = END_RESET;
    arena_scope_token token = arena_scope_begin(SITE("handler's other mark"));
    fixed.config.end = END_RETAIN;
    struct named_call call;
    keep_one(&first, 500);
    enter(&call, HANDLERS);
    keep_one(&second, 500);
    look_at(&first);
    leave(&call);
    arena_scope_end(token);
    let_go_unless_dropped(&first);
    let_go_unless_dropped(&second);
}

static void report(void)
{
    check_statistics(stats_now());
}

static void (*const disturbances[])(void) = {
    draw_and_free, draw_and_keep,      draw_large,    free_one,
    grow_one,      pause_and_resume,   ask,           call_emptily,
    call_and_draw, call_and_draw_much, mark_and_draw, mark_that_resets,
    report};

/* ---- what is interrupted --------------------------------------------------------------------- */

/* Records of the interrupted code's calls, innermost lowest; those in use. */
static struct named_call *calls;
static int calls_open;
static struct watched older, result;
static arena_scope_token around;

static void enter_next(int function)
{
    enter(&calls[15 - calls_open], function);
    calls_open++;
}

static void leave_last(void)
{
    calls_open--;
    leave(&calls[15 - calls_open]);
}

static void do_enter_retaining(void)
{
    enter_next(RETAINING);
}

static void do_enter_resetting(void)
{
    enter_next(RESETTING);
}

static void do_leave(void)
{
    leave_last();
}

static void do_malloc(void)
{
    result.block = t_malloc(100);
}

static void do_calloc_large(void)
{
    result.block = t_calloc(1, 50000);
}

static void do_free(void)
{
    t_free(older.block);
}

static void do_realloc(void)
{
    older.block = t_realloc(older.block, 1000);
}

static void do_ask(void)
{
    arena_scope_active();
}

static void do_pause_and_resume(void)
{
    arena_scope_pause();
    arena_scope_resume();
}

static void do_mark(void)
{
    arena_scope_end(arena_scope_begin(SITE("stepped mark")));
}

static void do_end_around(void)
{
    arena_scope_end(around);
    calls_open = 0;
}

static void do_call_and_draw(void)
{
    enter_next(RESETTING);
    enter_next(RETAINING);
    t_free(t_malloc(100));
    leave_last();
    leave_last();
}

enum {
    FRESH = 1,     /* the heap is as at first */
    USED = 2,      /* something has been drawn in the innermost call */
    ASKED = 4,     /* it is open, and nothing has been drawn */
    DROPS = 8,     /* `older` is gone after it */
    MARK = 16,     /* in a mark */
    OUTER = 32,    /* in a call that is open and has drawn */
    SURVIVOR = 64, /* `older` has survived its scope */
    NO_JUMP = 128, /* after a jump the test would not know where `older` is, or what is paused */
};

/* `before`: the calls that are open when it runs, outermost first: r, or s for one that resets. */
static const struct operation {
    const char *name;
    void (*run)(void);
    const char *before;
    size_t size; /* of the result */
    int flags;
} operations[] = {
    {"enter", do_enter_retaining, "", 0, 0},
    {"enter, new", do_enter_retaining, "", 0, FRESH},
    {"enter that resets", do_enter_resetting, "", 0, 0},
    {"enter in an open call", do_enter_retaining, "", 0, OUTER},
    {"enter in an open call, new", do_enter_resetting, "r", 0, ASKED | FRESH},
    {"enter in a pending call", do_enter_retaining, "s", 0, OUTER},
    {"enter in a call that resets", do_enter_retaining, "s", 0, ASKED},
    {"leave", do_leave, "r", 0, 0},
    {"leave, new", do_leave, "r", 0, FRESH},
    {"leave of one that resets", do_leave, "s", 0, 0},
    {"leave in an open call", do_leave, "r", 0, OUTER},
    {"leave in a pending call", do_leave, "sr", 0, OUTER},
    {"leave, open", do_leave, "r", 0, ASKED},
    {"leave, open, new", do_leave, "rr", 0, ASKED | FRESH},
    {"leave of one that resets, open", do_leave, "s", 0, ASKED | OUTER},
    {"leave, used", do_leave, "r", 0, USED | OUTER},
    {"leave of one that resets, used", do_leave, "rs", 0, USED},
    {"malloc", do_malloc, "r", 100, 0},
    {"malloc, new", do_malloc, "r", 100, FRESH},
    {"malloc that resets", do_malloc, "s", 100, 0},
    {"malloc in an open call", do_malloc, "r", 100, OUTER},
    {"malloc in three", do_malloc, "rrr", 100, 0},
    {"malloc in three, new", do_malloc, "rsr", 100, FRESH},
    {"malloc in three kinds", do_malloc, "srs", 100, OUTER},
    {"malloc in three that reset", do_malloc, "sss", 100, 0},
    {"calloc", do_calloc_large, "rr", 50000, MARK},
    {"free of an outer block", do_free, "r", 0, OUTER | DROPS},
    {"free in two", do_free, "sr", 0, OUTER | DROPS},
    {"free of a survivor", do_free, "rs", 0, SURVIVOR | DROPS},
    {"realloc of an outer block", do_realloc, "r", 0, OUTER | NO_JUMP},
    {"realloc in two", do_realloc, "rs", 0, OUTER | NO_JUMP},
    {"realloc of a survivor", do_realloc, "s", 0, SURVIVOR | NO_JUMP},
    {"active", do_ask, "rs", 0, OUTER},
    {"pause and resume", do_pause_and_resume, "r", 0, NO_JUMP},
    {"mark", do_mark, "r", 0, OUTER},
    {"end of a mark around", do_end_around, "rs", 0, MARK},
    {"calls that draw", do_call_and_draw, "", 0, OUTER},
};

/* Unless something is alive that a jump has lost. */
static void renew_heap(struct heap *heap)
{
    retain_trim(hot.thread, 0); /* takes what was freed outside */
    if (heap->alive != 0)
        return;
    memset(heap->exact, 0, sizeof heap->exact);
    memset(heap->wide, 0, sizeof heap->wide);
    heap->cursor = heap->end = heap->gaps = heap->blocks = heap->shared_pages = 0;
    pages_reset(&heap->pages);
}

static void prepare(const struct operation *operation)
{
    static const struct watched nothing;
    drawn[0] = drawn[1] = older = result = handlers = nothing;
    calls_open = 0;
    if (operation->flags & FRESH)
        renew_heap(&hot.thread->heap);
    if (operation->flags & (OUTER | SURVIVOR)) {
        enter_next(RETAINING);
        keep_one(&older, 100);
        keep_one(&handlers, 100);
        if (operation->flags & SURVIVOR)
            leave_last();
    } else {
        keep_one(&handlers, 100);
    }
    if (operation->flags & MARK)
        around = begin("around");
    for (const char *kind = operation->before; *kind; kind++)
        enter_next(*kind == 's' ? RESETTING : RETAINING);
    if (operation->flags & ASKED)
        arena_scope_active();
    if (operation->flags & USED)
        t_free(t_malloc(50));
}

static void look_at_all(void)
{
    look_at(&older);
    look_at(&handlers);
    look_at(&drawn[0]);
    look_at(&drawn[1]);
    look_at(&result);
}

static void forget_dropped(void)
{
    struct watched *all[] = {&older, &handlers, &drawn[0], &drawn[1], &result};
    for (size_t i = 0; i < COUNT(all); i++)
        if (all[i]->block && is_dropped(all[i]->block))
            all[i]->block = NULL;
}

static void check_next_calls(void)
{
    struct named_call call;
    for (int kind = RETAINING; kind <= RESETTING; kind++) {
        enter(&call, kind);
        void *block = t_malloc(300);
        require(kind == RETAINING ? survives(block) : is_dropped(block));
        memset(block, 0, 300);
        leave(&call);
        if (kind == RETAINING)
            t_free(block);
        check_outside();
    }
}

/* A call inside that resets; what it draws lies behind what is in use. */
CALL static void call_inside(void)
{
    struct named_call call;
    struct watched block;
    enter(&call, HANDLERS_RESETTING);
    keep_one(&block, 1000);
    require(is_dropped(block.block));
    leave(&call);
    look_at_all();
}

/* What was left in use. */
static void give_back(void)
{
    struct watched *all[] = {&older, &handlers, &drawn[0], &drawn[1], &result};
    for (size_t i = 0; i < COUNT(all); i++)
        if (all[i]->block)
            let_go(all[i]);
    require(cells_taken() == 0);
    require(misuse_count() == 0);
}

/* Draws on after the operation, and leaves what is open. */
static void conclude(const struct operation *operation)
{
    struct watched next[16];
    int nexts = 0;
    if (operation->flags & DROPS)
        older.block = NULL;
    if (operation->run == do_leave || operation->run == do_end_around ||
        operation->run == do_call_and_draw)
        forget_dropped(); /* what the handler drew in the scope that is gone */
    if (operation->size > 0)
        watch(&result, result.block, operation->size);
    look_at_all();
    check_gates();
    require(hot.thread->depth ==
            (uint64_t)calls_open + (operation->flags & MARK && operation->run != do_end_around));
    while (calls_open > 0) {
        bool retains = calls[16 - calls_open].function->retain;
        call_inside();
        keep_one(&next[nexts], 200);
        require(retains ? survives(next[nexts].block) : is_dropped(next[nexts].block));
        check_gates();
        look_at_all();
        for (int i = 0; i < nexts; i++)
            if (survives(next[i].block))
                look_at(&next[i]);
        leave_last();
        check_gates();
        if (!retains) {
            /* An outer one that resets still has its own; these have lived long enough. */
            look_at_all();
            forget_dropped();
        }
        nexts++;
    }
    if (operation->flags & MARK && operation->run != do_end_around)
        arena_scope_end(around);
    forget_dropped();
    check_outside();
    for (int i = 0; i < nexts; i++)
        if (survives(next[i].block))
            let_go(&next[i]);
    check_next_calls();
    give_back();
}

static sigjmp_buf out;

static void jump_away(void)
{
    siglongjmp(out, 1);
}

/* Ends what a jump has left, and sees that the next outermost call is a sound one. */
static void conclude_after_jump(void)
{
    struct named_call call;
    forget_dropped();
    look_at_all();
    scope_close_down_to(hot.thread, 0);
    enter(&call, RETAINING);
    struct watched block;
    keep_one(&block, 100);
    require(survives(block.block));
    look_at_all();
    leave(&call);
    check_outside();
    let_go(&block);
    check_next_calls();
    report();
    result.block = NULL; /* it may have been drawn, and not been noted */
    give_back();
}

/* `records` lie in the frame of the caller, above those of all calls. */
static void start_stepping(const struct operation *operation, struct named_call *records)
{
    running_name = operation->name;
    calls = records;
    warm_up();
    use_cells();
    repeats = SANITIZED ? 1 : 3;
    stepping_start();
    prepare(operation);
    find_points(operation->run);
    conclude(operation);
}

/* Clearing a large block has a step for each byte; sanitizers make every step several times as
 * long. */
static size_t stride_of(const struct operation *operation)
{
    return operation->run == do_calloc_large ? 61 : SANITIZED ? 3 : 1;
}

static void jump_out_of_operation(void)
{
    struct named_call records[16];
    const struct operation *operation = &operations[atoi(fresh_argument)];
    start_stepping(operation, records);
    /* Blocks that a jump has lost stay in use: at last no other would lie in the heap. */
    const struct pages *pages = &hot.thread->heap.pages;
    for (at_point = 0; at_point < point_count && pages->used < LIMIT / PAGE_BYTES / 3;
         at_point += stride_of(operation)) {
        prepare(operation);
        has_jumped = true;
        if (sigsetjmp(out, 1) == 0)
            run_interrupted(operation->run, jump_away, &points[at_point]);
        if (operation->flags & DROPS)
            older.block = NULL;
        conclude_after_jump();
    }
}

START_TEST(a_jump_at_every_instruction)
{
    ck_assert_msg(run_for_operation("jump_out_of_operation", _i), "%s", operations[_i].name);
}
END_TEST

static void step_through_operation(void)
{
    struct named_call records[16];
    const struct operation *operation = &operations[atoi(fresh_argument)];
    size_t stride = stride_of(operation);
    start_stepping(operation, records);
    for (disturbing = 0; disturbing < COUNT(disturbances); disturbing++) {
        for (at_point = disturbing % stride; at_point < point_count; at_point += stride) {
            prepare(operation);
            run_interrupted(operation->run, disturbances[disturbing], &points[at_point]);
            conclude(operation);
        }
    }
}

START_TEST(every_instruction)
{
    ck_assert_msg(run_for_operation("step_through_operation", _i), "%s", operations[_i].name);
}
END_TEST

/* Of the inner call, of the outer one; in the frame of the caller. */
static struct named_call *nested;
static void open_outer(void)
{
    enter(&nested[1], RETAINING);
}

static void nest_a_call(void)
{
    enter(&nested[0], RETAINING);
    leave(&nested[0]);
}

static uint64_t close_outer(void)
{
    leave(&nested[1]);
    return site_named("retaining").survivors;
}

static void step_through_counts(void)
{
    struct named_call records[2];
    running_name = "counts";
    nested = records;
    warm_up();
    stepping_start();
    step_through_counts_of(open_outer, nest_a_call, close_outer);
}

START_TEST(counts_at_every_instruction)
{
    ck_assert(run_for_operation("step_through_counts", 0));
}
END_TEST
#endif

/* ---- suite ----------------------------------------------------------------------------------- */

static Suite *named_suite(void)
{
    Suite *suite = suite_create("named");
    TCase *tcase = tcase_create("named");
    tcase_add_checked_fixture(tcase, warm_up, check_outside);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, an_empty_call_leaves_a_count_alone);
    tcase_add_loop_test(tcase, the_first_request_is_the_innermost_calls, 0, 7 * 8);
    tcase_add_test(tcase, blocks_are_counted_for_their_own_scopes);
    tcase_add_test(tcase, an_outer_block_is_freed_in_calls);
    tcase_add_test(tcase, a_survivor_is_freed_in_a_call);
    tcase_add_test(tcase, marks_pauses_and_questions_in_a_call);
    tcase_add_test(tcase, ends_in_another_order);
    tcase_add_loop_test(tcase, a_jump_leaves_calls, 0, 64);
    tcase_add_test(tcase, calls_nest_to_the_greatest_depth_and_deeper);
    tcase_add_test(tcase, a_thread_exits_in_calls);
    tcase_add_test(tcase, fork_in_calls);
    tcase_add_loop_test(tcase, a_report_in_a_call, 0, 64);
    tcase_add_loop_test(tcase, calls_in_automatic_scopes, 0, 4);
    tcase_add_loop_test(tcase, random_calls, 0, 4);
#if CAN_STEP
    tcase_add_test(tcase, counts_at_every_instruction);
    tcase_add_loop_test(tcase, every_instruction, 0, COUNT(operations));
    for (int i = 0; i < (int)COUNT(operations); i++)
        if (!(operations[i].flags & NO_JUMP))
            tcase_add_loop_test(tcase, a_jump_at_every_instruction, i, i + 1);
#else
    leave_out_steps();
#endif
    return suite;
}

int main(int argc, char **argv)
{
    static const struct fresh cases[] = {
        {"report_at_exit", report_at_exit},
        {"work_in_automatic_scopes", work_in_automatic_scopes},
#if CAN_STEP
        {"step_through_operation", step_through_operation},
        {"step_through_counts", step_through_counts},
        {"jump_out_of_operation", jump_out_of_operation},
#endif
        {NULL, NULL},
    };
    return run_suite(named_suite, cases, argc, argv);
}
