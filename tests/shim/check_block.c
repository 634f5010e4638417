/*
 * Unit tests of block.h: the routing table of the design row by row, alignments, sizes, zeroing,
 * resizing in place, frees of every kind of pointer, the overflow policies, and what goes back to
 * the kernel after the outermost scope.
 *
 * Under a checker addresses do not come again before the arena is used up, and blocks have the
 * exact size asked for: what a test says about addresses holds without one (`plain`).
 */
#include "harness.h"

enum { CAPACITY = 64 * 1024, LIMIT = 1024 * 1024 };

static bool plain;
static arena_scope_token outer;

/* Fixture: routing, with an empty arena and one scope open. */
static void start_once(void)
{
    static bool started;
    if (!started)
        routing_start(CAPACITY, LIMIT, 16);
    started = true;
    plain = !track_active();
    fixed.config.overflow = OVERFLOW_GROW;
}

static void open_scope(void)
{
    start_once();
    outer = begin("block");
}

static void close_scope(void)
{
    arena_scope_end(outer);
    ck_assert_uint_eq(hot.cursor, 0);
}

/* A block of the arena that holds `byte`. */
static unsigned char *filled(size_t size, int byte)
{
    unsigned char *block = t_malloc(size);
    require(block && block_is_ours(block));
    return memset(block, byte, size);
}

static uint64_t live_before(void)
{
    return stats_now()->freed;
}

/* ---- which calls are routed ------------------------------------------------------------------ */

START_TEST(outside_scopes_calls_go_on)
{
    arena_scope_end(outer);
    void *block = t_malloc(10);
    ck_assert(block && !block_is_ours(block));
    t_free(block);
    outer = begin("block");
}
END_TEST

START_TEST(in_a_scope_every_form_is_routed)
{
    ck_assert(block_is_ours(t_malloc(10)));
    ck_assert(block_is_ours(t_calloc(2, 10)));
    ck_assert(block_is_ours(t_realloc(NULL, 10)));
    ck_assert(block_is_ours(t_memalign(64, 10)));
}
END_TEST

START_TEST(calls_of_other_modules_go_on)
{
    uint64_t before = stats_now()->not_participating;
    void *block = t_malloc_from(other_caller(), 10);
    ck_assert(block && !block_is_ours(block));
    t_free(block);
    ck_assert_uint_eq(stats_now()->not_participating, before + 1);
    ck_assert(block_is_ours(t_malloc(10)));
}
END_TEST

START_TEST(calls_from_no_module_go_on)
{
    uint64_t before = stats_now()->unknown;
    int local;
    void *block = t_malloc_from((uintptr_t)&local, 10);
    ck_assert(block && !block_is_ours(block));
    t_free(block);
    ck_assert_uint_eq(stats_now()->unknown, before + 1);
}
END_TEST

START_TEST(calls_in_a_pause_go_on)
{
    uint64_t before = stats_now()->paused;
    arena_scope_pause();
    void *block = t_malloc(10);
    void *zeroed = t_calloc(1, 10);
    arena_scope_resume();
    ck_assert(!block_is_ours(block) && !block_is_ours(zeroed));
    ck_assert_uint_eq(stats_now()->paused, before + 2);
    t_free(block);
    t_free(zeroed);
}
END_TEST

/* ---- free ------------------------------------------------------------------------------------ */

START_TEST(free_of_the_newest_steps_back)
{
    filled(32, 1);
    uintptr_t cursor = hot.cursor;
    unsigned char *newest = filled(100, 2);
    t_free(newest);
    if (plain) {
        ck_assert_uint_eq(hot.cursor, cursor);
        ck_assert_ptr_eq(t_malloc(5), newest);
    }
}
END_TEST

START_TEST(free_of_an_older_block_keeps_its_place)
{
    unsigned char *older = filled(48, 1);
    unsigned char *newer = filled(48, 2);
    uintptr_t cursor = hot.cursor;
    t_free(older);
    ck_assert_uint_eq(hot.cursor, cursor);
    ck_assert_ptr_ne(t_malloc(48), older);
    ck_assert(holds_only(newer, 48, 2));
}
END_TEST

START_TEST(frees_of_the_owner_are_counted)
{
    uint64_t before = live_before();
    void *older = t_malloc(8);
    void *newest = t_malloc(8);
    t_free(older);
    t_free(newest);
    ck_assert_uint_eq(stats_now()->freed, before + 2);
}
END_TEST

START_TEST(free_of_an_outer_block_in_an_inner_scope)
{
    unsigned char *older = filled(32, 1);
    unsigned char *newest = filled(32, 2); /* just below the inner scope's first block */
    uint64_t before = live_before();
    arena_scope_token inner = begin("inner");
    uintptr_t cursor = hot.cursor;
    t_free(older);
    t_free(newest);
    ck_assert_uint_eq(hot.cursor, cursor);
    unsigned char *inside = filled(32, 3);
    ck_assert(inside > newest);
    ck_assert_uint_eq(stats_now()->freed, before + 2);
    arena_scope_end(inner);
    ck_assert(hot.cursor == cursor);
}
END_TEST

START_TEST(free_of_a_foreign_block_in_a_scope)
{
    void *foreign = fixed.next.malloc(50);
    uint64_t freed = stats_now()->freed;
    uint64_t ignored = stats_now()->ignored_frees;
    t_free(foreign); /* a leak checker sees whether it arrived */
    t_free(NULL);
    ck_assert_uint_eq(stats_now()->freed, freed);
    ck_assert_uint_eq(stats_now()->ignored_frees, ignored);
}
END_TEST

static void *free_it(void *block)
{
    t_free(block);
    return NULL;
}

