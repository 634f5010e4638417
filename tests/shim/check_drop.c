/*
 * Unit tests of drop.h: what becomes of blocks that are freed inside a scope that drops. The cursor
 * steps back over them in whatever order they were freed, not below an inner scope's start; a scope
 * that lasts is swept and bumps through its gaps; buffers that grow are copied in linear time.
 */
#include "harness.h"

enum { CAPACITY = 64 * 1024, LIMIT = 16 * 1024 * 1024 };

static arena_scope_token outer;

static void start_once(void)
{
    static bool started;
    if (!started)
        routing_start(CAPACITY, LIMIT, 16);
    started = true;
    fixed.config.overflow = OVERFLOW_GROW;
    fixed.config.capacity_is_set = true;
}

static void open_scope(void)
{
    start_once();
    outer = begin("drop");
}

static void close_scope(void)
{
    arena_scope_end(outer);
    require(hot.cursor == 0 && hot.limit == 0 && hot.thread->depth == 0);
    require(hot.thread->gap_top == 0 && misuse_count() == 0);
}

static unsigned char *filled(size_t size, int byte)
{
    unsigned char *block = t_malloc(size);
    require(block && block_is_ours(block));
    return memset(block, byte, size);
}

/* Sizes whose blocks take 16, 32 and more bytes. */
static size_t size_of(int i)
{
    static const size_t sizes[] = {1, 8, 24, 100, 9, 500};
    return sizes[(unsigned)i % COUNT(sizes)];
}

/* ---- stepping back --------------------------------------------------------------------------- */

/* All orders of 6 frees. */
START_TEST(the_cursor_steps_back_over_blocks_freed_in_any_order)
{
    enum { BLOCKS = 6, ORDERS = 720 };
    uintptr_t cursor = hot.cursor;
    for (int order = 0; order < ORDERS; order++) {
        unsigned char *blocks[BLOCKS];
        uintptr_t starts[BLOCKS + 1];
        bool freed[BLOCKS] = {false};
        for (int i = 0; i < BLOCKS; i++) {
            starts[i] = hot.cursor;
            blocks[i] = filled(size_of(i + order), i);
        }
        starts[BLOCKS] = hot.cursor;
        for (int left = BLOCKS, rest = order; left > 0; rest /= left, left--) {
            int nth = rest % left, i = 0;
            for (; freed[i] || nth-- > 0; i++)
                ;
            t_free(blocks[i]);
            freed[i] = true;
            int top = BLOCKS;
            while (top > 0 && freed[top - 1])
                top--;
            ck_assert_uint_eq(hot.cursor, starts[top]);
            for (int k = 0; k < top; k++)
                ck_assert(freed[k] || holds_only(blocks[k], size_of(k + order), (unsigned char)k));
        }
        ck_assert_uint_eq(hot.cursor, cursor);
    }
}
END_TEST

START_TEST(room_in_front_of_an_aligned_block_is_free_too)
{
    if (track_active())
        return; /* addresses are not used again */
    filled(8, 1);
    uintptr_t cursor = hot.cursor;
    unsigned char *first = filled(40, 2), *aligned = t_memalign(1024, 100), *last = filled(40, 3);
    memset(aligned, 4, 100);
    t_free(first);
    t_free(last);
    ck_assert(holds_only(aligned, 100, 4));
    t_free(aligned);
    ck_assert_uint_le(hot.cursor, (uintptr_t)aligned - BLOCK_HEADER);
    ck_assert_uint_ge(hot.cursor, cursor);
    unsigned char *next = filled(3000, 5);
    ck_assert_uint_ge((uintptr_t)next, cursor);
    t_free(next);
}
END_TEST

START_TEST(an_outer_scopes_blocks_are_a_boundary)
{
    if (track_active())
        return; /* addresses are not used again */
    unsigned char *a = filled(40, 1), *b = filled(40, 2);
    t_free(a);
    arena_scope_token inner = begin("inner");
    uintptr_t start = hot.cursor;
    unsigned char *c = filled(40, 3), *d = filled(40, 4);
    t_free(b); /* of the outer scope: nothing moves */
    t_free(c);
    t_free(d);
    ck_assert_uint_eq(hot.cursor, start);
    arena_scope_end(inner);
    ck_assert_uint_eq(hot.cursor, start);
    unsigned char *e = filled(40, 5);
    t_free(e);
    ck_assert_uint_le(hot.cursor, start);
}
END_TEST

