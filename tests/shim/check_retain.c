/*
 * Unit tests of retain.h: every kind of draw, free and resize in scopes that retain what is alive,
 * survivors and their chunks, scopes of the other kind inside and outside, the learning of sites,
 * misuse; and random operations against a model.
 */
#include "../preload/interrupt.h"
#include "harness.h"
#include "route/modules.h"
#include "engine/retain.h"

enum { CAPACITY = 32 * 32768, LIMIT = 8 * 1024 * 1024 };

/* No checker watches: blocks are resized in place, and places come again. */
static bool plain;

static struct chunks *chunks;

static void start_once(void)
{
    static bool started;
    if (!started) {
        setenv("ARENASHIM_END", "retain", 1);
        routing_start(CAPACITY, LIMIT, 16);
        retain_start();
        require(fixed.retains);
    }
    started = true;
    plain = !track_active();
    fixed.config.overflow = OVERFLOW_GROW;
}

static arena_scope_token open_kind(const char *label, bool retains)
{
    static struct module_cache cache;
    arena_scope_site site = {label, "harness", 1, 0};
    struct module *module = modules_find(&cache, marked_caller());
    struct thread *thread = scope_thread();
    require(thread);
    modules_mark(module);
    scope_use_module(module);
    return scope_open(thread, &thread->sites[sites_find(&site)], retains, module);
}

static arena_scope_token outer;

static void open_scope(void)
{
    start_once();
    outer = open_kind("retain", true);
    chunks = &hot.thread->retained.chunks;
}

static void close_scope(void)
{
    arena_scope_end(outer);
    require(hot.thread->depth == 0 && hot.cursor == 0);
}

static unsigned char *filled(size_t size, int byte)
{
    unsigned char *block = r_malloc(size);
    require(block && block_is_ours(block) && retain_holds(block));
    return memset(block, byte, size);
}

/* ---- routing --------------------------------------------------------------------------------- */

START_TEST(every_form_is_routed)
{
    void *blocks[] = {
        r_malloc(10),     r_calloc(10),     r_memalign(64, 10),       r_realloc(NULL, 10),
        r_malloc(100000), r_calloc(100000), r_memalign(4096, 100000), r_malloc(0)};
    for (size_t i = 0; i < COUNT(blocks); i++) {
        ck_assert(block_is_ours(blocks[i]) && retain_holds(blocks[i]));
        t_free(blocks[i]);
    }
}
END_TEST

START_TEST(out_of_scope_and_in_a_pause_calls_go_on)
{
    arena_scope_pause();
    void *paused = r_malloc(10);
    void *aligned = r_memalign(64, 10);
    arena_scope_resume();
    ck_assert(!block_is_ours(paused) && !block_is_ours(aligned));
    void *inside = filled(10, 1);
    arena_scope_pause();
    t_free(inside);
    arena_scope_resume();
    inside = r_malloc(10);
    ck_assert(block_is_ours(inside));
    t_free(inside);
    close_scope();
    void *outside = r_malloc(10);
    ck_assert(!block_is_ours(outside));
    open_scope();
    t_free(paused);
    t_free(aligned);
    t_free(outside);
}
END_TEST

START_TEST(what_nobody_can_have_is_refused)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 8, SIZE_MAX - 22, SIZE_MAX - 23,
                                   SIZE_MAX / 2 + 1};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        uint64_t drawn = hot.thread->retained.drawn;
        errno = 0;
        ck_assert_ptr_null(r_malloc(sizes[i]));
        ck_assert_int_eq(errno, ENOMEM);
        ck_assert_ptr_null(r_calloc(sizes[i]));
        unsigned char *block = filled(100, 1);
        ck_assert_ptr_null(r_realloc(block, sizes[i]));
        ck_assert(holds_only(block, 100, 1));
        ck_assert_uint_eq(hot.thread->retained.drawn, drawn + 1);
        t_free(block);
    }
}
END_TEST

START_TEST(a_very_large_alignment_is_the_next_allocators)
{
    unsigned char *block = r_memalign(64 * KIB, 100);
    ck_assert(block && !block_is_ours(block) && is_aligned(block, 64 * KIB));
    t_free(block);
}
END_TEST