static void *free_it_in_a_scope(void *block)
{
    arena_scope_token token = begin("other thread");
    t_malloc(10);
    t_free(block);
    arena_scope_end(token);
    return NULL;
}

START_TEST(free_in_another_thread_does_nothing_but_count)
{
    unsigned char *block = filled(32, 1);
    uintptr_t cursor = hot.cursor;
    uint64_t before = stats_now()->ignored_frees;
    in_thread(free_it, block);
    in_thread(free_it_in_a_scope, block);
    ck_assert_uint_eq(stats_now()->ignored_frees, before + 2);
    ck_assert_uint_eq(hot.cursor, cursor);
    ck_assert(holds_only(block, 32, 1));
    t_free(block); /* it was not taken for freed */
    ck_assert_uint_eq(misuse_count(), stats_now()->misuses);
}
END_TEST

START_TEST(free_after_the_scope_does_nothing_but_count)
{
    void *block = filled(32, 1);
    arena_scope_end(outer);
    uint64_t before = stats_now()->ignored_frees;
    errno = ERANGE;
    t_free(block);
    ck_assert_int_eq(errno, ERANGE);
    ck_assert_uint_eq(stats_now()->ignored_frees, before + 1);
    outer = begin("block");
}
END_TEST

START_TEST(free_of_a_stale_pointer_in_a_later_scope)
{
    t_malloc(500);
    void *stale = filled(32, 1);
    arena_scope_end(outer);
    outer = begin("block"); /* its cursor lies below the stale pointer */
    uintptr_t cursor = hot.cursor;
    uint64_t before = stats_now()->ignored_frees;
    t_free(stale);
    ck_assert_uint_eq(stats_now()->ignored_frees, before + 1);
    ck_assert_uint_eq(hot.cursor, cursor);
}
END_TEST

static const char *said_by_freeing(void *block)
{
    static struct capture capture;
    capture_start(&capture);
    errno = ERANGE;
    checker_silence(true);
    t_free(block);
    checker_silence(false);
    const char *said = capture_end(&capture);
    require(errno == ERANGE);
    return said;
}

static void free_older_block_twice(void)
{
    char line[160];
    start_once();
    begin("misuse");
    void *older = filled(32, 1);
    void *newer = filled(32, 2);
    filled(32, 3);
    t_free(older);
    uint64_t freed = stats_now()->freed;
    snprintf(line, sizeof line,
             "arenashim: double free of scope memory at %p; ignored (further ones are only "
             "counted)\n",
             older);
    require(strcmp(said_by_freeing(older), line) == 0);
    require(misuse_count() == 1);
    require(strcmp(said_by_freeing(older), "") == 0);
    require(misuse_count() == 2);
    t_free(newer);
    said_by_freeing(older); /* what is behind it is free, too */
    require(misuse_count() == 3);
    require(stats_now()->freed == freed + 1);
}

START_TEST(a_double_free_is_one_line_and_counted_once_each)
{
    ck_assert_fresh("free_older_block_twice");
}
END_TEST

static void free_outer_block_twice(void)
{
    start_once();
    begin("misuse");
    void *block = filled(32, 1);
    begin("inner");
    t_free(block);
    require(strstr(said_by_freeing(block), "double free"));
    require(misuse_count() == 1);
}

START_TEST(a_double_free_of_an_outer_block)
{
    ck_assert_fresh("free_outer_block_twice");
}
END_TEST

static void free_inside_a_block(void)
{
    char line[160];
    start_once();
    begin("misuse");
    unsigned char *block = filled(64, 0);
    filled(16, 3);
    uintptr_t cursor = hot.cursor;
    uint64_t freed = stats_now()->freed;
    snprintf(line, sizeof line,
             "arenashim: free of a pointer into scope memory that is not a block, %p; ignored "
             "(further ones are only counted)\n",
             (void *)(block + 16));
    require(strcmp(said_by_freeing(block + 16), line) == 0);
    checker_silence(true); /* it takes what was looked at for a header from now on */
    memset(block, 0x77, 64);
    said_by_freeing(block + 32); /* a size that is not one */
    memset(block, 0xff, 64);
    said_by_freeing(block + 32);
    require(misuse_count() == 3);
    require(hot.cursor == cursor && stats_now()->freed == freed);
    require(holds_only(block, 64, 0xff));
    checker_silence(false);
}

START_TEST(free_inside_a_block_is_one_line)
{
    ck_assert_fresh("free_inside_a_block");
}
END_TEST

/* ---- realloc --------------------------------------------------------------------------------- */

START_TEST(the_newest_grows_in_place)
{
    unsigned char *block = filled(40, 1);
    size_t usable = t_usable(block);
    uint64_t bytes = hot.bytes;
    unsigned char *grown = t_realloc(block, 4000);
    if (plain) {
        ck_assert_ptr_eq(grown, block);
        ck_assert_uint_eq(hot.bytes, bytes + 4000 - usable);
    }
    ck_assert_uint_ge(t_usable(grown), 4000);
    ck_assert(holds_only(grown, 40, 1));
    memset(grown, 2, 4000);
    unsigned char *next = filled(16, 3);
    ck_assert(next >= grown + 4000);
    ck_assert(holds_only(grown, 4000, 2));
}
END_TEST

START_TEST(the_newest_shrinks_in_place_and_gives_back)
{
    unsigned char *block = filled(4000, 1);
    ck_assert_ptr_eq(t_realloc(block, 40), block);
    ck_assert_uint_ge(t_usable(block), 40);
    unsigned char *next = filled(16, 2);
    if (plain)
        ck_assert(next < block + 100);
    ck_assert(holds_only(block, 40, 1));
    ck_assert(next >= block + t_usable(block));
}
END_TEST