/* What lies behind the cursor after it has stepped back is nobody's: flags there are stale. */
START_TEST(after_stepping_back_headers_are_fresh)
{
    for (int round = 0; round < 50; round++) {
        unsigned char *a = filled(24, 1), *b = filled(24, 2), *c = filled(24, 3);
        t_free(a);
        t_free(b);
        t_free(c);
        uintptr_t cursor = hot.cursor;
        unsigned char *d = filled(24 + 32 * 2, 4), *e = filled(24, 5), *f = filled(8, 6);
        t_free(f);
        t_free(e);
        ck_assert(holds_only(d, 24 + 32 * 2, 4));
        ck_assert_uint_eq(hot.cursor, cursor + 32 * 3);
        t_free(d);
        ck_assert_uint_eq(hot.cursor, cursor);
    }
}
END_TEST

START_TEST(a_block_resized_where_it_lies_keeps_what_is_free_in_front)
{
    uintptr_t cursor = hot.cursor;
    unsigned char *a = filled(40, 1), *b = filled(40, 2);
    t_free(a);
    b = t_realloc(b, 400);
    ck_assert(holds_only(b, 40, 2));
    b = t_realloc(b, 20);
    ck_assert(holds_only(b, 20, 2));
    t_free(b);
    /* Or a few bytes above, if the header was written anew: then the sweep finds them. */
    ck_assert_uint_le(hot.cursor, cursor + 48);
}
END_TEST

/* ---- sweeping -------------------------------------------------------------------------------- */

struct churned {
    unsigned char *block;
    size_t size;
    unsigned char byte;
};

static void churn(struct churned *blocks, size_t count, size_t largest, int rounds)
{
    for (int round = 0; round < rounds; round++)
        for (size_t i = 0; i < count; i++) {
            struct churned *at = &blocks[below(count)];
            if (at->block) {
                require(holds_only(at->block, at->size, at->byte));
                t_free(at->block);
            }
            at->size = below(largest);
            at->byte = (unsigned char)below(256);
            at->block = below(8) ? t_malloc(at->size) : t_calloc(1, at->size);
            require(at->block && block_is_ours(at->block));
            memset(at->block, at->byte, t_usable(at->block));
        }
}

static uint64_t arena_bytes(void)
{
    return stats_now()->high_water;
}

static void end_and_begin(void)
{
    arena_scope_end(outer);
    outer = begin("drop");
}

/* 1000 blocks of 256 bytes on average, and their headers. */
START_TEST(a_scope_with_churn_holds_about_twice_what_is_alive)
{
    static struct churned blocks[1000];
    memset(blocks, 0, sizeof blocks);
    model_random = 7;
    churn(blocks, COUNT(blocks), 512, 60);
    for (size_t i = 0; i < COUNT(blocks); i++)
        require(!blocks[i].block || holds_only(blocks[i].block, blocks[i].size, blocks[i].byte));
    end_and_begin(); /* what it came to is counted */
    ck_assert(fixed.checked || arena_bytes() < 2 * 1000 * (256 + 16) + CAPACITY);
}
END_TEST

/* Blocks of 16 bytes and up: links of gaps and of freed blocks lie side by side. */
START_TEST(small_blocks_with_churn_are_freed_in_the_end)
{
    static struct churned blocks[3000];
    for (int way = 0; way < 6; way++) {
        memset(blocks, 0, sizeof blocks);
        model_random = 17 + (uint64_t)way;
        uintptr_t cursor = hot.cursor;
        unsigned char *first = filled(8, 1);
        churn(blocks, COUNT(blocks), way % 2 ? 24 : 120, 10);
        for (size_t i = 0; i < COUNT(blocks); i++) {
            size_t k = way < 2 ? i : way < 4 ? COUNT(blocks) - 1 - i : below(COUNT(blocks));
            if (!blocks[k].block)
                continue;
            require(holds_only(blocks[k].block, blocks[k].size, blocks[k].byte));
            t_free(blocks[k].block);
            blocks[k].block = NULL;
            require(hot.cursor >= cursor && hot.cursor < hot.thread->memory_end);
            if (i % 16 == 0) { /* and drawn from in between */
                unsigned char *between = filled(40, 9);
                t_free(between);
            }
        }
        ck_assert(holds_only(first, 8, 1));
        end_and_begin();
    }
}
END_TEST

/* A gap that no request fits in, whose first block takes 16 bytes. */
START_TEST(the_cursor_steps_back_over_gaps)
{
    if (track_active())
        return; /* addresses are not used again */
    enum { GAPS = 150 };
    unsigned char *tiny[GAPS], *behind[GAPS], *between[GAPS];
    unsigned char *first = filled(8, 1);
    uintptr_t cursor = hot.cursor;
    for (int i = 0; i < GAPS; i++) {
        tiny[i] = filled(8, 2);
        behind[i] = filled(200, 3);
        between[i] = filled(100, 4);
    }
    for (int i = 0; i < GAPS; i++) {
        t_free(tiny[i]);
        t_free(behind[i]);
    }
    unsigned char *large = filled(CAPACITY, 5); /* sweeps */
    t_free(large);
    for (int i = GAPS; i-- > 0;) {
        ck_assert(holds_only(between[i], 100, 4));
        t_free(between[i]);
        ck_assert_uint_ge(hot.cursor, cursor);
        ck_assert_uint_le(hot.cursor, (uintptr_t)between[i]);
    }
    ck_assert(fixed.checked || hot.cursor == cursor);
    ck_assert(holds_only(first, 8, 1));
}
END_TEST