/* ---- contents -------------------------------------------------------------------------------- */

START_TEST(blocks_do_not_overlap_and_stay_after_the_end)
{
    enum { SIZES = 40, ALIGNMENTS = 11 };
    static unsigned char *blocks[SIZES][ALIGNMENTS];
    static size_t sizes[SIZES][ALIGNMENTS];
    unsigned mark = 0;
    for (int i = 0; i < SIZES; i++)
        for (int k = 0; k < ALIGNMENTS; k++) {
            size_t size = (size_t)i < 20 ? (size_t)i * 3 : (size_t)1 << (i - 20);
            unsigned char *block = k == 0 ? r_malloc(size) : r_memalign((size_t)16 << k, size);
            ck_assert(is_aligned(block, (size_t)16 << k));
            ck_assert_uint_ge(t_usable(block), size);
            if (k < 10) /* 16 KiB is too much, with the size, for a chunk of several blocks */
                ck_assert(size > 20000 || retain_holds(block));
            sizes[i][k] = t_usable(block);
            blocks[i][k] = memset(block, (int)(mark++ % 251), sizes[i][k]);
        }
    close_scope();
    mark = 0;
    for (int i = 0; i < SIZES; i++)
        for (int k = 0; k < ALIGNMENTS; k++) {
            ck_assert(holds_only(blocks[i][k], sizes[i][k], (unsigned char)(mark++ % 251)));
            t_free(blocks[i][k]);
        }
    open_scope();
}
END_TEST

START_TEST(zeroed_blocks_are_zero)
{
    static const size_t sizes[] = {1, 100, 5000, 16000, 17000, 33000, 200000};
    unsigned char *blocks[4][COUNT(sizes)];
    for (int round = 0; round < 4; round++)
        for (size_t i = 0; i < COUNT(sizes); i++) {
            unsigned char *block = r_calloc(sizes[i]);
            ck_assert(retain_holds(block) && holds_only(block, sizes[i], 0));
            memset(block, 0xff, t_usable(block));
            blocks[round][i] = block;
            if (round % 2)
                t_free(block);
        }
    for (int round = 0; round < 4; round += 2)
        for (size_t i = 0; i < COUNT(sizes); i++)
            t_free(blocks[round][i]);
}
END_TEST

/* ---- chunks ---------------------------------------------------------------------------------- */

START_TEST(the_newest_gives_its_place_back)
{
    unsigned char *first = filled(100, 1);
    t_free(first);
    unsigned char *second = filled(100, 2);
    if (plain)
        ck_assert_ptr_eq(second, first);
    t_free(second);
}
END_TEST

START_TEST(a_scope_without_survivors_leaves_nothing)
{
    for (int i = 0; i < 100; i++) {
        arena_scope_token token = open_kind("inner", true);
        unsigned char *blocks[200];
        for (int k = 0; k < 200; k++)
            blocks[k] = filled(k % 50 == 0 ? 40000 : 500, k);
        ck_assert_uint_le(chunks->used, 16);
        for (int k = 0; k < 200; k++)
            t_free(blocks[k]);
        arena_scope_end(token);
    }
    ck_assert_uint_le(chunks->used, 1);
}
END_TEST

static unsigned char *survivors[1000];

static void *free_survivors(void *unused)
{
    for (size_t i = 0; i < COUNT(survivors); i++) {
        require(holds_only(survivors[i], 300, (unsigned char)i));
        t_free(survivors[i]);
    }
    return unused;
}

static void leave_survivors(void)
{
    arena_scope_token token = open_kind("leaving", true);
    for (size_t i = 0; i < COUNT(survivors); i++)
        survivors[i] = filled(300, (int)i);
    arena_scope_end(token);
}

START_TEST(survivors_freed_here_empty_their_chunks)
{
    for (int round = 0; round < 20; round++) {
        leave_survivors();
        ck_assert_uint_gt(chunks->used, 8);
        ck_assert_uint_lt(chunks->used, 16);
        free_survivors(NULL);
        ck_assert_uint_le(chunks->used, 1);
    }
    ck_assert_uint_ge(site_named("leaving").survivors, 20 * COUNT(survivors));
    ck_assert_uint_eq(site_named("leaving").live_at_end, 0);
}
END_TEST