START_TEST(an_older_block_shrinks_in_place)
{
    unsigned char *older = filled(400, 1);
    unsigned char *newer = filled(16, 2);
    ck_assert_ptr_eq(t_realloc(older, 40), older);
    ck_assert(holds_only(older, 40, 1) && holds_only(newer, 16, 2));
}
END_TEST

START_TEST(an_older_block_moves_to_grow)
{
    unsigned char *older = filled(40, 1);
    size_t usable = t_usable(older);
    memset(older, 1, usable);
    unsigned char *newer = filled(400, 2);
    t_free(filled(600, 7));
    uint64_t freed = stats_now()->freed;
    unsigned char *moved = t_realloc(older, 200);
    ck_assert(moved > newer && block_is_ours(moved));
    ck_assert(holds_only(moved, usable, 1));
    if (plain) /* what was there: not a byte behind the old block was copied */
        ck_assert(holds_only(moved + usable, 200 - usable, 7));
    ck_assert(holds_only(newer, 400, 2));
    ck_assert_uint_eq(stats_now()->freed, freed + 1);
}
END_TEST

START_TEST(reallocs_in_place_are_calls_too)
{
    unsigned char *block = filled(40, 1);
    uint64_t before = stats_routed_calls(stats_now());
    block = t_realloc(block, 20);
    block = t_realloc(block, 2000);
    filled(8, 1);
    block = t_realloc(block, 5000);
    ck_assert_uint_eq(stats_routed_calls(stats_now()), before + 4);
}
END_TEST

static void *shrink_it_in_a_scope(void *block)
{
    arena_scope_token token = begin("other thread");
    require(t_realloc(block, 20) == block);
    arena_scope_end(token);
    return NULL;
}

START_TEST(a_realloc_of_anothers_block_in_place_is_a_call_too)
{
    unsigned char *block = filled(40, 1);
    uint64_t before = stats_routed_calls(stats_now());
    in_thread(shrink_it_in_a_scope, block);
    ck_assert_uint_eq(stats_routed_calls(stats_now()), before + 1);
    ck_assert(holds_only(block, 20, 1));
}
END_TEST

START_TEST(realloc_to_0_frees)
{
    unsigned char *block = filled(40, 1);
    t_free(filled(4000, 2));
    uint64_t before = stats_now()->freed;
    ck_assert_ptr_null(t_realloc(block, 0));
    ck_assert_uint_eq(stats_now()->freed, before + 1);
    block = filled(40, 1);
    t_free(filled(4000, 2)); /* so that nothing is to be noted before it shrinks */
    ck_assert_ptr_null(t_realloc(block, 0));
}
END_TEST

START_TEST(a_foreign_block_stays_foreign)
{
    arena_scope_pause();
    unsigned char *foreign = t_malloc(40);
    arena_scope_resume();
    memset(foreign, 1, 40);
    foreign = t_realloc(foreign, 4000);
    ck_assert(!block_is_ours(foreign));
    ck_assert(holds_only(foreign, 40, 1));
    t_free(foreign);
}
END_TEST

/* Reallocates a block of the arena in a way that is not routed. */
static void check_unrouted(unsigned char *moved, uint64_t freed_before)
{
    ck_assert(moved && !block_is_ours(moved));
    ck_assert(holds_only(moved, 40, 1));
    ck_assert_uint_eq(stats_now()->freed, freed_before + 1);
    t_free(moved);
}

START_TEST(realloc_in_a_pause_moves_out)
{
    unsigned char *block = filled(40, 1);
    uint64_t freed = stats_now()->freed;
    arena_scope_pause();
    unsigned char *moved = t_realloc(block, 400);
    arena_scope_resume();
    check_unrouted(moved, freed);
}
END_TEST

START_TEST(realloc_by_another_module_moves_out)
{
    unsigned char *block = filled(40, 1);
    uint64_t freed = stats_now()->freed;
    check_unrouted(t_realloc_from(other_caller(), block, 400), freed);
}
END_TEST

START_TEST(realloc_that_shrinks_moves_out_as_well)
{
    unsigned char *block = filled(400, 1);
    uint64_t freed = stats_now()->freed;
    check_unrouted(t_realloc_from(other_caller(), block, 40), freed);
}
END_TEST

static void *grow_it(void *block)
{
    return t_realloc(block, 400);
}

static void *grow_it_in_a_scope(void *block)
{
    arena_scope_token token = begin("other thread");
    unsigned char *grown = t_realloc(block, 400);
    require(block_is_ours(grown) && (void *)grown != block);
    require(holds_only(grown, 40, 1));
    arena_scope_end(token);
    return NULL;
}

START_TEST(realloc_in_another_thread)
{
    unsigned char *block = filled(40, 1);
    unsigned char *moved = in_thread(grow_it, block);
    ck_assert(!block_is_ours(moved) && holds_only(moved, 40, 1));
    t_free(moved);
    in_thread(grow_it_in_a_scope, block);
    ck_assert(holds_only(block, 40, 1));
}
END_TEST

/* The newest block of an outer scope must not grow into the inner one: what lies there is gone
 * when the inner scope ends. */
START_TEST(the_outer_newest_does_not_grow_in_place_in_an_inner_scope)
{
    unsigned char *block = filled(40, 1);
    arena_scope_token inner = begin("inner");
    unsigned char *grown = t_realloc(block, 400);
    ck_assert(holds_only(grown, 40, 1));
    memset(grown, 4, 400);
    unsigned char *second = filled(40, 2);
    ck_assert(holds_only(grown, 400, 4) && holds_only(second, 40, 2));
    arena_scope_end(inner);
    unsigned char *after = filled(400, 3);
    if (plain)
        ck_assert(after >= block + 40);
    checker_silence(true);
    ck_assert(holds_only(block, 40, 1)); /* where it was, untouched */
    checker_silence(false);
}
END_TEST