START_TEST(gaps_are_bumped_through)
{
    enum { BLOCKS = 100 };
    unsigned char *blocks[BLOCKS], *again[BLOCKS];
    if (fixed.checked)
        return;
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = filled(600, i);
    for (int i = 0; i < BLOCKS; i += 2)
        t_free(blocks[i]);
    uint64_t overflows = site_named("drop").overflows;
    for (int i = 0; i < BLOCKS / 2; i++) { /* 30,000 bytes, where 4,000 are left at the top */
        again[i] = t_calloc(1, 500);
        ck_assert(holds_only(again[i], 500, 0));
        memset(again[i], 0xee, t_usable(again[i]));
    }
    stats_now();
    ck_assert_uint_eq(site_named("drop").overflows, overflows);
    for (int i = 1; i < BLOCKS; i += 2)
        ck_assert(holds_only(blocks[i], 600, (unsigned char)i));
    for (int i = 0; i < BLOCKS / 2; i++)
        t_free(again[i]);
    for (int i = 1; i < BLOCKS; i += 2) {
        ck_assert(holds_only(blocks[i], 600, (unsigned char)i));
        t_free(blocks[i]);
    }
}
END_TEST

/* Fills the capacity with blocks of 600 bytes of which every other is free, and enters a gap. */
static unsigned char *enter_gap(unsigned char **blocks, int count)
{
    for (int i = 0; i < count; i++)
        blocks[i] = filled(600, i);
    while (hot.cursor + 640 < hot.thread->capacity_end)
        filled(600, 0);
    for (int i = 0; i < count; i += 2)
        t_free(blocks[i]);
    unsigned char *drawn = filled(80, 0xdd);
    drawn = hot.thread->gap_top ? drawn : filled(500, 0xdd);
    require(hot.thread->gap_top != 0);
    return drawn;
}

START_TEST(in_a_gap_everything_else_goes_on)
{
    enum { BLOCKS = 60 };
    unsigned char *blocks[BLOCKS];
    if (fixed.checked)
        return;
    unsigned char *drawn = enter_gap(blocks, BLOCKS);
    uintptr_t top = hot.thread->gap_top;
    /* A block above the gap, one in it, one below. */
    uint64_t freed = stats_now()->freed;
    t_free(blocks[BLOCKS - 1]);
    drawn = t_realloc(drawn, 60);
    ck_assert(holds_only(drawn, 60, 0xdd));
    unsigned char *grown = t_realloc(blocks[3], 700);
    ck_assert(holds_only(grown, 600, 3));
    ck_assert_uint_eq(stats_now()->freed, freed + 2);
    /* An inner scope lies above everything. */
    arena_scope_token inner = begin("inner");
    unsigned char *inside = filled(100, 1);
    ck_assert_uint_ge((uintptr_t)inside, top);
    arena_scope_end(inner);
    unsigned char *next = filled(100, 2);
    ck_assert_uint_ge((uintptr_t)next, top);
    for (int i = 5; i < BLOCKS - 1; i += 2)
        ck_assert(holds_only(blocks[i], 600, (unsigned char)i));
    ck_assert(holds_only(drawn, 60, 0xdd) && holds_only(grown, 600, 3));
    end_and_begin();
}
END_TEST

START_TEST(a_scope_may_end_in_a_gap)
{
    enum { BLOCKS = 60 };
    unsigned char *blocks[BLOCKS];
    if (fixed.checked)
        return;
    uintptr_t start = hot.cursor;
    enter_gap(blocks, BLOCKS);
    end_and_begin();
    ck_assert_uint_eq(hot.cursor, start);
    ck_assert_uint_eq(hot.thread->gap_top, 0);
    unsigned char *zeroed = t_calloc(1, CAPACITY - 4096);
    ck_assert(holds_only(zeroed, CAPACITY - 4096, 0));

    end_and_begin();
    arena_scope_token inner = begin("inner"); /* that has gaps of its own */
    unsigned char *outside = NULL;
    enter_gap(blocks, BLOCKS);
    arena_scope_pause();
    outside = t_malloc(10);
    ck_assert(!block_is_ours(outside));
    t_free(outside);
    arena_scope_resume();
    filled(20, 1);
    arena_scope_end(outer); /* the inner one is left open */
    outer = begin("drop");
    ck_assert_uint_eq(hot.cursor, start);
    (void)inner;
}
END_TEST