static void *free_it(void *block)
{
    t_free(block);
    return NULL;
}

/* The newest block is told by its extent, which is that of a freed one, too. */
START_TEST(the_newest_is_not_freed_after_another_thread_did)
{
    static struct capture capture; /* of one line, the first time */
    void *older = filled(100, 1);
    void *newest = filled(100, 2);
    uintptr_t cursor = hot.thread->retained.cursor;
    uint64_t misuses = misuse_count();
    in_thread(free_it, newest);
    capture_start(&capture);
    t_free(newest);
    capture_end(&capture);
    ck_assert_uint_eq(misuse_count(), misuses + 1);
    ck_assert_uint_eq(hot.thread->retained.cursor, cursor);
    t_free(older);
    misuse_after_fork(); /* the other tests may run in this process, and make none */
}
END_TEST

START_TEST(survivors_freed_elsewhere_are_found_in_time)
{
    uint64_t before = stats_now()->late_frees;
    for (int round = 0; round < 20; round++) {
        leave_survivors();
        ck_assert_uint_lt(chunks->used, 32);
        in_thread(free_survivors, NULL);
    }
    ck_assert_uint_eq(stats_now()->late_frees - before, 20 * COUNT(survivors));
}
END_TEST

START_TEST(what_is_freed_in_an_inner_scope_is_no_survivor)
{
    uint64_t before = site_named("around").survivors;
    arena_scope_token around = open_kind("around", true);
    unsigned char *blocks[300];
    for (int i = 0; i < 300; i++)
        blocks[i] = filled(300, i);
    arena_scope_token inner = open_kind("inner", true);
    arena_scope_token innermost = open_kind("innermost", true);
    for (int i = 0; i < 300; i++)
        t_free(blocks[i]);
    blocks[0] = filled(10, 1);
    arena_scope_end(innermost);
    arena_scope_end(inner);
    arena_scope_end(around);
    ck_assert_uint_eq(site_named("around").survivors - before, 1);
    t_free(blocks[0]);
}
END_TEST

static void *live_and_leave(void *unused)
{
    leave_survivors();
    return unused;
}

START_TEST(survivors_outlive_their_thread)
{
    for (int round = 0; round < 10; round++) {
        in_thread(live_and_leave, NULL);
        free_survivors(NULL);
    }
    struct thread *other = thread_in_slot(1);
    ck_assert_ptr_nonnull(other);
    ck_assert_uint_le(other->retained.chunks.count, 40);
    ck_assert_uint_eq(other->retained.cursor, 0);
}
END_TEST

START_TEST(past_the_capacity_memory_goes_back_at_the_outermost_end)
{
    void *large = r_malloc(2 * CAPACITY);
    memset(large, 1, 2 * CAPACITY);
    t_free(large);
    ck_assert_uint_ge(chunks->warm, 64);
    close_scope();
    ck_assert_uint_le(chunks->warm, 32);
    open_scope();
}
END_TEST

/* ---- both kinds of scopes -------------------------------------------------------------------- */

START_TEST(reset_in_retain_in_reset_in_retain)
{
    for (int round = 0; round < 10; round++) {
        unsigned char *first = filled(200, 1);
        arena_scope_token reset = open_kind("reset", false);
        unsigned char *second = memset(t_malloc(200), 2, 200);
        ck_assert(!retain_holds(second) && block_is_ours(second));
        arena_scope_token retain = open_kind("within", true);
        unsigned char *third = filled(40000, 3), *fourth = filled(100, 4);
        arena_scope_token innermost = open_kind("innermost", false);
        unsigned char *fifth = memset(t_malloc(300), 5, 300);
        ck_assert(!retain_holds(fifth) && fifth > second);
        t_free(third);
        ck_assert(holds_only(second, 200, 2));
        arena_scope_end(innermost);
        ck_assert_uint_eq(hot.cursor, 0);
        unsigned char *sixth = filled(1000, 6);
        arena_scope_end(retain);
        ck_assert_uint_ne(hot.cursor, 0);
        unsigned char *seventh = memset(t_malloc(500), 7, 500);
        ck_assert(!retain_holds(seventh) && holds_only(second, 200, 2));
        t_free(fourth);
        arena_scope_end(reset);
        ck_assert(holds_only(first, 200, 1) && holds_only(sixth, 1000, 6));
        unsigned char *eighth = filled(100, 8);
        ck_assert_ptr_ne(eighth, first);
        t_free(eighth);
        t_free(first);
        t_free(sixth);
    }
    ck_assert_uint_eq(site_named("reset").live_at_end, 20);
    ck_assert_uint_eq(site_named("innermost").live_at_end, 10);
    ck_assert_uint_eq(site_named("within").survivors, 20);
}
END_TEST