START_TEST(the_outer_newest_shrinks_in_an_inner_scope_without_overlap)
{
    unsigned char *block = filled(400, 1);
    arena_scope_token inner = begin("inner");
    ck_assert_ptr_eq(t_realloc(block, 40), block);
    unsigned char *inside = filled(40, 2);
    ck_assert(holds_only(block, 40, 1));
    arena_scope_end(inner);
    unsigned char *after = filled(400, 3);
    ck_assert(holds_only(block, 40, 1));
    ck_assert(after >= block + 40 && inside >= block + 40);
}
END_TEST

START_TEST(a_failed_realloc_changes_nothing)
{
    static const size_t sizes[] = {SIZE_MAX, (size_t)PTRDIFF_MAX + 1, PTRDIFF_MAX};
    t_free(filled(4000, 2)); /* so that nothing is to be noted before it shrinks */
    unsigned char *block = filled(40, 1);
    uintptr_t cursor = hot.cursor;
    for (size_t i = 0; i < 3; i++) {
        errno = 0;
        ck_assert_ptr_null(t_realloc(block, sizes[i]));
        ck_assert_int_eq(errno, ENOMEM);
    }
    ck_assert_uint_eq(hot.cursor, cursor);
    ck_assert(holds_only(block, 40, 1));
    t_free(block);
}
END_TEST

/* ---- usable size ----------------------------------------------------------------------------- */

START_TEST(every_usable_byte_is_the_callers)
{
    unsigned char *blocks[200];
    for (size_t size = 0; size < COUNT(blocks); size++) {
        blocks[size] = t_malloc(size);
        ck_assert_uint_ge(t_usable(blocks[size]), size > 0 ? size : 1);
        if (!plain && size > 0)
            ck_assert_uint_eq(t_usable(blocks[size]), size);
        memset(blocks[size], (int)size, t_usable(blocks[size]));
    }
    for (size_t size = 0; size < COUNT(blocks); size++)
        ck_assert(holds_only(blocks[size], t_usable(blocks[size]), (unsigned char)size));
}
END_TEST

START_TEST(a_freed_block_tells_no_other_size)
{
    unsigned char *block = filled(40, 1);
    size_t usable = t_usable(block);
    filled(8, 2);
    t_free(block);
    ck_assert_uint_eq(t_usable(block), usable);
}
END_TEST

/* ---- alignment ------------------------------------------------------------------------------- */

START_TEST(every_power_of_two)
{
    unsigned char *blocks[24];
    size_t count = 0;
    for (size_t alignment = 16; alignment <= 65536; alignment *= 2) {
        filled(24, 9);
        blocks[count] = t_memalign(alignment, 48);
        ck_assert(block_is_ours(blocks[count]));
        ck_assert(is_aligned(blocks[count], alignment));
        ck_assert_uint_ge(t_usable(blocks[count]), 48);
        memset(blocks[count], (int)count, t_usable(blocks[count]));
        count++;
    }
    for (size_t i = 0; i < count; i++)
        ck_assert(holds_only(blocks[i], t_usable(blocks[i]), (unsigned char)i));
}
END_TEST

START_TEST(padding_is_not_charged_twice)
{
    uintptr_t first = (uintptr_t)t_memalign(4096, 16);
    t_free((void *)first);
    if (plain)
        ck_assert_uint_eq((uintptr_t)t_memalign(4096, 16), first);
}
END_TEST

START_TEST(absurd_alignments_are_refused)
{
    if (track_emulated())
        return; /* valgrind would crash */
    errno = 0;
    ck_assert_ptr_null(t_memalign((size_t)1 << 62, (size_t)1 << 62));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert(block_is_ours(t_malloc(1)));
}
END_TEST

static void check_align_64(void)
{
    plain = !track_active();
    routing_start(CAPACITY, LIMIT, 64);
    begin("aligned");
    unsigned char *blocks[300];
    for (size_t i = 0; i < COUNT(blocks); i++) {
        size_t size = i * 7 % 200;
        blocks[i] = i % 4 == 0   ? t_malloc(size)
                    : i % 4 == 1 ? t_calloc(1, size)
                    : i % 4 == 2 ? t_realloc(NULL, size)
                                 : t_memalign(32, size);
        require(block_is_ours(blocks[i]) && is_aligned(blocks[i], 64));
        memset(blocks[i], (int)i, t_usable(blocks[i]));
        if (i % 5 == 0) {
            t_free(blocks[i]);
            blocks[i] = t_malloc(size);
            require(is_aligned(blocks[i], 64));
            memset(blocks[i], (int)i, t_usable(blocks[i]));
        }
    }
    for (size_t i = 0; i < COUNT(blocks); i++)
        require(holds_only(blocks[i], t_usable(blocks[i]), (unsigned char)i));
    for (size_t size = 1000; size > 0; size -= 100) {
        void *shrunk = t_realloc(t_malloc(2000), size);
        require(is_aligned(shrunk, 64) && is_aligned(t_malloc(3), 64));
    }
    fixed.config.overflow = OVERFLOW_FALLBACK;
    for (int i = 0; i < 20; i++) {
        unsigned char *outside = i % 2 ? t_malloc(LIMIT) : t_calloc(1, LIMIT);
        require(!block_is_ours(outside) && is_aligned(outside, 64));
        if (i % 2 == 0)
            require(holds_only(outside, 4096, 0));
        t_free(outside);
    }
    void *kept = arena_scope_keep(t_malloc(100));
    require(!block_is_ours(kept) && is_aligned(kept, 64));
    t_free(kept);
}

START_TEST(the_floor_of_alignments)
{
    ck_assert_fresh("check_align_64");
}
END_TEST

/* ---- sizes ----------------------------------------------------------------------------------- */