START_TEST(gaps_of_the_outer_scope_are_not_an_inner_ones)
{
    enum { BLOCKS = 60 };
    unsigned char *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = filled(600, i);
    for (int i = 0; i < BLOCKS; i += 2)
        t_free(blocks[i]);
    uintptr_t top = hot.cursor;
    arena_scope_token inner = begin("inner");
    for (int i = 0; i < 200; i++)
        ck_assert_uint_ge((uintptr_t)filled(500, 0xee), top);
    arena_scope_end(inner);
    for (int i = 1; i < BLOCKS; i += 2)
        ck_assert(holds_only(blocks[i], 600, (unsigned char)i));
}
END_TEST

/* ---- growing --------------------------------------------------------------------------------- */

/* Two buffers that grow in turn: neither is the newest. Copying each whole at each step would move
 * a gigabyte. */
START_TEST(two_buffers_that_grow_in_turn_are_copied_in_linear_time)
{
    unsigned char *buffers[2] = {filled(10, 1), filled(10, 2)};
    uint64_t copied = 0;
    size_t size = 10;
    for (; size < 512 * KIB; size += 64)
        for (int i = 0; i < 2; i++) {
            unsigned char *grown = t_realloc(buffers[i], size);
            if (grown != buffers[i])
                copied += size;
            buffers[i] = grown;
            ck_assert_uint_eq(grown[5], i + 1);
            memset(grown, i + 1, size);
        }
    ck_assert(holds_only(buffers[0], size - 64, 1) && holds_only(buffers[1], size - 64, 2));
    ck_assert(fixed.checked || copied < 10 * size);
    t_free(buffers[0]); /* a checker's arena, which uses nothing twice, is full by then */
    t_free(buffers[1]);
    end_and_begin();
    ck_assert(fixed.checked || arena_bytes() < 8 * size);
}
END_TEST

/* The room to grow is not asked for where the size itself is all that fits. */
START_TEST(a_growing_block_takes_what_is_left)
{
    static const enum overflow_policy policies[] = {OVERFLOW_ERROR, OVERFLOW_FALLBACK,
                                                    OVERFLOW_GROW, OVERFLOW_ABORT};
    if (fixed.checked)
        return;
    for (size_t i = 0; i < COUNT(policies); i++) {
        fixed.config.overflow = policies[i];
        end_and_begin();
        unsigned char *block = filled(20000, 1);
        filled(40, 2);
        filled(hot.thread->capacity_end - hot.cursor - 25000, 3);
        stats_now();
        uint64_t overflows = site_named("drop").overflows;
        unsigned char *grown = t_realloc(block, 21000);
        ck_assert(grown && block_is_ours(grown) && holds_only(grown, 20000, 1));
        stats_now();
        ck_assert_uint_eq(site_named("drop").overflows, overflows);
    }
}
END_TEST

/* ---- suite ----------------------------------------------------------------------------------- */

static TCase *group(Suite *suite, const char *name)
{
    TCase *tcase = tcase_create(name);
    tcase_add_checked_fixture(tcase, open_scope, close_scope);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    return tcase;
}

static Suite *drop_suite(void)
{
    Suite *suite = suite_create("drop");
    TCase *back = group(suite, "stepping back");
    start_once();
    if (!fixed.checked) {
        tcase_add_test(back, the_cursor_steps_back_over_blocks_freed_in_any_order);
        tcase_add_test(back, after_stepping_back_headers_are_fresh);
        tcase_add_test(back, a_block_resized_where_it_lies_keeps_what_is_free_in_front);
    }
    tcase_add_test(back, room_in_front_of_an_aligned_block_is_free_too);
    tcase_add_test(back, an_outer_scopes_blocks_are_a_boundary);

    TCase *sweeping = group(suite, "sweep");
    tcase_add_test(sweeping, a_scope_with_churn_holds_about_twice_what_is_alive);
    tcase_add_test(sweeping, small_blocks_with_churn_are_freed_in_the_end);
    tcase_add_test(sweeping, the_cursor_steps_back_over_gaps);
    tcase_add_test(sweeping, gaps_are_bumped_through);
    tcase_add_test(sweeping, in_a_gap_everything_else_goes_on);
    tcase_add_test(sweeping, a_scope_may_end_in_a_gap);
    tcase_add_test(sweeping, gaps_of_the_outer_scope_are_not_an_inner_ones);

    TCase *growing = group(suite, "growing");
    tcase_add_test(growing, two_buffers_that_grow_in_turn_are_copied_in_linear_time);
    tcase_add_test(growing, a_growing_block_takes_what_is_left);
    return suite;
}

int main(int argc, char **argv)
{
    static const struct fresh cases[] = {{NULL, NULL}};
    return run_suite(drop_suite, cases, argc, argv);
}