static volatile int steps_left;

/* A handler that has a scope of the other kind, once. */
static void scope_in_handler(int unused)
{
    (void)unused;
    if (steps_left-- != 0)
        return;
    arena_scope_token token = open_kind("handler", false);
    memset(t_malloc(3000), 0xee, 3000);
    arena_scope_end(token);
}

START_TEST(a_handlers_scope_lies_behind_the_outer_ones)
{
    arena_scope_token reset = open_kind("reset", false);
    on_signal(SIGTRAP, scope_in_handler, 0);
    for (int step = 0;; step++) {
        unsigned char *first = memset(t_malloc(500), 1, 500);
        steps_left = step;
        if (!track_emulated())
            STEP_ON();
        arena_scope_token retain = open_kind("within", true);
        arena_scope_end(retain);
        if (!track_emulated())
            STEP_OFF();
        ck_assert(holds_only(first, 500, 1));
        unsigned char *second = memset(t_malloc(500), 2, 500);
        ck_assert(holds_only(first, 500, 1));
        t_free(second);
        t_free(first);
        if (track_emulated() || steps_left >= 0)
            break;
        ck_assert_int_lt(step, 10000);
    }
    signal(SIGTRAP, SIG_DFL);
    arena_scope_end(reset);
}
END_TEST

/* ---- realloc --------------------------------------------------------------------------------- */

START_TEST(the_newest_is_resized_in_place)
{
    unsigned char *block = filled(100, 1), *start = block;
    block = r_realloc(block, 5000);
    ck_assert(!plain || block == start);
    ck_assert(holds_only(block, 100, 1));
    block = r_realloc(block, 50);
    ck_assert(!plain || block == start);
    ck_assert_uint_lt(t_usable(block), 100);
    unsigned char *next = filled(10, 2);
    ck_assert(!plain || next - block <= 96);
    ck_assert(holds_only(block, 50, 1));
    t_free(block);
    t_free(next);
}
END_TEST

START_TEST(an_older_block_shrinks_in_place_and_moves_to_grow)
{
    unsigned char *block = filled(100, 1), *newer = filled(100, 2), *start = block;
    block = r_realloc(block, 50);
    ck_assert(!plain || block == start);
    unsigned char *moved = r_realloc(block, 200);
    ck_assert_ptr_ne(moved, block);
    ck_assert(retain_holds(moved) && holds_only(moved, 50, 1) && holds_only(newer, 100, 2));
    t_free(moved);
    t_free(newer);
}
END_TEST

START_TEST(a_large_block_that_shrinks_gives_chunks_back)
{
    unsigned char *block = filled(10 * CHUNK_BYTES, 1);
    uint32_t used = chunks->used;
    unsigned char *start = block;
    block = r_realloc(block, 3 * CHUNK_BYTES);
    ck_assert(!plain || block == start);
    ck_assert_uint_eq(chunks->used, used - 7);
    ck_assert_uint_ge(t_usable(block), 3 * CHUNK_BYTES);
    unsigned char *other = filled(5 * CHUNK_BYTES, 2);
    ck_assert(holds_only(block, 3 * CHUNK_BYTES, 1));
    block = r_realloc(block, 100);
    ck_assert(holds_only(block, 100, 1) && holds_only(other, 5 * CHUNK_BYTES, 2));
    t_free(other);
    t_free(block);
    ck_assert_uint_le(chunks->used, 1);
}
END_TEST

START_TEST(out_of_scope_a_block_moves_out)
{
    unsigned char *block = filled(100, 1);
    close_scope();
    block = t_realloc(block, 300);
    ck_assert(!block_is_ours(block) && holds_only(block, 100, 1));
    t_free(block);
    open_scope();
}
END_TEST