START_TEST(blocks_of_size_0_are_unique)
{
    unsigned char *a = t_malloc(0);
    unsigned char *b = t_malloc(0);
    unsigned char *c = t_calloc(0, 8);
    ck_assert(a && b && c && a != b && b != c);
    ck_assert_uint_gt(t_usable(a), 0);
    *a = *b = *c = 1;
}
END_TEST

static const size_t impossible[] = {PTRDIFF_MAX - 15, PTRDIFF_MAX,  (size_t)PTRDIFF_MAX + 1,
                                    SIZE_MAX - 64,    SIZE_MAX - 8, SIZE_MAX - 1,
                                    SIZE_MAX};

START_TEST(impossible_sizes_fail_and_change_nothing)
{
    static const enum overflow_policy policies[] = {OVERFLOW_GROW, OVERFLOW_FALLBACK,
                                                    OVERFLOW_ERROR};
    size_t size = impossible[_i];
    unsigned char *block = filled(16, 1);
    uintptr_t cursor = hot.cursor;
    for (size_t i = 0; i < COUNT(policies); i++) {
        fixed.config.overflow = policies[i];
        errno = 0;
        ck_assert_ptr_null(t_malloc(size));
        ck_assert_int_eq(errno, ENOMEM);
        errno = 0;
        ck_assert_ptr_null(t_calloc(1, size));
        ck_assert_int_eq(errno, ENOMEM);
        errno = 0;
        ck_assert_ptr_null(t_memalign(64, size));
        ck_assert_int_eq(errno, ENOMEM);
    }
    ck_assert_uint_eq(hot.cursor, cursor);
    ck_assert(holds_only(block, 16, 1));
}
END_TEST

START_TEST(products_that_overflow_fail)
{
    errno = 0;
    ck_assert_ptr_null(t_calloc(SIZE_MAX / 2 + 2, 2));
    ck_assert_int_eq(errno, ENOMEM);
}
END_TEST

START_TEST(the_last_byte_of_the_capacity)
{
    uint64_t before = stats_now()->all_sites.overflows;
    size_t room = hot.thread->capacity_end - hot.cursor;
    if (!plain)
        return;
    size_t largest = (room & ~(size_t)15) - BLOCK_HEADER;
    void *block = t_malloc(largest);
    memset(block, 1, largest);
    ck_assert_uint_eq(stats_now()->all_sites.overflows, before);
    t_free(block);
    t_malloc(largest + 1);
    ck_assert_uint_eq(stats_now()->all_sites.overflows, before + 1);
}
END_TEST

/* ---- zeroing --------------------------------------------------------------------------------- */

/* Fails when a calloc of `size` bytes here gives anything but zeroes, in all that may be used of
 * it; leaves it dirty. */
static void *check_zeroed(size_t size)
{
    unsigned char *block = t_calloc(1, size);
    require(block && t_usable(block) >= size && holds_only(block, t_usable(block), 0));
    return memset(block, 0xee, t_usable(block));
}

START_TEST(zeroed_to_the_end_of_what_may_be_used)
{
    for (size_t size = 1; size < 5000; size += 7) {
        void *block = check_zeroed(size);
        t_free(block);
        t_free(check_zeroed(size));
    }
    t_free(memset(t_malloc(3 * CAPACITY), 0xee, 3 * CAPACITY));
    t_free(check_zeroed(2 * CAPACITY + 1));
}
END_TEST

START_TEST(zeroed_after_the_newest_was_freed)
{
    t_free(filled(3000, 0xff));
    check_zeroed(3000);
}
END_TEST

START_TEST(zeroed_where_a_block_was_larger)
{
    t_realloc(filled(3000, 0xff), 20);
    check_zeroed(3000);
}
END_TEST

START_TEST(zeroed_where_a_block_grew_in_place)
{
    unsigned char *block = t_realloc(filled(30, 1), 9000);
    memset(block, 0xff, 9000);
    t_free(block);
    check_zeroed(9000);
}
END_TEST

START_TEST(zeroed_where_an_inner_scope_was)
{
    arena_scope_token inner = begin("inner");
    filled(5000, 0xff);
    arena_scope_end(inner);
    check_zeroed(5000);
}
END_TEST

START_TEST(zeroed_where_an_inner_block_grew)
{
    filled(10, 1);
    arena_scope_token inner = begin("inner");
    unsigned char *block = t_realloc(filled(30, 1), 12000);
    memset(block, 0xff, 12000);
    arena_scope_end(inner);
    check_zeroed(12000);
}
END_TEST

START_TEST(zeroed_where_an_earlier_scope_was)
{
    filled(20000, 0xff);
    arena_scope_end(outer);
    outer = begin("block");
    check_zeroed(10000);
    check_zeroed(20000);
}
END_TEST

START_TEST(zeroed_past_the_capacity_and_again_after_the_trim)
{
    check_zeroed(500 * KIB);
    arena_scope_end(outer);
    outer = begin("block");
    check_zeroed(500 * KIB);
    t_free(check_zeroed(100 * KIB));
    check_zeroed(100 * KIB);
}
END_TEST

START_TEST(zeroed_half_in_used_memory)
{
    t_free(filled(1000, 0xff));
    check_zeroed(30000);
}
END_TEST

START_TEST(zeroed_with_an_alignment)
{
    struct request request = {
        .size = 5000, .alignment = 4096, .zeroed = true, .caller = marked_caller()};
    t_free(filled(20000, 0xff));
    unsigned char *block = block_serve(&request);
    ck_assert(is_aligned(block, 4096) && holds_only(block, 5000, 0));
}
END_TEST

START_TEST(zeroed_by_the_next_allocator)
{
    fixed.config.overflow = OVERFLOW_FALLBACK;
    void *dirty = fixed.next.malloc(70000);
    memset(dirty, 0xff, 70000);
    fixed.next.free(dirty);
    unsigned char *block = t_calloc(1, 70000);
    ck_assert(!block_is_ours(block));
    ck_assert(holds_only(block, 70000, 0));
    t_free(block);
}
END_TEST

/* A large calloc costs no more memory than what the program touches of it. */
static void calloc_untouched_memory(void)
{
    static unsigned char resident[LIMIT / 4096];
    size_t pages = 0;
    start_once();
    begin("untouched");
    unsigned char *block = t_calloc(1, 500 * KIB);
    uintptr_t start = ((uintptr_t)block + 4095) & ~(uintptr_t)4095;
    require(mincore((void *)start, 496 * KIB, resident) == 0);
    for (size_t i = 0; i < 496 * KIB / 4096; i++)
        pages += resident[i] & 1;
    require(pages == 0);
}

START_TEST(untouched_memory_stays_untouched)
{
    if (plain)
        ck_assert_fresh("calloc_untouched_memory");
}
END_TEST

/* ---- overflow -------------------------------------------------------------------------------- */

/* Counts of the "block" site since the last call. */
static struct site_stats counted(void)
{
    static struct site_stats last;
    struct site_stats now;
    stats_now(); /* settles */
    now = site_named("block");
    struct site_stats since = {.calls = now.calls - last.calls,
                               .bytes = now.bytes - last.bytes,
                               .overflows = now.overflows - last.overflows,
                               .fallbacks = now.fallbacks - last.fallbacks};
    last = now;
    return since;
}

static void fill_capacity(void)
{
    filled(CAPACITY - 2048, 1);
    counted();
}

START_TEST(grow_goes_on_past_the_capacity)
{
    fill_capacity();
    unsigned char *first = filled(4000, 2);
    unsigned char *second = filled(LIMIT / 2, 3);
    struct site_stats since = counted();
    ck_assert_uint_eq(since.overflows, 2);
    ck_assert_uint_eq(since.fallbacks, 0);
    ck_assert_uint_eq(since.calls, 2);
    ck_assert_uint_eq(since.bytes, 4000 + LIMIT / 2);
    ck_assert(holds_only(first, 4000, 2) && holds_only(second, LIMIT / 2, 3));
}
END_TEST

START_TEST(grow_in_place_past_the_capacity_is_one_overflow)
{
    fill_capacity();
    unsigned char *block = filled(100, 1);
    counted();
    unsigned char *grown = t_realloc(block, 100000);
    struct site_stats since = counted();
    if (plain)
        ck_assert_ptr_eq(grown, block);
    ck_assert(block_is_ours(grown) && holds_only(grown, 100, 1));
    ck_assert_uint_eq(since.overflows, 1);
    ck_assert_uint_eq(since.fallbacks, 0);
    memset(grown, 2, 100000);
}
END_TEST

START_TEST(past_the_limit_grow_falls_back)
{
    fill_capacity();
    uintptr_t cursor = hot.cursor;
    unsigned char *outside = t_malloc(LIMIT);
    ck_assert(outside && !block_is_ours(outside));
    memset(outside, 1, LIMIT);
    struct site_stats since = counted();
    ck_assert_uint_eq(since.overflows, 1);
    ck_assert_uint_eq(since.fallbacks, 1);
    ck_assert_uint_eq(since.calls, 0);
    ck_assert_uint_eq(hot.cursor, cursor);
    t_free(outside);
}
END_TEST

START_TEST(the_last_byte_of_the_limit)
{
    size_t largest = hot.thread->limit_end - hot.cursor - BLOCK_HEADER - 8;
    if (!plain)
        return;
    unsigned char *block = filled(largest, 1);
    ck_assert_uint_le((uintptr_t)block + largest, hot.thread->limit_end);
    t_free(block);
    block = t_malloc(largest + 1);
    ck_assert(!block_is_ours(block));
    t_free(block);
}
END_TEST

START_TEST(realloc_past_the_limit_moves_out_and_counts_once)
{
    unsigned char *block = filled(100, 1);
    counted();
    unsigned char *moved = t_realloc(block, LIMIT);
    struct site_stats since = counted();
    ck_assert(!block_is_ours(moved) && holds_only(moved, 100, 1));
    ck_assert_uint_eq(since.overflows, 1);
    ck_assert_uint_eq(since.fallbacks, 1);
    t_free(moved);
}
END_TEST

START_TEST(fallback_serves_this_request_alone)
{
    fixed.config.overflow = OVERFLOW_FALLBACK;
    fill_capacity();
    uintptr_t cursor = hot.cursor;
    unsigned char *outside = t_malloc(4000);
    unsigned char *aligned = t_memalign(512, 4000);
    ck_assert(!block_is_ours(outside) && !block_is_ours(aligned));
    ck_assert(is_aligned(aligned, 512));
    ck_assert_uint_eq(hot.cursor, cursor);
    ck_assert(block_is_ours(t_malloc(100)));
    struct site_stats since = counted();
    ck_assert_uint_eq(since.overflows, 2);
    ck_assert_uint_eq(since.fallbacks, 2);
    ck_assert_uint_eq(since.calls, 1);
    memset(outside, 1, 4000);
    t_free(outside);
    t_free(aligned);
}
END_TEST

START_TEST(fallback_blocks_outlive_the_scope)
{
    fixed.config.overflow = OVERFLOW_FALLBACK;
    unsigned char *outside = t_malloc(CAPACITY);
    memset(outside, 6, CAPACITY);
    arena_scope_end(outer);
    ck_assert(holds_only(outside, CAPACITY, 6));
    t_free(outside);
    outer = begin("block");
}
END_TEST