/* ---- overflow -------------------------------------------------------------------------------- */

START_TEST(overflow_is_counted_when_the_limit_is_met)
{
    struct site_stats before = site_named("retain");
    void *blocks[100];
    for (int i = 0; i < 100; i++)
        ck_assert_ptr_nonnull(blocks[i] = r_malloc(plain ? 100000 : 1000000));
    ck_assert(!block_is_ours(blocks[99]));
    struct site_stats after = site_named("retain");
    ck_assert_uint_gt(after.fallbacks, before.fallbacks);
    ck_assert_uint_ge(after.overflows - before.overflows, after.fallbacks - before.fallbacks);
    for (int i = 0; i < 100; i++)
        t_free(blocks[i]);
}
END_TEST

START_TEST(the_room_that_is_left)
{
    size_t room = retain_room(hot.thread);
    fixed.config.overflow = OVERFLOW_ERROR;
    ck_assert_ptr_null(r_malloc(room));
    unsigned char *block = filled(room - 4096, 1);
    ck_assert_uint_eq(retain_room(hot.thread), 0);
    t_free(block);
    ck_assert_uint_eq(retain_room(hot.thread), room);
}
END_TEST

/* ---- misuse ---------------------------------------------------------------------------------- */

static void free_what_is_no_block(void)
{
    static struct capture capture;
    start_once();
    open_scope();
    unsigned char *large = filled(100000, 1), *small = filled(100, 0), *gone = filled(50000, 1);
    filled(10, 1);
    t_free(gone);
    uint32_t used = chunks->used;
    capture_start(&capture);
    t_free(large + 16);                                /* inside a large block */
    t_free(large + 50000);                             /* in another of its chunks */
    t_free(small + 8);                                 /* misaligned */
    t_free(small + 16);                                /* where a header would be 0 */
    t_free(gone);                                      /* in chunks that are free */
    t_free((void *)(chunks->start + 16 * 32768 * 20)); /* no chunk yet, and not drawn in an arena */
    const char *said = capture_end(&capture);
    require(strstr(said, "not a block") != NULL);
    require(misuse_count() >= 5);
    require(chunks->used == used &&
            chunk_live(&chunks->table[chunks_index(chunks, (uintptr_t)large)]) == 1);
    require(holds_only(large, 100000, 1));
    t_free(large);
    t_free(small);
    uint64_t count = misuse_count();
    capture_start(&capture);
    t_free(small);
    t_free(small);
    capture_end(&capture);
    require(misuse_count() == count + 2);
}

START_TEST(what_is_no_block_is_not_freed)
{
    ck_assert_fresh("free_what_is_no_block");
}
END_TEST

/* ---- random operations ----------------------------------------------------------------------- */

struct live {
    unsigned char *block;
    size_t size;
    unsigned char mark;
    uint64_t scope; /* the serial of the reset scope that will drop it; 0: none */
};

static size_t any_size(void)
{
    static const size_t bounds[] = {50, 200, 200, 2000, 20000, 100000};
    return below(bounds[below(below(8) ? 4 : COUNT(bounds))]);
}