START_TEST(fallback_of_a_realloc)
{
    fixed.config.overflow = OVERFLOW_FALLBACK;
    unsigned char *block = filled(100, 1);
    counted();
    unsigned char *moved = t_realloc(block, CAPACITY);
    ck_assert(!block_is_ours(moved) && holds_only(moved, 100, 1));
    ck_assert_uint_eq(counted().overflows, 1);
    t_free(moved);
}
END_TEST

START_TEST(error_leaves_the_offset_unchanged)
{
    fixed.config.overflow = OVERFLOW_ERROR;
    fill_capacity();
    uintptr_t cursor = hot.cursor;
    errno = 0;
    ck_assert_ptr_null(t_malloc(4000));
    ck_assert_int_eq(errno, ENOMEM);
    errno = 0;
    ck_assert_ptr_null(t_calloc(1, 4000));
    ck_assert_int_eq(errno, ENOMEM);
    errno = 0;
    ck_assert_ptr_null(t_memalign(64, 4000));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_uint_eq(hot.cursor, cursor);
    struct site_stats since = counted();
    ck_assert_uint_eq(since.overflows, 3);
    ck_assert_uint_eq(since.fallbacks, 0);
    ck_assert_uint_eq(since.calls, 0);
    ck_assert(block_is_ours(t_malloc(100)));
}
END_TEST

START_TEST(error_of_a_realloc_leaves_the_block)
{
    fixed.config.overflow = OVERFLOW_ERROR;
    unsigned char *block = filled(100, 1);
    uintptr_t cursor = hot.cursor;
    counted();
    errno = 0;
    ck_assert_ptr_null(t_realloc(block, CAPACITY));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_uint_eq(hot.cursor, cursor);
    ck_assert(holds_only(block, 100, 1));
    ck_assert_uint_eq(counted().overflows, 1);
}
END_TEST