START_TEST(random_operations)
{
    enum { LIVE = 400, DEPTH = 8 };
    static struct live live[LIVE];
    static arena_scope_token tokens[DEPTH];
    static bool retains[DEPTH];
    size_t count = 0;
    int depth = 0;
    model_random = 88172645463325252U + (uint64_t)_i * 7777777;
    for (int i = 0; i < 100000; i++) {
        size_t kind = below(100), k = count ? below(count) : 0;
        if (kind < 40 && count < LIVE) {
            size_t size = any_size();
            unsigned char *block = below(5)   ? r_malloc(size)
                                   : below(2) ? r_calloc(size)
                                              : r_memalign((size_t)16 << below(9), size);
            require(block && t_usable(block) >= size);
            bool dropped = block_is_ours(block) && !retain_holds(block);
            live[count++] = (struct live){memset(block, i, size), size, (unsigned char)i,
                                          dropped ? (uint64_t)depth : 0};
        } else if (kind < 75 && count > 0) {
            require(holds_only(live[k].block, live[k].size, live[k].mark));
            t_free(live[k].block);
            live[k] = live[--count];
        } else if (kind < 80 && count > 0) {
            size_t size = any_size() + 1;
            unsigned char *block = r_realloc(live[k].block, size);
            require(holds_only(block, size < live[k].size ? size : live[k].size, live[k].mark));
            /* In place it is still the scope's that drew it. */
            bool dropped = block_is_ours(block) && !retain_holds(block);
            if (dropped && block != live[k].block)
                live[k].scope = (uint64_t)depth;
            else if (!dropped)
                live[k].scope = 0;
            live[k].block = memset(block, live[k].mark, size);
            live[k].size = size;
        } else if (kind < 88 && depth < DEPTH) {
            retains[depth] = below(3) != 0;
            tokens[depth] = open_kind(retains[depth] ? "model" : "model reset", retains[depth]);
            depth++;
        } else if (kind < 96 && depth > 0) {
            for (k = count; k-- > 0;)
                if (live[k].scope == (uint64_t)depth) {
                    require(holds_only(live[k].block, live[k].size, live[k].mark));
                    live[k] = live[--count];
                }
            arena_scope_end(tokens[--depth]);
        } else if (count > 0) {
            require(holds_only(live[k].block, live[k].size, live[k].mark));
        }
    }
    while (depth > 0) {
        for (size_t k = count; k-- > 0;)
            if (live[k].scope == (uint64_t)depth)
                live[k] = live[--count];
        arena_scope_end(tokens[--depth]);
    }
    while (count > 0) {
        count--;
        require(holds_only(live[count].block, live[count].size, live[count].mark));
        t_free(live[count].block);
    }
    require(stats_now()->misuses == 0);
    require(chunks->used <= 1);
}
END_TEST

static Suite *retain_suite(void)
{
    Suite *suite = suite_create("retain");
    TCase *tcase = tcase_create("retain");
    tcase_add_checked_fixture(tcase, open_scope, close_scope);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, every_form_is_routed);
    tcase_add_test(tcase, out_of_scope_and_in_a_pause_calls_go_on);
    tcase_add_test(tcase, what_nobody_can_have_is_refused);
    tcase_add_test(tcase, a_very_large_alignment_is_the_next_allocators);
    tcase_add_test(tcase, blocks_do_not_overlap_and_stay_after_the_end);
    tcase_add_test(tcase, zeroed_blocks_are_zero);
    tcase_add_test(tcase, the_newest_gives_its_place_back);
    tcase_add_test(tcase, a_scope_without_survivors_leaves_nothing);
    tcase_add_test(tcase, survivors_freed_here_empty_their_chunks);
    tcase_add_test(tcase, the_newest_is_not_freed_after_another_thread_did);
    tcase_add_test(tcase, survivors_freed_elsewhere_are_found_in_time);
    tcase_add_test(tcase, what_is_freed_in_an_inner_scope_is_no_survivor);
    tcase_add_test(tcase, survivors_outlive_their_thread);
    tcase_add_test(tcase, past_the_capacity_memory_goes_back_at_the_outermost_end);
    tcase_add_test(tcase, reset_in_retain_in_reset_in_retain);
    tcase_add_test(tcase, a_handlers_scope_lies_behind_the_outer_ones);
    tcase_add_test(tcase, the_newest_is_resized_in_place);
    tcase_add_test(tcase, an_older_block_shrinks_in_place_and_moves_to_grow);
    tcase_add_test(tcase, a_large_block_that_shrinks_gives_chunks_back);
    tcase_add_test(tcase, out_of_scope_a_block_moves_out);
    tcase_add_test(tcase, overflow_is_counted_when_the_limit_is_met);
    tcase_add_test(tcase, the_room_that_is_left);
    tcase_add_test(tcase, what_is_no_block_is_not_freed);
    tcase_add_loop_test(tcase, random_operations, 0, 4);
    return suite;
}

int main(int argc, char **argv)
{
    static const struct fresh cases[] = {
        {"free_what_is_no_block", free_what_is_no_block},
        {NULL, NULL},
    };
    return run_suite(retain_suite, cases, argc, argv);
}