static void overflow_with_abort(void)
{
    static struct capture capture;
    char expected[256];
    start_once();
    fixed.config.overflow = OVERFLOW_ABORT;
    arena_scope_site site = {"the label", "the/file.c", 77, 0};
    arena_scope_begin(&site);
    filled(CAPACITY - 4096, 1);
    size_t left = hot.thread->capacity_end - hot.cursor;
    capture_start(&capture);
    pid_t child = fork();
    if (child == 0) {
        t_malloc(5000);
        _exit(0);
    }
    int status;
    require(waitpid(child, &status, 0) == child);
    const char *said = capture_end(&capture);
    snprintf(expected, sizeof expected,
             "arenashim: overflow: 5000 bytes do not fit in the %zu left of a capacity of 65536; "
             "scope 'the label' (the/file.c:77); ARENASHIM_OVERFLOW=abort\n",
             left);
    require(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    require(strncmp(said, expected, strlen(expected)) == 0);
}

START_TEST(abort_says_why_and_aborts)
{
    ck_assert_fresh("overflow_with_abort");
}
END_TEST

START_TEST(abort_lets_what_fits_pass)
{
    fixed.config.overflow = OVERFLOW_ABORT;
    ck_assert(block_is_ours(t_malloc(CAPACITY - 4096)));
}
END_TEST

/* ---- after the outermost scope --------------------------------------------------------------- */

START_TEST(memory_past_the_capacity_goes_back)
{
    uintptr_t end = hot.thread->capacity_end;
    uintptr_t memory = hot.thread->memory;
    if (!plain)
        return;
    filled(LIMIT / 2, 1);
    ck_assert(is_resident(end));
    arena_scope_token inner = begin("inner");
    filled(LIMIT / 4, 1);
    arena_scope_end(inner);
    ck_assert(is_resident(end)); /* the outermost scope still uses it */
    arena_scope_end(outer);
    for (uintptr_t page = end; page < memory + LIMIT; page += 4096)
        ck_assert(!is_resident(page));
    ck_assert(is_resident(end - 1) && is_resident(memory));
    outer = begin("block");
}
END_TEST

START_TEST(the_arena_ends_in_an_inaccessible_page)
{
    if (!plain)
        return;
    filled(hot.thread->limit_end - hot.cursor - BLOCK_HEADER - 8, 1);
    ck_assert(!is_readable(hot.thread->memory_end));
    ck_assert(!is_readable(hot.thread->memory - 1));
}
END_TEST

START_TEST(many_large_scopes_in_a_row)
{
    for (int i = 0; i < 50; i++) {
        arena_scope_end(outer);
        outer = begin("block");
        check_zeroed(LIMIT / 4 + (size_t)i * 1000);
    }
}
END_TEST

/* ---- errno ----------------------------------------------------------------------------------- */

START_TEST(successful_calls_keep_errno)
{
    errno = ERANGE;
    unsigned char *older = t_malloc(10);
    unsigned char *newer = t_malloc(LIMIT / 2);
    t_free(older);
    t_free(newer);
    t_free(t_realloc(t_malloc(10), 100));
    arena_scope_end(outer);
    outer = begin("block");
    ck_assert_int_eq(errno, ERANGE);
}
END_TEST

/* ---- suite ----------------------------------------------------------------------------------- */

static TCase *group(Suite *suite, const char *name)
{
    TCase *tcase = tcase_create(name);
    tcase_add_checked_fixture(tcase, open_scope, close_scope);
    suite_add_tcase(suite, tcase);
    return tcase;
}

static Suite *block_suite(void)
{
    Suite *suite = suite_create("block");
    TCase *routing = group(suite, "routing");
    tcase_add_test(routing, outside_scopes_calls_go_on);
    tcase_add_test(routing, in_a_scope_every_form_is_routed);
    tcase_add_test(routing, calls_of_other_modules_go_on);
    tcase_add_test(routing, calls_from_no_module_go_on);
    tcase_add_test(routing, calls_in_a_pause_go_on);

    TCase *freeing = group(suite, "free");
    tcase_add_test(freeing, free_of_the_newest_steps_back);
    tcase_add_test(freeing, free_of_an_older_block_keeps_its_place);
    tcase_add_test(freeing, frees_of_the_owner_are_counted);
    tcase_add_test(freeing, free_of_an_outer_block_in_an_inner_scope);
    tcase_add_test(freeing, free_of_a_foreign_block_in_a_scope);
    tcase_add_test(freeing, free_in_another_thread_does_nothing_but_count);
    tcase_add_test(freeing, free_after_the_scope_does_nothing_but_count);
    tcase_add_test(freeing, free_of_a_stale_pointer_in_a_later_scope);
    tcase_add_test(freeing, a_double_free_is_one_line_and_counted_once_each);
    tcase_add_test(freeing, a_double_free_of_an_outer_block);
    tcase_add_test(freeing, free_inside_a_block_is_one_line);

    TCase *resizing = group(suite, "realloc");
    tcase_add_test(resizing, the_newest_grows_in_place);
    tcase_add_test(resizing, the_newest_shrinks_in_place_and_gives_back);
    tcase_add_test(resizing, an_older_block_shrinks_in_place);
    tcase_add_test(resizing, an_older_block_moves_to_grow);
    tcase_add_test(resizing, reallocs_in_place_are_calls_too);
    tcase_add_test(resizing, a_realloc_of_anothers_block_in_place_is_a_call_too);
    tcase_add_test(resizing, realloc_to_0_frees);
    tcase_add_test(resizing, a_foreign_block_stays_foreign);
    tcase_add_test(resizing, realloc_in_a_pause_moves_out);
    tcase_add_test(resizing, realloc_by_another_module_moves_out);
    tcase_add_test(resizing, realloc_that_shrinks_moves_out_as_well);
    tcase_add_test(resizing, realloc_in_another_thread);
    tcase_add_test(resizing, the_outer_newest_does_not_grow_in_place_in_an_inner_scope);
    tcase_add_test(resizing, the_outer_newest_shrinks_in_an_inner_scope_without_overlap);
    tcase_add_test(resizing, a_failed_realloc_changes_nothing);

    TCase *sizes = group(suite, "sizes");
    tcase_add_test(sizes, every_usable_byte_is_the_callers);
    tcase_add_test(sizes, a_freed_block_tells_no_other_size);
    tcase_add_test(sizes, every_power_of_two);
    tcase_add_test(sizes, padding_is_not_charged_twice);
    tcase_add_test(sizes, absurd_alignments_are_refused);
    tcase_add_test(sizes, the_floor_of_alignments);
    tcase_add_test(sizes, blocks_of_size_0_are_unique);
    tcase_add_loop_test(sizes, impossible_sizes_fail_and_change_nothing, 0, COUNT(impossible));
    tcase_add_test(sizes, products_that_overflow_fail);
    tcase_add_test(sizes, the_last_byte_of_the_capacity);

    TCase *zeroing = group(suite, "zeroing");
    tcase_add_test(zeroing, zeroed_after_the_newest_was_freed);
    tcase_add_test(zeroing, zeroed_to_the_end_of_what_may_be_used);
    tcase_add_test(zeroing, zeroed_where_a_block_was_larger);
    tcase_add_test(zeroing, zeroed_where_a_block_grew_in_place);
    tcase_add_test(zeroing, zeroed_where_an_inner_scope_was);
    tcase_add_test(zeroing, zeroed_where_an_inner_block_grew);
    tcase_add_test(zeroing, zeroed_where_an_earlier_scope_was);
    tcase_add_test(zeroing, zeroed_past_the_capacity_and_again_after_the_trim);
    tcase_add_test(zeroing, zeroed_half_in_used_memory);
    tcase_add_test(zeroing, zeroed_with_an_alignment);
    tcase_add_test(zeroing, zeroed_by_the_next_allocator);
    tcase_add_test(zeroing, untouched_memory_stays_untouched);

    TCase *overflow = group(suite, "overflow");
    tcase_add_test(overflow, grow_goes_on_past_the_capacity);
    tcase_add_test(overflow, grow_in_place_past_the_capacity_is_one_overflow);
    tcase_add_test(overflow, past_the_limit_grow_falls_back);
    tcase_add_test(overflow, the_last_byte_of_the_limit);
    tcase_add_test(overflow, realloc_past_the_limit_moves_out_and_counts_once);
    tcase_add_test(overflow, fallback_serves_this_request_alone);
    tcase_add_test(overflow, fallback_blocks_outlive_the_scope);
    tcase_add_test(overflow, fallback_of_a_realloc);
    tcase_add_test(overflow, error_leaves_the_offset_unchanged);
    tcase_add_test(overflow, error_of_a_realloc_leaves_the_block);
    tcase_add_test(overflow, abort_says_why_and_aborts);
    tcase_add_test(overflow, abort_lets_what_fits_pass);

    TCase *after = group(suite, "after the scope");
    tcase_add_test(after, memory_past_the_capacity_goes_back);
    tcase_add_test(after, the_arena_ends_in_an_inaccessible_page);
    tcase_add_test(after, many_large_scopes_in_a_row);
    tcase_add_test(after, successful_calls_keep_errno);
    return suite;
}

int main(int argc, char **argv)
{
    static const struct fresh cases[] = {
        {"free_older_block_twice", free_older_block_twice},
        {"free_outer_block_twice", free_outer_block_twice},
        {"free_inside_a_block", free_inside_a_block},
        {"check_align_64", check_align_64},
        {"calloc_untouched_memory", calloc_untouched_memory},
        {"overflow_with_abort", overflow_with_abort},
        {NULL, NULL},
    };
    return run_suite(block_suite, cases, argc, argv);
}
