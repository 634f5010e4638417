/*
 * Unit tests of retain.h: every kind of draw, free and resize in scopes that retain what is alive,
 * frees by others, survivors, scopes of the other kind inside and outside, sweeps, starting afresh,
 * the overflow policies, misuse; and random operations against a model.
 */
#include "heaps.h"

#include "route/modules.h"

enum { CAPACITY = 1024 * 1024, LIMIT = 64 * 1024 * 1024 };

/* No checker watches: blocks are resized in place, and places come again. */
static bool plain;

static void start_with(size_t capacity, size_t align, bool adaptive)
{
    setenv("ARENASHIM_END", "retain", 1);
    routing_start(capacity, LIMIT, align);
    require(threads_retain);
    fixed.config.capacity_is_set = !adaptive;
    plain = !fixed.checked;
}

static void start_once(void)
{
    static bool started;
    if (!started)
        start_with(CAPACITY, 16, true);
    started = true;
    fixed.config.overflow = OVERFLOW_GROW;
    fixed.config.capacity_is_set = false;
    fixed.config.capacity = CAPACITY;
}

static arena_scope_token outer;

static void open_scope(void)
{
    start_once();
    outer = open_kind("retain", true);
}

static void close_scope(void)
{
    arena_scope_end(outer);
    require(hot.thread->depth == 0 && hot.cursor == 0 && hot.small == 0 && hot.limit == 0);
    require(hot.thread->busy == 0 && hot.mark == 0);
}

/* Whatever a test has left is gone: the next may run in the same process. */
static void tear_down(void)
{
    heap = &hot.thread->heap; /* another thread may have looked at its own */
    scope_close_down_to(hot.thread, 0);
    retain_trim(hot.thread, 0); /* takes what was freed outside */
    memset(heap->exact, 0, sizeof heap->exact);
    memset(heap->wide, 0, sizeof heap->wide);
    heap->cursor = heap->end = heap->gaps = heap->blocks = heap->alive = heap->shared_pages = 0;
    heap->look_at = heap->looked_alive = heap->peak = 0;
    heap->kept = (struct kept){0};
    pages_reset(&heap->pages);
    pages_trim(&heap->pages, 0);
    track_trim(heap, (void *)heap->pages.start, 0);
}

/* Pages that the kernel has given memory for. */
static uint32_t pages_touched(void)
{
    return heap->pages.used + heap->pages.warm;
}

static unsigned char *filled(size_t size, int byte)
{
    unsigned char *block = t_malloc(size);
    require(block && block_is_ours(block) && retain_holds(block));
    return memset(block, byte, size);
}

static void *free_it(void *block)
{
    t_free(block);
    return NULL;
}

/* Whether the lists, the gaps and what is being bumped through hold the block. */
static bool is_listed(uintptr_t block)
{
    for (size_t i = 0; i < COUNT(heap->exact); i++)
        for (uintptr_t at = heap->exact[i].first; at; at = retain_load(at - BLOCK_HEADER) >> 16)
            if (at == block)
                return true;
    for (size_t i = 0; i < COUNT(heap->wide); i++)
        for (uintptr_t at = heap->wide[i]; at; at = retain_load(at - BLOCK_HEADER) >> 16)
            if (at == block)
                return true;
    for (uintptr_t at = heap->gaps; at; at = retain_load(at - BLOCK_HEADER) >> 16)
        if (at == block)
            return true;
    return false;
}

/* ---- routing --------------------------------------------------------------------------------- */

START_TEST(every_form_is_routed)
{
    void *blocks[] = {t_malloc(10),          t_calloc(1, 10),          t_memalign(64, 10),
                      t_realloc(NULL, 10),   t_malloc(100000),         t_calloc(1, 100000),
                      t_memalign(4096, 100), t_memalign(4096, 100000), t_malloc(0),
                      t_memalign(1 << 21, 5)};
    uint64_t before = alive();
    for (size_t i = 0; i < COUNT(blocks); i++) {
        ck_assert(block_is_ours(blocks[i]) && retain_holds(blocks[i]));
        for (size_t k = 0; k < i; k++)
            ck_assert_ptr_ne(blocks[i], blocks[k]);
        t_free(blocks[i]);
    }
    ck_assert_uint_eq(before - alive(), COUNT(blocks));
}
END_TEST

START_TEST(calloc_zeroes_all_that_may_be_used)
{
    static const size_t sizes[] = {1,    10,    25,    500,   1000,   1025,
                                   5000, 30000, 32761, 40000, 100001, MIB};
    for (size_t i = 0; i < 2 * COUNT(sizes); i++) {
        size_t size = sizes[i % COUNT(sizes)];
        for (int round = 0; round < 3; round++) {
            unsigned char *block = t_calloc(1, size);
            ck_assert(retain_holds(block) && holds_only(block, t_usable(block), 0));
            memset(block, 0xee, t_usable(block));
            t_free(block);
        }
    }
}
END_TEST

START_TEST(out_of_scope_and_in_a_pause_calls_go_on)
{
    arena_scope_pause();
    void *paused = t_malloc(10);
    void *aligned = t_memalign(64, 10);
    void *zeroed = t_calloc(1, 100000);
    arena_scope_resume();
    ck_assert(!block_is_ours(paused) && !block_is_ours(aligned) && !block_is_ours(zeroed));
    void *inside = filled(10, 1);
    uint64_t before = alive();
    arena_scope_pause();
    arena_scope_pause();
    t_free(inside);
    arena_scope_resume();
    ck_assert(!arena_scope_active());
    void *again = t_malloc(10);
    ck_assert(!block_is_ours(again));
    arena_scope_resume();
    ck_assert_uint_eq(alive(), before - 1);
    inside = t_malloc(10);
    ck_assert(block_is_ours(inside));
    t_free(inside);
    close_scope();
    void *outside = t_malloc(10);
    ck_assert(!block_is_ours(outside));
    open_scope();
    t_free(again);
    t_free(paused);
    t_free(aligned);
    t_free(zeroed);
    t_free(outside);
}
END_TEST

START_TEST(a_pause_is_of_its_scope_alone)
{
    arena_scope_pause();
    arena_scope_token inner = open_kind("inner", true);
    void *block = filled(10, 1);
    t_free(block);
    arena_scope_end(inner);
    void *outside = t_malloc(10);
    ck_assert(!block_is_ours(outside));
    t_free(outside);
    arena_scope_resume();
    t_free(filled(10, 1));
}
END_TEST

START_TEST(what_nobody_can_have_is_refused)
{
    unsigned char *freed = filled(1, 1); /* a free block of every small class */
    for (size_t size = 8; size < 200; size += 16)
        t_free(filled(size, 1));
    t_free(freed);
    uint64_t before = alive();
    for (size_t less = 0; less < 40; less++) {
        errno = 0;
        ck_assert_ptr_null(t_malloc(SIZE_MAX - less));
        ck_assert_int_eq(errno, ENOMEM);
        ck_assert_ptr_null(t_memalign(64, SIZE_MAX - less));
    }
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 8, SIZE_MAX - 22, SIZE_MAX - 23,
                                   SIZE_MAX / 2 + 1};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        errno = 0;
        ck_assert_ptr_null(t_calloc(1, sizes[i]));
        ck_assert_int_eq(errno, ENOMEM);
        unsigned char *block = filled(100, 1);
        errno = 0;
        ck_assert_ptr_null(t_realloc(block, sizes[i]));
        ck_assert_int_eq(errno, ENOMEM);
        ck_assert(holds_only(block, 100, 1));
        ck_assert_uint_eq(alive(), before + 1);
        t_free(block);
    }
    errno = 0;
    ck_assert_ptr_null(t_calloc(SIZE_MAX / 2, 3)); /* a product that overflows */
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_ptr_null(t_memalign((size_t)1 << 63, 1));
}
END_TEST

/* ---- classes --------------------------------------------------------------------------------- */

START_TEST(of_a_class_the_last_freed_comes_first)
{
    static const size_t sizes[] = {1, 8, 24, 100, 1000, 1016, 1017, 2000, 20000, 32700};
    if (!plain)
        return;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        unsigned char *first = filled(sizes[i], 1), *second = filled(sizes[i], 2),
                      *third = filled(sizes[i], 3);
        t_free(first);
        t_free(third);
        t_free(second);
        ck_assert_ptr_eq(t_malloc(sizes[i]), second);
        ck_assert_ptr_eq(t_malloc(sizes[i]), third);
        ck_assert_ptr_eq(t_malloc(sizes[i]), first);
        t_free(first);
        t_free(second);
        t_free(third);
    }
}
END_TEST

START_TEST(a_class_serves_its_own_sizes_alone)
{
    for (size_t size = 0; size < 1200; size++) {
        unsigned char *block = filled(size, 1);
        size_t usable = t_usable(block);
        ck_assert_uint_ge(usable, size);
        if (plain && size <= 1016)
            ck_assert_uint_eq(usable, size <= 8 ? 8 : ((size + 23) & ~(size_t)15) - 8);
        memset(block, 1, usable);
        t_free(block);
        unsigned char *smaller = size > 16 ? t_malloc(size - 16) : NULL;
        if (plain && size > 24 && size <= 1016)
            ck_assert_ptr_ne(smaller, block);
        t_free(smaller);
    }
}
END_TEST

START_TEST(larger_classes_waste_little)
{
    if (!plain)
        return;
    for (size_t size = 1017; size <= 32760; size += 13) {
        unsigned char *block = filled(size, 1);
        ck_assert_uint_ge(t_usable(block), size);
        ck_assert_uint_le(t_usable(block), size + size / 16 + 32);
        t_free(block);
        ck_assert_ptr_eq(t_malloc(size), block);
        t_free(block);
    }
}
END_TEST

static void churn(void)
{
    enum { BLOCKS = 2000 };
    static unsigned char *blocks[BLOCKS];
    static size_t sizes[BLOCKS];
    for (int round = 0; round < 40; round++)
        for (size_t i = 0; i < BLOCKS; i++) {
            if (blocks[i]) {
                require(holds_only(blocks[i], sizes[i], (unsigned char)i));
                t_free(blocks[i]);
            }
            sizes[i] = below(below(20) ? 300 : 3000);
            blocks[i] = filled(sizes[i], (int)(i & 255));
        }
    for (size_t i = 0; i < BLOCKS; i++) {
        t_free(blocks[i]);
        blocks[i] = NULL;
    }
}

/* 2000 blocks of some 225 bytes each: half a megabyte. */
START_TEST(freed_memory_comes_back_inside_the_scope)
{
    model_random = 4711;
    churn();
    if (plain)
        ck_assert_uint_le(pages_touched() * PAGE_BYTES, 3 * MIB / 2);
    check_heap();
    ck_assert_uint_eq(alive(), 0);
}
END_TEST

/* ---- contents -------------------------------------------------------------------------------- */

START_TEST(blocks_do_not_overlap_and_stay_after_the_end)
{
    enum { SIZES = 40, ALIGNMENTS = 18 };
    static unsigned char *blocks[SIZES][ALIGNMENTS];
    static size_t sizes[SIZES][ALIGNMENTS];
    unsigned mark = 0;
    for (int i = 0; i < SIZES; i++)
        for (int k = 0; k < ALIGNMENTS; k++) {
            size_t size = (size_t)i < 20 ? (size_t)i * 3 : ((size_t)1 << (i - 20)) + 1;
            size_t alignment = k == 0 ? 16 : (size_t)16 << k;
            unsigned char *block = k == 0 ? t_malloc(size) : t_memalign(alignment, size);
            ck_assert(is_aligned(block, alignment));
            ck_assert_uint_ge(t_usable(block), size);
            sizes[i][k] = t_usable(block);
            blocks[i][k] = memset(block, (int)(mark++ % 251), sizes[i][k]);
        }
    check_heap();
    close_scope();
    mark = 0;
    for (int i = 0; i < SIZES; i++)
        for (int k = 0; k < ALIGNMENTS; k++) {
            ck_assert(holds_only(blocks[i][k], sizes[i][k], (unsigned char)(mark++ % 251)));
            t_free(blocks[i][k]);
        }
    open_scope();
    t_free(t_malloc(100000));
    ck_assert_uint_eq(alive(), 0);
}
END_TEST

START_TEST(alignments_up_to_several_mebibytes)
{
    for (size_t alignment = 32; alignment <= 8 * MIB; alignment *= 2)
        for (size_t size = 1; size < 3 * MIB; size = size * 7 + 3) {
            uint64_t before = alive();
            uint32_t used = heap->pages.used;
            unsigned char *block = t_memalign(alignment, size);
            ck_assert(retain_holds(block) && is_aligned(block, alignment));
            ck_assert_uint_ge(t_usable(block), size);
            memset(block, 0x77, t_usable(block));
            /* Of the pages in front and behind it keeps none. */
            if (alignment > PAGE_BYTES && plain && size > 40000)
                ck_assert_uint_le(heap->pages.used - used, pages_for(size) + 1);
            unsigned char *next = filled(100, 1);
            t_free(block);
            ck_assert(holds_only(next, 100, 1));
            t_free(next);
            ck_assert_uint_eq(alive(), before);
        }
    check_heap();
}
END_TEST

START_TEST(an_aligned_block_is_resized_by_moving_what_it_holds)
{
    for (size_t alignment = 32; alignment <= 64 * KIB; alignment *= 2) {
        uint64_t before = alive();
        unsigned char *block = memset(t_memalign(alignment, 100), 3, 100);
        block = t_realloc(block, 50);
        ck_assert(holds_only(block, 50, 3));
        block = t_realloc(block, 70000);
        ck_assert(holds_only(block, 50, 3) && t_usable(block) >= 70000);
        memset(block, 4, 70000);
        t_free(block);
        ck_assert_uint_eq(alive(), before);
    }
    check_heap();
}
END_TEST

START_TEST(zeroed_blocks_are_zero)
{
    static const size_t sizes[] = {1, 100, 5000, 16000, 17000, 33000, 200000};
    unsigned char *blocks[4][COUNT(sizes)];
    for (int round = 0; round < 4; round++)
        for (size_t i = 0; i < COUNT(sizes); i++) {
            unsigned char *block = t_calloc(1, sizes[i]);
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

START_TEST(zeroed_where_others_have_been)
{
    struct request aligned = {
        .size = 150000, .alignment = 65536, .zeroed = true, .caller = marked_caller()};
    for (int round = 0; round < 3; round++) {
        unsigned char *dirty = filled(400000, 0xff);
        t_free(dirty);
        unsigned char *block = block_serve(&aligned);
        ck_assert(is_aligned(block, 65536) && holds_only(block, 150000, 0));
        memset(block, 0xff, t_usable(block));
        unsigned char *other = t_calloc(1, 250000);
        ck_assert(holds_only(other, 250000, 0));
        memset(other, 0xff, t_usable(other));
        t_free(block);
        t_free(other);
        close_scope(); /* starts afresh */
        open_scope();
        unsigned char *small[100];
        for (int i = 0; i < 100; i++) {
            small[i] = t_calloc(1, 3000);
            ck_assert(holds_only(small[i], 3000, 0));
            memset(small[i], 0xff, t_usable(small[i]));
        }
        for (int i = 0; i < 100; i++)
            t_free(small[i]);
    }
}
END_TEST

/* Of the pages from the address's next on. */
static size_t resident_pages(uintptr_t start, size_t size)
{
    static unsigned char resident[8 * MIB / 4096];
    size_t pages = 0;
    require(size <= 8 * MIB);
    require(mincore((void *)((start + 4095) & ~(uintptr_t)4095), size - 4096, resident) == 0);
    for (size_t i = 0; i < size / 4096 - 1; i++)
        pages += resident[i] & 1;
    return pages;
}

START_TEST(fresh_large_calloc_touches_nothing)
{
    unsigned char *block = t_calloc(1, 8 * MIB);
    size_t pages = resident_pages((uintptr_t)block, 8 * MIB);
    ck_assert_uint_eq(plain ? pages : 0, 0);
    t_free(block);
}
END_TEST

/* ---- large blocks ---------------------------------------------------------------------------- */

START_TEST(a_large_block_uses_its_pages_again)
{
    unsigned char *block = filled(300000, 1);
    uint32_t count = heap->pages.count;
    t_free(block);
    for (int i = 0; i < 100 && plain; i++) {
        ck_assert_ptr_eq(t_malloc(300000), block);
        t_free(block);
        ck_assert_uint_eq(heap->pages.count, count);
    }
}
END_TEST

START_TEST(a_large_block_that_shrinks_gives_pages_back)
{
    unsigned char *block = filled(10 * MIB / 16, 1), *start = block;
    uint32_t used = heap->pages.used;
    block = t_realloc(block, 3 * MIB / 16);
    ck_assert(!plain || block == start);
    ck_assert(!plain || heap->pages.used == used - 7 * 16);
    ck_assert_uint_ge(t_usable(block), 3 * MIB / 16);
    unsigned char *other = filled(5 * MIB / 16, 2);
    ck_assert(holds_only(block, 3 * MIB / 16, 1));
    block = t_realloc(block, 100);
    ck_assert(holds_only(block, 100, 1) && holds_only(other, 5 * MIB / 16, 2));
    t_free(other);
    t_free(block);
}
END_TEST

START_TEST(a_large_block_grows_into_what_is_free_behind)
{
    unsigned char *block = filled(100000, 1), *behind = filled(200000, 2);
    t_free(behind);
    uint64_t in_place = hot.thread->in_place;
    unsigned char *grown = t_realloc(block, 250000);
    if (plain) {
        ck_assert_ptr_eq(grown, block);
        ck_assert_uint_eq(hot.thread->in_place, in_place + 1);
    }
    ck_assert(holds_only(grown, 100000, 1));
    memset(grown, 3, 250000);
    grown = t_realloc(grown, 5 * MIB); /* and into fresh pages */
    ck_assert(!plain || grown == block);
    ck_assert(holds_only(grown, 250000, 3));
    memset(grown, 4, 5 * MIB);
    t_free(grown);
    ck_assert_uint_eq(alive(), 0);
}
END_TEST

START_TEST(a_large_block_moves_with_its_pages)
{
    unsigned char *block = filled(MIB, 1), *behind = filled(100000, 2);
    uint64_t before = alive(), calls = stats_routed_calls(stats_now());
    unsigned char *moved = t_realloc(block, 2 * MIB);
    ck_assert_ptr_ne(moved, block);
    ck_assert(retain_holds(moved) && holds_only(moved, MIB, 1) && holds_only(behind, 100000, 2));
    ck_assert_uint_ge(t_usable(moved), 2 * MIB);
    ck_assert_uint_eq(alive(), before);
    ck_assert_uint_eq(stats_routed_calls(stats_now()), calls + 1);
    memset(moved, 3, t_usable(moved));
    unsigned char *zeroed = t_calloc(1, MIB - 4096); /* where it was */
    ck_assert(holds_only(zeroed, MIB - 4096, 0));
    memset(zeroed, 4, t_usable(zeroed));
    ck_assert(holds_only(moved, 2 * MIB, 3) && holds_only(behind, 100000, 2));
    t_free(behind);
    t_free(moved);
    t_free(zeroed);
    ck_assert_uint_eq(alive(), before - 2);
    check_heap();
}
END_TEST

/* As it is after it has been moved and extended: each is moved by itself. */
START_TEST(a_large_block_in_several_mappings_moves_all_the_same)
{
    unsigned char *block = filled(5 * MIB, 1), *behind = filled(100000, 2);
    uintptr_t middle = ((uintptr_t)block + MIB / 2) & ~(uintptr_t)4095;
    ck_assert_int_eq(madvise((void *)middle, 64 * KIB, MADV_DONTFORK), 0);
    size_t resident = resident_pages((uintptr_t)block, 5 * MIB);
    unsigned char *moved = t_realloc(block, 6 * MIB);
    ck_assert(holds_only(moved, 5 * MIB, 1) && holds_only(behind, 100000, 2));
    ck_assert(retain_holds(moved));
    /* QEMU takes what a move leaves behind for unmapped, and hands it to no system call. */
    if (emulated("what a block in several mappings leaves behind"))
        return;
    ck_assert(!plain || resident_pages((uintptr_t)block, 5 * MIB) < resident / 8);
    memset(moved, 3, 6 * MIB);
    /* Every page of the heap is there. */
    for (uint32_t page = 0; page < heap->pages.count; page++)
        ck_assert(is_readable(pages_address(&heap->pages, page)));
    t_free(moved);
    t_free(behind);
}
END_TEST

/* What has been moved lies in a mapping of its own from then on. */
START_TEST(blocks_move_again_and_again)
{
    enum { BUFFERS = 6 };
    unsigned char *buffers[BUFFERS];
    size_t sizes[BUFFERS];
    model_random = 99;
    for (int i = 0; i < BUFFERS; i++)
        buffers[i] = filled(sizes[i] = 70000, i);
    for (int round = 0; round < 400; round++) {
        size_t i = below(BUFFERS);
        size_t size = sizes[i] > 4 * MIB ? 70000 : sizes[i] + 4096 * below(100);
        buffers[i] = t_realloc(buffers[i], size);
        ck_assert(holds_only(buffers[i], size < sizes[i] ? size : sizes[i], (unsigned char)i));
        memset(buffers[i], (int)i, size);
        sizes[i] = size;
    }
    for (uint32_t page = 0; page < heap->pages.count; page++)
        ck_assert(is_readable(pages_address(&heap->pages, page)));
    for (int i = 0; i < BUFFERS; i++)
        t_free(buffers[i]);
    ck_assert_uint_eq(alive(), 0);
}
END_TEST

/* ---- realloc --------------------------------------------------------------------------------- */

START_TEST(the_newest_is_resized_in_place)
{
    filled(2000, 7); /* so that there is a run */
    unsigned char *block = filled(heap->end - heap->cursor > 9000 ? 920 : 920, 1), *start = block;
    if (!plain || (uintptr_t)block - 8 + 928 != heap->cursor)
        return; /* it was not bumped */
    block = t_realloc(block, 5000);
    ck_assert_ptr_eq(block, start);
    ck_assert(holds_only(block, 920, 1));
    ck_assert_uint_ge(t_usable(block), 5000);
    block = t_realloc(block, 50);
    ck_assert_ptr_eq(block, start);
    ck_assert_uint_lt(t_usable(block), 100);
    ck_assert(holds_only(block, 50, 1));
    check_heap();
    t_free(block);
    check_heap();
}
END_TEST

START_TEST(an_older_block_shrinks_in_place_and_its_rest_is_used)
{
    unsigned char *block = filled(1000, 1), *newer = filled(1000, 2), *start = block;
    block = t_realloc(block, 200);
    ck_assert(!plain || block == start);
    if (plain) {
        ck_assert_uint_eq(t_usable(block), 200);
        unsigned char *rest = filled(1008 - 208 - 8, 3);
        ck_assert_ptr_eq(rest, start + 208);
        t_free(rest);
    }
    unsigned char *moved = t_realloc(block, 500);
    ck_assert_ptr_ne(moved, block);
    ck_assert(retain_holds(moved) && holds_only(moved, 200, 1) && holds_only(newer, 1000, 2));
    check_heap();
    t_free(moved);
    t_free(newer);
}
END_TEST

START_TEST(too_small_a_rest_stays_with_its_block)
{
    unsigned char *block = filled(200, 1);
    t_free(filled(200, 1));
    ck_assert(!plain || t_realloc(block, 190) == block);
    ck_assert(!plain || t_usable(block) == 200);
    check_heap();
    t_free(block);
}
END_TEST

/* What a sweep or a split leaves has any size: some are smaller than what their class gives out. */
START_TEST(a_block_smaller_than_its_class_shrinks_no_further)
{
    if (!plain)
        return;
    unsigned char *first = filled(3000, 1), *behind = filled(3000, 2);
    first = t_realloc(first, 1000); /* of 3072 bytes 2064 are split off: more than 2048, of which
                                     * there is a class, and less than 2176, the next */
    unsigned char *piece = filled(2040, 3);
    size_t usable = t_usable(piece);
    ck_assert_uint_eq(usable, 2064 - BLOCK_HEADER);
    for (size_t size = usable; size > usable - 60; size--) {
        piece = t_realloc(piece, size);
        memset(piece, 4, size);
        ck_assert_uint_le(t_usable(piece), usable);
        ck_assert(holds_only(behind, 3000, 2));
        check_heap();
    }
}
END_TEST

START_TEST(realloc_to_0_frees)
{
    uint64_t before = alive();
    ck_assert_ptr_null(t_realloc(filled(100, 1), 0));
    ck_assert_ptr_null(t_realloc(filled(100000, 1), 0));
    ck_assert_uint_eq(alive(), before);
}
END_TEST

START_TEST(out_of_scope_a_block_moves_out)
{
    unsigned char *block = filled(100, 1), *large = filled(100000, 2), *smaller = filled(100, 3);
    close_scope();
    block = t_realloc(block, 300);
    ck_assert(!block_is_ours(block) && holds_only(block, 100, 1));
    large = t_realloc(large, 300000);
    ck_assert(!block_is_ours(large) && holds_only(large, 100000, 2));
    ck_assert_ptr_eq(t_realloc(smaller, 50), smaller);
    t_free(block);
    t_free(large);
    t_free(smaller);
    open_scope();
    t_free(t_malloc(100000)); /* takes what others have freed */
    ck_assert_uint_eq(alive(), 0);
}
END_TEST

START_TEST(in_a_pause_a_block_moves_out)
{
    unsigned char *block = filled(100, 1);
    arena_scope_pause();
    block = t_realloc(block, 300);
    arena_scope_resume();
    ck_assert(!block_is_ours(block) && holds_only(block, 100, 1));
    t_free(block);
    ck_assert_uint_eq(alive(), 0);
}
END_TEST

/* Nor does a step take away what the next would use. */
START_TEST(room_to_grow_is_used_step_by_step)
{
    static const size_t starts[] = {600, 3000, 40000, 1000000, 5 * MIB};
    for (size_t i = 0; i < COUNT(starts); i++) {
        unsigned char *block = filled(starts[i], 1), *behind = NULL;
        size_t size = starts[i];
        int moves = 0;
        for (int step = 0; step < 100; step++) {
            size += starts[i] / 50;
            unsigned char *grown = t_realloc(block, size);
            moves += grown != block;
            ck_assert_int_eq(grown[starts[i] - 1], 1);
            block = grown;
            if (step % 10 == 0) {
                t_free(behind);
                behind = filled(100, 2);
            }
        }
        ck_assert(!plain || moves < 8);
        t_free(block);
        t_free(behind);
    }
}
END_TEST

START_TEST(a_large_block_that_becomes_small_gives_its_pages_back)
{
    enum { BLOCKS = 100 };
    unsigned char *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = t_realloc(filled(64 * KIB, i), 21);
        ck_assert(holds_only(blocks[i], 21, (unsigned char)i));
    }
    ck_assert(!plain || heap->pages.used < BLOCKS);
    for (int i = 0; i < BLOCKS; i++)
        t_free(blocks[i]);
    check_heap();
}
END_TEST

START_TEST(growth_in_small_steps_is_linear)
{
    /* Two buffers in turn: neither is ever the newest for long. */
    unsigned char *buffers[2] = {filled(10, 1), filled(10, 2)};
    uint64_t moves = 0;
    for (size_t size = 20; size < 2 * MIB; size += 32 + size / 500)
        for (int i = 0; i < 2; i++) {
            unsigned char *grown = t_realloc(buffers[i], size);
            moves += grown != buffers[i];
            buffers[i] = grown;
            ck_assert_uint_eq(grown[5], i + 1);
        }
    ck_assert(!plain || moves < 200);
    t_free(buffers[0]);
    t_free(buffers[1]);
}
END_TEST

START_TEST(keep_moves_a_block_out)
{
    unsigned char *small = filled(100, 1), *large = filled(100000, 2);
    uint64_t before = alive();
    small = arena_scope_keep(small);
    large = arena_scope_keep(large);
    ck_assert(!block_is_ours(small) && !block_is_ours(large));
    ck_assert(holds_only(small, 100, 1) && holds_only(large, 100000, 2));
    ck_assert_uint_eq(alive(), before - 2);
    t_free(small);
    t_free(large);
}
END_TEST

/* ---- survivors ------------------------------------------------------------------------------- */

START_TEST(a_scope_without_survivors_leaves_nothing)
{
    for (int i = 0; i < 100; i++) {
        arena_scope_token token = open_kind("inner", true);
        unsigned char *blocks[200];
        for (int k = 0; k < 200; k++)
            blocks[k] = filled(k % 50 == 0 ? 40000 : 500, k);
        for (int k = 0; k < 200; k++)
            t_free(blocks[k]);
        arena_scope_end(token);
    }
    ck_assert_uint_eq(alive(), 0);
    ck_assert(!plain || pages_touched() < 200);
    ck_assert_uint_eq(site_named("inner").survivors, 0);
}
END_TEST

static unsigned char *survivors[1000];

static void *free_survivors(void *unused)
{
    for (size_t i = 0; i < COUNT(survivors); i++) {
        require(holds_only(survivors[i], i % 100 ? 300 : 40000, (unsigned char)i));
        t_free(survivors[i]);
    }
    return unused;
}

static void leave_survivors(void)
{
    arena_scope_token token = open_kind("leaving", true);
    for (size_t i = 0; i < COUNT(survivors); i++)
        survivors[i] = filled(i % 100 ? 300 : 40000, (int)i);
    arena_scope_end(token);
}

START_TEST(survivors_are_counted_once)
{
    uint64_t before = site_named("leaving").survivors, late = stats_now()->late_frees;
    for (int round = 0; round < 20; round++) {
        leave_survivors();
        ck_assert_uint_eq(alive(), COUNT(survivors));
        free_survivors(NULL);
        ck_assert_uint_eq(alive(), 0);
    }
    ck_assert_uint_eq(site_named("leaving").survivors - before, 20 * COUNT(survivors));
    ck_assert_uint_eq(stats_now()->late_frees - late, 20 * COUNT(survivors));
    ck_assert_uint_eq(site_named("leaving").live_at_end, 0);
    ck_assert(!plain || pages_touched() * PAGE_BYTES < 2 * MIB);
    check_heap();
}
END_TEST

START_TEST(what_is_freed_in_an_inner_scope_is_no_survivor)
{
    uint64_t before = site_named("around").survivors, inside = site_named("inner").survivors;
    arena_scope_token around = open_kind("around", true);
    unsigned char *blocks[300];
    for (int i = 0; i < 300; i++)
        blocks[i] = filled(i % 50 ? 300 : 50000, i);
    arena_scope_token inner = open_kind("inner", true);
    arena_scope_token innermost = open_kind("innermost", false);
    for (int i = 0; i < 150; i++)
        t_free(blocks[i]);
    arena_scope_end(innermost);
    for (int i = 150; i < 300; i++)
        t_free(blocks[i]);
    blocks[0] = filled(10, 1);
    arena_scope_end(inner);
    arena_scope_end(around);
    ck_assert_uint_eq(site_named("around").survivors - before, 0);
    ck_assert_uint_eq(site_named("inner").survivors - inside, 1);
    t_free(blocks[0]);
}
END_TEST

START_TEST(calls_bytes_and_frees_are_counted)
{
    struct site_stats before = site_named("counted");
    uint64_t freed = stats_now()->freed;
    arena_scope_token token = open_kind("counted", true);
    void *a = t_malloc(10), *b = t_malloc(5000), *c = t_calloc(1, 100000), *d = t_memalign(256, 7);
    t_free(a);
    a = t_malloc(10); /* from its list */
    t_free(b);
    t_free(c);
    t_free(d);
    t_free(a);
    arena_scope_end(token);
    struct site_stats after = site_named("counted");
    ck_assert_uint_eq(after.scopes - before.scopes, 1);
    ck_assert_uint_eq(after.calls - before.calls, 5);
    ck_assert_uint_eq(after.bytes - before.bytes, 10 + 5000 + 100000 + 7 + 10);
    ck_assert_uint_eq(after.survivors, before.survivors);
    ck_assert_uint_eq(stats_now()->freed - freed, 5);
    ck_assert_uint_ge(after.peak, 100000);
}
END_TEST

/* ---- frees by others ------------------------------------------------------------------------- */

START_TEST(survivors_freed_elsewhere_are_found_in_time)
{
    uint64_t before = stats_now()->late_frees;
    for (int round = 0; round < 20; round++) {
        leave_survivors();
        in_thread(free_survivors, NULL);
    }
    t_free(t_malloc(100000));
    ck_assert_uint_eq(stats_now()->late_frees - before, 20 * COUNT(survivors));
    ck_assert_uint_eq(alive(), 0);
    ck_assert(!plain || pages_touched() * PAGE_BYTES < 2 * MIB);
    check_heap();
}
END_TEST

START_TEST(what_another_thread_frees_is_used_again)
{
    if (!plain)
        return;
    unsigned char *blocks[50];
    for (int i = 0; i < 50; i++)
        blocks[i] = filled(728, i); /* a class of its own */
    for (int i = 0; i < 50; i++)
        in_thread(free_it, blocks[i]);
    /* Behind those that were made ahead, which are no more than these. */
    int found = 0;
    for (int i = 0; i < 100; i++) {
        unsigned char *again = filled(728, 1);
        for (int k = 0; k < 50; k++)
            found += blocks[k] == again;
    }
    ck_assert_int_eq(found, 50);
}
END_TEST

START_TEST(the_owner_outside_scopes_frees_as_another_would)
{
    unsigned char *small = filled(728, 1), *large = filled(300000, 2);
    unsigned char *aligned = t_memalign(512, 600);
    uint64_t before = alive();
    close_scope();
    t_free(small);
    t_free(large);
    t_free(aligned);
    open_scope();
    ck_assert_uint_eq(heap->alive, before);
    unsigned char *again = filled(728, 3);
    ck_assert(!plain || again == small);
    ck_assert_uint_eq(alive(), before - 3 + 1);
    t_free(again);
    check_heap();
}
END_TEST

/* With one scope after the other the heap starts afresh as soon as what was freed outside is in. */
START_TEST(frees_between_scopes_do_not_pile_up)
{
    for (int round = 0; round < 300; round++) {
        unsigned char *small[100], *large = filled(200000, 2);
        for (int i = 0; i < 100; i++)
            small[i] = filled(900, i);
        close_scope();
        for (int i = 0; i < 100; i++)
            t_free(small[i]);
        t_free(large);
        open_scope();
    }
    ck_assert(!plain || pages_touched() * PAGE_BYTES < 2 * MIB);
}
END_TEST

static void *live_and_leave(void *unused)
{
    leave_survivors();
    return unused;
}

static unsigned char *left_large;

static void *leave_large(void *unused)
{
    arena_scope_token token = open_kind("leaves", true);
    left_large = filled(4 * MIB, 5);
    arena_scope_end(token);
    return unused;
}

/* Nobody may come to take it. */
START_TEST(a_large_block_of_a_thread_that_is_gone_goes_back_when_it_is_freed)
{
    in_thread(leave_large, NULL);
    heap = &hot.thread->heap;
    ck_assert(holds_only(left_large, 4 * MIB, 5));
    uintptr_t start = (uintptr_t)left_large;
    ck_assert_uint_gt(resident_pages(start, 4 * MIB), 1000);
    t_free(left_large);
    ck_assert_uint_eq(resident_pages(start, 4 * MIB), 0);
}
END_TEST

START_TEST(survivors_outlive_their_thread)
{
    uint64_t late = stats_now()->late_frees;
    for (int round = 0; round < 10; round++) {
        in_thread(live_and_leave, NULL);
        free_survivors(NULL);
    }
    struct thread *other = thread_in_slot(1);
    ck_assert_ptr_nonnull(other);
    /* The slot's next owner takes what was freed after the last one was gone. */
    in_thread(live_and_leave, NULL);
    ck_assert_uint_eq(other->heap.alive, COUNT(survivors));
    ck_assert_uint_eq(stats_now()->late_frees - late, 10 * COUNT(survivors));
    ck_assert(!plain || other->heap.pages.count * PAGE_BYTES < 3 * MIB);
    free_survivors(NULL);
}
END_TEST

enum { HANDED = 20000, HANDERS = 3 };
static unsigned char *handed[HANDERS][HANDED];

static void *free_handed(void *which)
{
    for (size_t i = 0; i < HANDED; i++) {
        unsigned char *block;
        while (!(block = __atomic_load_n(&handed[(uintptr_t)which][i], __ATOMIC_ACQUIRE)))
            sched_yield();
        require(holds_only(block, 40 + i % 200, (unsigned char)i));
        t_free(block);
    }
    return NULL;
}

START_TEST(several_threads_free_while_the_owner_draws)
{
    pthread_t threads[HANDERS];
    memset(handed, 0, sizeof handed);
    for (uintptr_t i = 0; i < HANDERS; i++)
        require(pthread_create(&threads[i], NULL, free_handed, (void *)i) == 0);
    for (size_t i = 0; i < HANDED; i++)
        for (size_t k = 0; k < HANDERS; k++) {
            unsigned char *own = filled(40 + i % 200, 0xee);
            __atomic_store_n(&handed[k][i], filled(40 + i % 200, (int)(i & 255)), __ATOMIC_RELEASE);
            t_free(own);
        }
    for (size_t i = 0; i < HANDERS; i++)
        pthread_join(threads[i], NULL);
    t_free(t_malloc(100000));
    ck_assert_uint_eq(alive(), 0);
    check_heap();
    ck_assert_uint_eq(misuse_count(), 0);
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
        ck_assert_uint_eq(hot.limit, 0);
        unsigned char *sixth = filled(1000, 6);
        arena_scope_end(retain);
        ck_assert_uint_eq(hot.small, 0);
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
    ck_assert_uint_eq(alive(), 0);
}
END_TEST

START_TEST(realloc_across_the_kinds_moves_out)
{
    unsigned char *retained = filled(100, 1);
    arena_scope_token reset = open_kind("reset", false);
    unsigned char *dropped = memset(t_malloc(100), 2, 100);
    retained = t_realloc(retained, 40000);
    ck_assert(!block_is_ours(retained) && holds_only(retained, 100, 1));
    arena_scope_token retain = open_kind("within", true);
    unsigned char *smaller = t_realloc(dropped, 50);
    ck_assert(holds_only(smaller, 50, 2));
    dropped = t_realloc(smaller, 40000);
    ck_assert(!block_is_ours(dropped) && holds_only(dropped, 50, 2));
    arena_scope_end(retain);
    arena_scope_end(reset);
    t_free(retained);
    t_free(dropped);
    ck_assert_uint_eq(alive(), 0);
}
END_TEST

START_TEST(an_outer_token_ends_scopes_of_both_kinds)
{
    uint64_t left = stats_now()->left_open;
    arena_scope_token first = open_kind("left", true);
    filled(10, 1);
    open_kind("left", false);
    t_malloc(10);
    open_kind("left", true);
    unsigned char *last = filled(10, 1);
    arena_scope_end(first);
    ck_assert_uint_eq(hot.thread->depth, 1);
    ck_assert_uint_eq(stats_now()->left_open, left + 2);
    t_free(filled(10, 2));
    t_free(last);
    ck_assert_uint_eq(alive(), 1);
}
END_TEST

/* ---- starting afresh ------------------------------------------------------------------------- */

/* So many scopes, and what recent ones came to is noted. */
enum { WINDOW = 64 };

/* Ends scopes until the heap has begun anew, or could have. */
static void end_a_window(void)
{
    for (int i = 0; i < WINDOW; i++) {
        arena_scope_token token = open_kind("small", true);
        t_free(t_malloc(10));
        arena_scope_end(token);
    }
}

static void draw_and_free(size_t count, size_t size)
{
    unsigned char *blocks[600];
    for (size_t i = 0; i < count; i++)
        blocks[i] = filled(size, (int)i);
    for (size_t i = 0; i < count; i++)
        t_free(blocks[i]);
}

/* As soon as a scope comes to more than others did, and else once in a window. */
START_TEST(where_nothing_is_alive_bumping_begins_anew)
{
    close_scope();
    int anew = 0;
    for (int round = 0; round < 3 * WINDOW; round++) {
        open_scope();
        draw_and_free(600, 500 + (size_t)round % 5);
        ck_assert_uint_gt(heap->pages.used, 16);
        close_scope();
        ck_assert_uint_lt(heap->pages.used, 150);
        anew += heap->pages.used == 0;
        check_heap();
    }
    ck_assert_int_ge(anew, 3);
    ck_assert(!plain || anew < 10);
    open_scope();
}
END_TEST

START_TEST(after_more_than_usual_bumping_begins_anew)
{
    for (int round = 0; round < 10; round++) {
        draw_and_free(600, 500);
        close_scope();
        ck_assert_uint_lt(heap->pages.used, 150);
        open_scope();
    }
    draw_and_free(600, 20000);
    close_scope();
    ck_assert_uint_eq(heap->pages.used, 0);
    open_scope();
}
END_TEST

/* Nothing is alive then, so that the next scopes need little again. */
static void give_all_back(unsigned char *const *blocks, int count, void *kept)
{
    for (int i = 0; i < count; i++)
        t_free(blocks[i]);
    t_free(kept);
    close_scope();
    end_a_window();
    ck_assert_uint_le(heap->pages.used, 16);
    open_scope();
}

START_TEST(where_something_is_alive_all_of_it_stays)
{
    unsigned char *blocks[600], *kept;
    for (int i = 0; i < 600; i++)
        blocks[i] = filled(500, i);
    kept = blocks[300];
    blocks[300] = NULL;
    for (int i = 0; i < 600; i++)
        t_free(blocks[i]);
    close_scope();
    ck_assert_uint_gt(heap->pages.used, 16);
    open_scope();
    for (int i = 0; i < 600; i++)
        blocks[i] = filled(500, i);
    ck_assert(holds_only(kept, 500, (unsigned char)300));
    give_all_back(blocks, 600, kept);
}
END_TEST

/* A scope that drops around it: it is the outermost of its kind all the same. */
START_TEST(the_outermost_that_retains_starts_afresh)
{
    close_scope();
    outer = open_kind("reset", false);
    arena_scope_token retain = open_kind("within", true);
    unsigned char *blocks[600];
    for (int i = 0; i < 600; i++)
        blocks[i] = filled(500, i);
    arena_scope_token inner = open_kind("within", true);
    for (int i = 0; i < 600; i++)
        t_free(blocks[i]);
    arena_scope_end(inner);
    ck_assert_uint_gt(heap->pages.used, 16);
    arena_scope_end(retain);
    ck_assert_uint_eq(heap->pages.used, 0);
}
END_TEST

/* As a handler makes it that comes when a free has read hot.freed and not stored it. */
START_TEST(a_count_in_which_a_handler_has_come_gives_nothing_away)
{
    if (!COUNTS_SPLIT || !plain) {
        leave_out("a handler in the middle of a count", "none comes there");
        return;
    }
    unsigned char *blocks[700], *kept = filled(500, 7);
    for (int i = 0; i < 600; i++)
        blocks[i] = filled(500, i);
    for (int i = 0; i < 598; i++)
        t_free(blocks[i]);
    ck_assert_uint_eq(alive(), 3);
    t_free(blocks[598]);
    ck_assert(hot.freed == 1 && hot.small == RETAIN_SMALL);
    hot.small = 0;
    arena_scope_end(open_kind("handler", true));
    hot.small = RETAIN_SMALL;
    t_free(blocks[599]);
    hot.freed = 2;
    close_scope();
    open_scope();
    for (int i = 0; i < 700; i++)
        blocks[i] = filled(500, 9);
    ck_assert(holds_only(kept, 500, 7));
    ck_assert_uint_eq(alive(), 701);
    check_heap();
    give_all_back(blocks, 700, kept);
}
END_TEST

START_TEST(what_recent_scopes_came_to_stays_warm)
{
    for (int round = 0; round < 70; round++) {
        size_t size = round == 0 ? 20 * MIB : 3 * MIB;
        unsigned char *large = filled(size, 1);
        t_free(large);
        close_scope();
        open_scope();
        if (round == 0) /* once is not often */
            ck_assert_uint_le(heap->pages.warm, pages_for(2 * MIB));
        else if (round > 1)
            ck_assert(!plain || heap->pages.warm >= pages_for(3 * MIB));
    }
    for (int round = 0; round < 140; round++) { /* two windows more */
        t_free(filled(3 * MIB, 1));
        close_scope();
        open_scope();
    }
    ck_assert_uint_le(heap->pages.warm, pages_for(7 * MIB));
}
END_TEST

/* One block that stays is no reason to keep what lies around it. */
START_TEST(a_survivor_keeps_no_peak)
{
    enum { BLOCKS = 600 };
    unsigned char *blocks[BLOCKS], *survivor = NULL;
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = filled(20000, i);
        if (i == BLOCKS / 2)
            survivor = filled(100, 7);
    }
    for (int i = 0; i < BLOCKS; i++)
        t_free(blocks[i]);
    close_scope();
    ck_assert(!plain || pages_touched() < pages_for(3 * MIB));
    open_scope();
    ck_assert(holds_only(survivor, 100, 7));
    t_free(survivor);
    check_heap();
}
END_TEST

START_TEST(past_a_set_capacity_memory_goes_back_at_the_outermost_end)
{
    fixed.config.capacity_is_set = true;
    t_free(filled(2 * CAPACITY, 1));
    ck_assert(!plain || heap->pages.warm >= 2 * CAPACITY / PAGE_BYTES);
    arena_scope_token inner = open_kind("inner", true);
    t_free(filled(10, 1));
    arena_scope_end(inner);
    ck_assert(!plain || heap->pages.warm + heap->pages.used >= 2 * CAPACITY / PAGE_BYTES);
    close_scope();
    ck_assert_uint_le((heap->pages.warm + heap->pages.used) * PAGE_BYTES, CAPACITY);
    open_scope();
}
END_TEST

/* ---- sweeping -------------------------------------------------------------------------------- */

START_TEST(a_sweep_makes_neighbours_one)
{
    if (!plain)
        return;
    unsigned char *blocks[20], *ends[2];
    ends[0] = filled(696, 1);
    for (int i = 0; i < 20; i++)
        blocks[i] = filled(696, i);
    ends[1] = filled(696, 2);
    ck_assert_ptr_eq(blocks[19] + 704, ends[1]);
    for (int i = 0; i < 20; i++)
        t_free(blocks[i]);
    retain_sweep(hot.thread);
    check_heap();
    ck_assert(is_listed((uintptr_t)blocks[0]));
    for (int i = 1; i < 20; i++)
        ck_assert(!is_listed((uintptr_t)blocks[i]));
    ck_assert_uint_eq(t_usable(blocks[0]), 20 * 704 - 8);
    ck_assert(holds_only(ends[0], 696, 1) && holds_only(ends[1], 696, 2));
    /* And the room is used. */
    unsigned char *wide = filled(13000, 3);
    ck_assert(wide >= ends[0] && wide < ends[1] + 4 * PAGE_BYTES * 16);
    ck_assert(holds_only(ends[0], 696, 1) && holds_only(ends[1], 696, 2));
    t_free(wide);
    t_free(ends[0]);
    t_free(ends[1]);
}
END_TEST

/* Small pieces go to the lists, and from there to the next call of their class. */
START_TEST(a_sweep_lists_small_pieces)
{
    if (!plain)
        return;
    unsigned char *blocks[300];
    for (int i = 0; i < 300; i++)
        blocks[i] = filled(40, i);
    for (int i = 0; i < 300; i += 3) {
        t_free(blocks[i]);
        t_free(blocks[i + 1]);
    }
    retain_sweep(hot.thread);
    check_heap();
    unsigned char *pair = filled(88, 1); /* two of 48 */
    bool found = false;
    for (int i = 0; i < 300; i += 3)
        found = found || pair == blocks[i];
    ck_assert(found);
    for (int i = 2; i < 300; i += 3) {
        ck_assert(holds_only(blocks[i], 40, (unsigned char)i));
        t_free(blocks[i]);
    }
    t_free(pair);
    retain_sweep(hot.thread);
    check_heap();
    ck_assert_uint_eq(heap->pages.used, 0);
}
END_TEST

START_TEST(a_sweep_gives_empty_pages_back)
{
    enum { BLOCKS = 3000 };
    static unsigned char *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = filled(800, i);
    size_t used = heap->pages.used;
    for (int i = 0; i < BLOCKS - 1; i++)
        t_free(blocks[i]);
    retain_sweep(hot.thread);
    check_heap();
    ck_assert_uint_lt(heap->pages.used, used / 4);
    ck_assert_uint_eq(heap->pages.used, heap->shared_pages);
    ck_assert(holds_only(blocks[BLOCKS - 1], 800, (unsigned char)(BLOCKS - 1)));
    t_free(blocks[BLOCKS - 1]);
}
END_TEST

/* A run that is given back becomes one with free neighbours of whatever length: what is behind them
 * is swept all the same. */
START_TEST(a_sweep_goes_on_behind_what_it_gives_back)
{
    enum { BLOCKS = 64 };
    if (!plain)
        return;
    static unsigned char *runs[4][BLOCKS], *large[4], *pieces[4];
    for (int run = 0; run < 4; run++) {
        for (int i = 0; i < BLOCKS; i++)
            runs[run][i] = filled(1000, run);
        while (heap->cursor < heap->end)
            filled(1000, 9);
        large[run] = filled(40000, run + 10);
        large[run] = t_realloc(large[run], 36000); /* leaves a page or two behind it */
        pieces[run] = filled(40000, run + 20);
    }
    for (int gone = 0; gone < 3; gone++) {
        t_free(large[gone]);
        for (int i = 0; i < BLOCKS; i++)
            t_free(runs[gone][i]);
        retain_sweep(hot.thread);
        check_heap();
    }
    for (int i = 0; i < BLOCKS; i++)
        ck_assert(holds_only(runs[3][i], 1000, 3));
    for (int run = 0; run < 4; run++)
        ck_assert(holds_only(pieces[run], 40000, (unsigned char)(run + 20)));
}
END_TEST

START_TEST(a_free_run_of_one_page_behind_a_run_that_goes)
{
    struct pages *pages = &heap->pages;
    if (!plain)
        return;
    unsigned char *first = filled(1000, 1);
    uint32_t run = pages_index(pages, (uintptr_t)first), length = pages->table[run].length;
    unsigned char *large = filled(9 * PAGE_BYTES + 1000, 2), *last = filled(PAGE_BYTES * 20, 3);
    ck_assert_uint_eq(pages_index(pages, (uintptr_t)large), run + length);
    pages_cut(pages, run + length, 1); /* as when an aligned block begins there */
    ck_assert_uint_eq(pages->table[run + length].length, 1);
    t_free(first);
    unsigned char *living[80]; /* a shared run behind */
    for (int i = 0; i < 80; i++)
        living[i] = filled(900, i);
    for (int i = 0; i < 80; i++)
        if ((uintptr_t)living[i] < (uintptr_t)large)
            t_free(living[i]);
    for (int i = 0; i < 80; i++)
        if ((uintptr_t)living[i] > (uintptr_t)large && i % 2)
            t_free(living[i]);
    size_t shared = heap->shared_pages;
    retain_sweep(hot.thread);
    ck_assert_uint_eq(heap->shared_pages, shared - length);
    check_heap();
    ck_assert(holds_only(last, PAGE_BYTES * 20, 3));
}
END_TEST

START_TEST(a_sweep_leaves_remote_blocks_alone)
{
    unsigned char *blocks[100];
    for (int i = 0; i < 100; i++)
        blocks[i] = filled(500, i);
    close_scope();
    for (int i = 0; i < 100; i += 2)
        t_free(blocks[i]);
    open_scope();
    uintptr_t remote = heap->remote;
    ck_assert_uint_ne(remote, 0);
    heap->remote = 0; /* as if they were pushed while it sweeps */
    retain_sweep(hot.thread);
    for (int i = 0; i < 100; i++)
        ck_assert(!is_listed((uintptr_t)blocks[i]));
    heap->remote = remote;
    for (int i = 1; i < 100; i += 2) {
        ck_assert(holds_only(blocks[i], 500, (unsigned char)i));
        t_free(blocks[i]);
    }
    retain_sweep(hot.thread);
    check_heap();
    ck_assert_uint_eq(alive(), 0);
    ck_assert_uint_eq(heap->pages.used, 0);
}
END_TEST

START_TEST(a_trim_gives_all_free_pages_back)
{
    enum { BLOCKS = 3000 };
    static unsigned char *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = filled(800, i);
    t_free(filled(2 * MIB, 1));
    for (int i = 1; i < BLOCKS; i++)
        t_free(blocks[i]);
    ck_assert(retain_trim(hot.thread, 0));
    ck_assert_uint_eq(heap->pages.warm, 0);
    ck_assert(!plain || heap->pages.used <= 64);
    ck_assert(holds_only(blocks[0], 800, 0));
    check_heap();
    for (int i = 1; i < BLOCKS; i++)
        blocks[i] = filled(800, i);
    for (int i = 0; i < BLOCKS; i++) {
        ck_assert(holds_only(blocks[i], 800, (unsigned char)i));
        t_free(blocks[i]);
    }
}
END_TEST

/* ---- fork ------------------------------------------------------------------------------------ */

static unsigned char *orphans[2000];
static volatile int stage;

static void *hold_blocks(void *unused)
{
    arena_scope_token token = open_kind("orphans", true);
    for (size_t i = 0; i < COUNT(orphans); i++)
        orphans[i] = filled(i % 100 ? i % 900 : 50000, (int)i);
    for (size_t i = 0; i < COUNT(orphans); i += 3) {
        t_free(orphans[i]);
        orphans[i] = NULL;
    }
    stage = 1;
    while (stage == 1)
        sched_yield();
    arena_scope_end(token);
    return unused;
}

static void look_at_orphans(void)
{
    for (size_t i = 0; i < COUNT(orphans); i++)
        if (orphans[i])
            require(holds_only(orphans[i], i % 100 ? i % 900 : 50000, (unsigned char)i));
}

/* The next owner of an orphan's slot: draws through all that is free there. */
static void *inherit(void *slot)
{
    arena_scope_token token = open_kind("heir", true);
    require(hot.thread == slot);
    unsigned char *drawn[500];
    for (size_t i = 0; i < COUNT(drawn); i++)
        drawn[i] = filled(i % 50 ? 700 : 60000, 0xdd);
    look_at_orphans();
    require(!heap->unsure);
    check_heap();
    for (size_t i = 0; i < COUNT(drawn); i++)
        t_free(drawn[i]);
    for (size_t i = 0; i < COUNT(orphans); i++)
        t_free(orphans[i]);
    require(alive() == 0);
    arena_scope_end(token);
    require(!plain || heap->pages.used == 0); /* else it is as large as usual, perhaps */
    return NULL;
}

START_TEST(a_fork_child_goes_on_with_the_heaps_of_others)
{
    pthread_t thread;
    stage = 0;
    require(pthread_create(&thread, NULL, hold_blocks, NULL) == 0);
    while (stage == 0)
        sched_yield();
    unsigned char *own = filled(100, 1);
    struct thread *slot = thread_in_slot(1);
    pid_t child = fork();
    if (child == 0) {
        look_at_orphans();
        t_free(orphans[1]);
        orphans[1] = NULL;
        require(holds_only(own, 100, 1));
        t_free(own);
        t_free(filled(100, 1));
        in_thread(inherit, slot);
        require(misuse_count() == 0);
        _exit(0);
    }
    int status;
    require(waitpid(child, &status, 0) == child);
    ck_assert_int_eq(status, 0);
    stage = 2;
    pthread_join(thread, NULL);
    for (size_t i = 0; i < COUNT(orphans); i++)
        t_free(orphans[i]);
    t_free(own);
}
END_TEST

/* ---- overflow -------------------------------------------------------------------------------- */

static struct site_stats overflows(void)
{
    stats_now();
    return site_named("retain");
}

START_TEST(overflow_is_counted_when_the_limit_is_met)
{
    struct site_stats before = overflows();
    /* A checker's arenas have more room. */
    enum { BLOCKS = 300 };
    static void *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++)
        ck_assert_ptr_nonnull(blocks[i] = t_malloc(MIB));
    ck_assert(!block_is_ours(blocks[BLOCKS - 1]));
    struct site_stats after = overflows();
    uint64_t outside = 0;
    for (int i = 0; i < BLOCKS; i++) {
        outside += !block_is_ours(blocks[i]);
        t_free(blocks[i]);
    }
    ck_assert_uint_eq(after.fallbacks - before.fallbacks, outside);
    ck_assert_uint_eq(after.overflows - before.overflows, outside);
}
END_TEST

START_TEST(fallback_past_a_set_capacity)
{
    fixed.config.capacity_is_set = true;
    fixed.config.overflow = OVERFLOW_FALLBACK;
    struct site_stats before = overflows();
    void *blocks[40];
    uint64_t outside = 0;
    for (int i = 0; i < 40; i++) {
        blocks[i] = i % 2 ? t_calloc(1, 50000) : t_memalign(128, 50000);
        ck_assert(blocks[i] && is_aligned(blocks[i], i % 2 ? 16 : 128));
        ck_assert(!(i % 2) || holds_only(blocks[i], 50000, 0));
        memset(blocks[i], i, 50000);
        outside += !block_is_ours(blocks[i]);
    }
    ck_assert_uint_ge(outside, 20);
    ck_assert_uint_lt(outside, 30);
    ck_assert_uint_le(heap->pages.used * PAGE_BYTES, CAPACITY);
    struct site_stats after = overflows();
    ck_assert_uint_eq(after.fallbacks - before.fallbacks, outside);
    ck_assert_uint_eq(after.overflows - before.overflows, outside);
    for (int i = 0; i < 40; i++) {
        ck_assert(holds_only(blocks[i], 50000, (unsigned char)i));
        t_free(blocks[i]);
    }
    void *again = t_malloc(50000);
    ck_assert(block_is_ours(again));
    t_free(again);
}
END_TEST

START_TEST(error_past_a_set_capacity)
{
    fixed.config.capacity_is_set = true;
    fixed.config.overflow = OVERFLOW_ERROR;
    size_t room = retain_room(hot.thread);
    uint64_t before = overflows().overflows;
    errno = 0;
    ck_assert_ptr_null(t_malloc(room));
    ck_assert_int_eq(errno, ENOMEM);
    unsigned char *block = filled(plain ? room - PAGE_BYTES : room / 2, 1);
    ck_assert(!plain || retain_room(hot.thread) == 0);
    errno = 0;
    ck_assert_ptr_null(t_realloc(block, room + 1));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert(holds_only(block, room / 2, 1));
    errno = 0;
    ck_assert_ptr_null(t_calloc(1, room));
    ck_assert_ptr_null(t_memalign(64, room));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_uint_eq(overflows().overflows, before + 4);
    t_free(block);
    ck_assert_uint_eq(retain_room(hot.thread), room);
    block = filled(plain ? room - PAGE_BYTES : room / 2, 1);
    t_free(block);
}
END_TEST

/* What has been freed, in whatever sizes, serves before anything is refused. */
START_TEST(nothing_is_refused_while_there_is_room)
{
    static const size_t drawn[] = {40, 1000, 5000}, wanted[] = {100000, 20000, 3000, 500};
    enum { BLOCKS = 40000 };
    static unsigned char *blocks[BLOCKS];
    fixed.config.capacity_is_set = true;
    fixed.config.overflow = OVERFLOW_ERROR;
    for (size_t i = 0; i < COUNT(drawn); i++)
        for (size_t k = 0; k < COUNT(wanted); k++) {
            size_t count = 0;
            while (count < BLOCKS && (blocks[count] = t_malloc(drawn[i])) != NULL)
                memset(blocks[count], (int)count, drawn[i]), count++;
            ck_assert_uint_gt(count, 20);
            size_t stay = k % 2 ? count / 2 : 0; /* the first of them */
            for (size_t m = stay; m < count; m++)
                t_free(blocks[m]);
            unsigned char *block = t_malloc(wanted[k]);
            ck_assert(!plain || block != NULL);
            for (size_t m = 0; m < stay; m++) {
                ck_assert(holds_only(blocks[m], drawn[i], (unsigned char)m));
                t_free(blocks[m]);
            }
            t_free(block);
            check_heap();
        }
}
END_TEST

START_TEST(a_larger_free_block_serves_where_no_other_room_is)
{
    enum { BLOCKS = 20000 };
    static unsigned char *blocks[BLOCKS];
    size_t count = 0;
    fixed.config.capacity_is_set = true;
    fixed.config.overflow = OVERFLOW_ERROR;
    while (count < BLOCKS && (blocks[count] = t_malloc(600)) != NULL)
        memset(blocks[count], (int)count, 600), count++;
    while (t_malloc(10)) /* in what is left */
        continue;
    for (size_t i = 0; i < count; i += 2)
        t_free(blocks[i]);
    for (size_t i = 0; i < count / 2; i++) {
        unsigned char *block = t_malloc(100);
        ck_assert(!plain || block != NULL);
        if (block)
            memset(block, 0xee, 100);
    }
    for (size_t i = 1; i < count; i += 2)
        ck_assert(holds_only(blocks[i], 600, (unsigned char)i));
    check_heap();
}
END_TEST

START_TEST(grow_past_a_set_capacity)
{
    fixed.config.capacity_is_set = true;
    struct site_stats before = overflows();
    unsigned char *block = filled(CAPACITY / 2, 1), *second = filled(CAPACITY, 2);
    struct site_stats after = overflows();
    ck_assert_uint_eq(after.overflows - before.overflows, 1);
    ck_assert_uint_eq(after.fallbacks, before.fallbacks);
    ck_assert_uint_ge(stats_now()->need, CAPACITY / 2 + CAPACITY);
    t_free(block);
    t_free(second);
}
END_TEST

/* A block that grows where it lies, or moves with its pages, takes room like any other. */
START_TEST(growing_large_blocks_overflow_too)
{
    static const enum overflow_policy policies[] = {OVERFLOW_GROW, OVERFLOW_FALLBACK,
                                                    OVERFLOW_ERROR};
    fixed.config.capacity_is_set = true;
    if (!plain)
        return;
    for (int way = 0; way < 2; way++)
        for (size_t i = 0; i < COUNT(policies); i++) {
            fixed.config.overflow = policies[i];
            unsigned char *block = filled(CAPACITY / 4, 1);
            unsigned char *behind = way ? filled(40000, 2) : NULL;
            uint64_t before = overflows().overflows;
            unsigned char *grown = t_realloc(block, 2 * CAPACITY);
            ck_assert_uint_ge(overflows().overflows, before + 1);
            ck_assert_uint_le(overflows().overflows, before + 1);
            ck_assert((grown != NULL) == (policies[i] != OVERFLOW_ERROR));
            if (grown)
                ck_assert(block_is_ours(grown) == (policies[i] == OVERFLOW_GROW));
            ck_assert(holds_only(grown ? grown : block, CAPACITY / 4, 1));
            t_free(grown ? grown : block);
            t_free(behind);
        }
}
END_TEST

static void overflow_with_abort(void)
{
    static struct capture capture;
    start_with(CAPACITY, 16, false);
    fixed.config.overflow = OVERFLOW_ABORT;
    outer = open_kind("the label", true);
    filled(100, 1);
    capture_start(&capture);
    pid_t child = fork();
    if (child == 0) {
        t_malloc(CAPACITY);
        _exit(0);
    }
    int status;
    require(waitpid(child, &status, 0) == child);
    const char *said = capture_end(&capture);
    require(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    require(strstr(said, "overflow: 1048576 bytes do not fit in the ") != NULL);
    require(strstr(said, " left of a capacity of 1048576; scope 'the label'") != NULL);
}

START_TEST(abort_says_why_and_aborts)
{
    ck_assert_fresh("overflow_with_abort");
}
END_TEST

/* ---- the capacity that is recommended -------------------------------------------------------- */

/* The same calls for the same seed, whatever the addresses are. */
static void work(uint64_t seed)
{
    enum { BLOCKS = 500 };
    static unsigned char *blocks[BLOCKS];
    size_t largest = seed % 3 == 0 ? 900 : seed % 3 == 1 ? 20000 : 300000;
    model_random = seed * 7919 + 1;
    for (int scope = 0; scope < 4; scope++) {
        arena_scope_token token = open_kind("work", true);
        for (int i = 0; i < 4000; i++) {
            size_t k = below(BLOCKS), size = 1 + below(below(8) ? 900 : largest);
            size_t kind = below(10);
            if (kind < 4) {
                t_free(blocks[k]);
                blocks[k] = t_malloc(size);
            } else if (kind < 6) {
                blocks[k] = t_realloc(blocks[k], size);
            } else if (kind < 7) {
                t_free(blocks[k]);
                blocks[k] = t_memalign((size_t)32 << below(10), size);
            } else {
                t_free(blocks[k]);
                blocks[k] = NULL;
            }
        }
        for (size_t k = 0; k < BLOCKS; k++)
            if (scope % 2 || k % 2) {
                t_free(blocks[k]);
                blocks[k] = NULL;
            }
        arena_scope_end(token);
    }
    for (size_t k = 0; k < BLOCKS; k++)
        t_free(blocks[k]);
}

struct came_to {
    uint64_t recommended, overflows;
};

/* A process that does the work with this capacity, 0 for what is needed. */
static struct came_to work_in_a_child(uint64_t seed, size_t capacity, enum overflow_policy policy)
{
    int ends[2];
    struct came_to result = {0};
    require(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        start_with(capacity ? capacity : CAPACITY, seed % 2 ? 64 : 16, capacity == 0);
        fixed.config.overflow = policy;
        work(seed);
        const struct stats *stats = stats_now();
        result = (struct came_to){stats_recommended_capacity(stats), stats->all_sites.overflows};
        require(write(ends[1], &result, sizeof result) == sizeof result);
        _exit(0);
    }
    int status;
    require(waitpid(child, &status, 0) == child && status == 0);
    require(read(ends[0], &result, sizeof result) == sizeof result);
    close(ends[0]);
    close(ends[1]);
    return result;
}

/* What is recommended is an estimate. Where a sanitizer's process comes out otherwise, a further
 * run may have to correct it a little. */
static bool is_enough(uint64_t seed, size_t capacity, enum overflow_policy policy)
{
    for (int corrections = 0; corrections < (SANITIZED ? 3 : 1); corrections++) {
        struct came_to run = work_in_a_child(seed, capacity, policy);
        if (run.overflows == 0)
            return true;
        capacity += run.recommended > capacity ? run.recommended - capacity : capacity / 16;
    }
    return false;
}

static void work_with_capacities(void)
{
    uint64_t seed = (uint64_t)atoi(fresh_argument);
    struct came_to free = work_in_a_child(seed, 0, OVERFLOW_GROW);
    require(free.overflows == 0);
    require(is_enough(seed, free.recommended, OVERFLOW_GROW));
    require(is_enough(seed, free.recommended, OVERFLOW_FALLBACK));
    require(SANITIZED || is_enough(seed, free.recommended, OVERFLOW_ABORT));
    /* Up to a quarter of a heap that may grow is free when it is swept. */
    size_t less = free.recommended * 5 / 8 & ~(size_t)4095;
    require(work_in_a_child(seed, less, OVERFLOW_GROW).overflows > 0);
    require(work_in_a_child(seed, less, OVERFLOW_FALLBACK).overflows > 0);
    /* A run with too little, which sweeps more, recommends more than it had. */
    require(work_in_a_child(seed, less, OVERFLOW_GROW).recommended > less);
}

START_TEST(the_recommended_capacity_is_enough)
{
    char seed[8];
    snprintf(seed, sizeof seed, "%d", _i);
    if (!track_emulated())
        ck_assert_int_eq(run_fresh_with("work_with_capacities", seed), 0);
}
END_TEST

/* ---- misuse ---------------------------------------------------------------------------------- */

static const char *said_by_free(void *block)
{
    static struct capture capture;
    capture_start(&capture);
    t_free(block);
    return capture_end(&capture);
}

/* What is said of the first misuse of its kind, in a process of its own. */
static void free_twice(void)
{
    static const size_t sizes[] = {100, 100, 5000, 50000, 300000};
    int way = atoi(fresh_argument);
    start_once();
    open_scope();
    unsigned char *before = filled(sizes[way], 7);
    unsigned char *block = way == 1 ? t_memalign(256, 100) : filled(sizes[way], 1);
    unsigned char *after = filled(sizes[way], 8);
    t_free(before); /* so that its pages become one with those in front */
    t_free(block);
    uint64_t count = alive();
    uint32_t used = heap->pages.used;
    require(strstr(said_by_free(block), "double free") != NULL);
    require(misuse_count() == 1);
    said_by_free(block);
    require(misuse_count() == 2);
    require(alive() == count && heap->pages.used == used);
    require(holds_only(after, sizes[way], 8));
    unsigned char *first = filled(sizes[way], 2), *second = filled(sizes[way], 3);
    require(first != second && holds_only(first, sizes[way], 2));
    require(holds_only(after, sizes[way], 8));
    check_heap();
}

START_TEST(a_double_free_is_one_line_and_counted)
{
    char way[8];
    snprintf(way, sizeof way, "%d", _i);
    ck_assert_int_eq(run_fresh_with("free_twice", way), 0);
}
END_TEST

/* One of two threads comes too late. */
static void free_after_another_thread(void)
{
    start_once();
    open_scope();
    void *small = filled(100, 1), *large = filled(100000, 2), *aligned = t_memalign(512, 9);
    void *blocks[] = {small, large, aligned};
    for (size_t i = 0; i < COUNT(blocks); i++) {
        in_thread(free_it, blocks[i]);
        said_by_free(blocks[i]);
        require(misuse_count() == i + 1);
    }
    t_free(t_malloc(100000));
    require(alive() == 0);
    check_heap();
}

START_TEST(a_free_after_another_threads_is_a_double_one)
{
    ck_assert_fresh("free_after_another_thread");
}
END_TEST

static void free_what_is_no_block(void)
{
    start_once();
    open_scope();
    unsigned char *large = filled(100000, 0), *small = filled(100, 0);
    filled(10, 1);
    uint32_t used = heap->pages.used;
    uint64_t count = alive();
    require(strstr(said_by_free(large + 16), "not a block") != NULL); /* inside a large block */
    said_by_free(large + 50000);                                      /* in another of its pages */
    said_by_free(small + 8);                                          /* misaligned */
    said_by_free(small + 16); /* where a header would be 0 */
    require(misuse_count() == 4);
    require(heap->pages.used == used && alive() == count);
    require(holds_only(large, 100000, 0));
    t_free(large);
    t_free(small);
    require(misuse_count() == 4);
}

START_TEST(what_is_no_block_is_not_freed)
{
    ck_assert_fresh("free_what_is_no_block");
}
END_TEST

START_TEST(successful_calls_keep_errno)
{
    errno = ERANGE;
    unsigned char *small = t_malloc(10), *large = t_malloc(5 * MIB);
    large = t_realloc(large, 9 * MIB);
    in_thread(free_it, small);
    t_free(large);
    t_free(t_memalign(4096, 10));
    close_scope();
    open_scope();
    ck_assert_int_eq(errno, ERANGE);
}
END_TEST

/* ---- random operations ----------------------------------------------------------------------- */

struct live {
    unsigned char *block;
    size_t size;
    size_t alignment;
    unsigned char mark;
    size_t scope; /* the depth of the scope that will drop it, plus 1; 0: none */
};

enum { LIVE = 600, DEPTH = 8 };
static struct live live[LIVE];
static size_t live_count;
static arena_scope_token tokens[DEPTH];
static bool retains[DEPTH];
static size_t depth;

static size_t any_size(void)
{
    static const size_t bounds[] = {50, 200, 200, 1100, 2000, 20000, 100000, 2000000};
    return below(bounds[below(below(8) ? 5 : COUNT(bounds))]);
}

static bool is_dropped(const void *block)
{
    return block_is_ours(block) && !retain_holds(block);
}

static void look_at_live(const struct live *at)
{
    require(holds_only(at->block, at->size, at->mark));
    require(is_aligned(at->block, at->alignment));
    require(t_usable(at->block) >= at->size);
}

static void forget(size_t k)
{
    live[k] = live[--live_count];
}

static void model_draw(void)
{
    size_t size = any_size(), kind = below(6);
    size_t alignment = kind < 5 ? fixed.config.align : (size_t)16 << below(below(20) ? 9 : 18);
    if (live_count == LIVE)
        return;
    unsigned char *block = kind < 3   ? t_malloc(size)
                           : kind < 5 ? t_calloc(1, size)
                                      : t_memalign(alignment, size);
    if (!block) {
        require(fixed.config.overflow == OVERFLOW_ERROR && errno == ENOMEM);
        return;
    }
    if (!block_is_ours(block) && alignment < 64 && depth == 0)
        alignment = 16; /* the next allocator's own */
    if (kind >= 3 && kind < 5)
        require(holds_only(block, size, 0));
    unsigned char mark = (unsigned char)below(256);
    struct live new = {block, size, depth > 0 ? alignment : 16, mark,
                       is_dropped(block) ? depth : 0};
    memset(block, mark, t_usable(block));
    look_at_live(&new);
    live[live_count++] = new;
}

static void model_resize(struct live *at)
{
    size_t size = any_size() + 1;
    bool was_ours = block_is_ours(at->block);
    look_at_live(at);
    unsigned char *block = t_realloc(at->block, size);
    if (!block) {
        require(fixed.config.overflow == OVERFLOW_ERROR);
        look_at_live(at);
        return;
    }
    require(holds_only(block, size < at->size ? size : at->size, at->mark));
    /* In place it is still the scope's that drew it. */
    if (!is_dropped(block))
        at->scope = 0;
    else if (block != at->block)
        at->scope = depth;
    at->alignment = was_ours && block_is_ours(block) ? fixed.config.align : 16;
    at->block = block;
    at->size = size;
    memset(block, at->mark, size);
    look_at_live(at);
}

static void model_end(void)
{
    for (size_t k = live_count; k-- > 0;)
        if (live[k].scope == depth) {
            look_at_live(&live[k]);
            forget(k);
        }
    arena_scope_end(tokens[--depth]);
}

static void *free_some(void *unused)
{
    for (int i = 0; i < 10 && live_count > 0; i++) {
        size_t k = below(live_count);
        if (live[k].scope == 0) {
            look_at_live(&live[k]);
            t_free(live[k].block);
            forget(k);
        }
    }
    return unused;
}

static void model_step(void)
{
    size_t kind = below(1000), k = live_count ? below(live_count) : 0;
    if (kind < 420) {
        model_draw();
    } else if (kind < 760 && live_count > 0) {
        look_at_live(&live[k]);
        t_free(live[k].block);
        forget(k);
    } else if (kind < 840 && live_count > 0) {
        model_resize(&live[k]);
    } else if (kind < 900 && depth < DEPTH) {
        retains[depth] = below(3) != 0;
        tokens[depth] = open_kind(retains[depth] ? "model" : "model reset", retains[depth]);
        depth++;
    } else if (kind < 960 && depth > 0) {
        model_end();
    } else if (kind < 970) {
        in_thread(free_some, NULL);
    } else if (kind < 975 && depth > 0 && retains[depth - 1]) {
        check_heap();
    } else if (kind < 977 && hot.thread) {
        if (depth == 0 || retains[depth - 1])
            retain_trim(hot.thread, below(2) ? 0 : MIB);
    } else if (kind < 985 && depth > 0) {
        arena_scope_pause();
        void *outside = t_malloc(100);
        require(!block_is_ours(outside));
        if (live_count > 0) {
            look_at_live(&live[k]);
            t_free(live[k].block);
            forget(k);
        }
        t_free(outside);
        arena_scope_resume();
    } else if (live_count > 0) {
        look_at_live(&live[k]);
    }
}

/* The settings follow from the seed: policies, a set capacity, the floor of alignments. */
static void run_model(void)
{
    int seed = atoi(fresh_argument);
    if (seed >= 12)
        setenv("ARENASHIM_DEBUG", seed % 2 ? "verify" : "poison,verify", 1);
    start_with((size_t)(seed % 3 == 2 ? 2 : 1) * MIB, seed % 2 ? 64 : 16, seed < 4);
    fixed.config.overflow = seed < 4 ? OVERFLOW_GROW : (enum overflow_policy)(seed / 2 % 3);
    model_random = 88172645463325252U + (uint64_t)seed * 7777777;
    for (int i = 0; i < 100000 / (track_emulated() ? 20 : 1); i++)
        model_step();
    while (depth > 0)
        model_end();
    while (live_count > 0) {
        look_at_live(&live[live_count - 1]);
        t_free(live[--live_count].block);
    }
    outer = open_kind("last", true);
    t_free(t_malloc(100000)); /* takes what was freed outside */
    require(alive() == 0);
    check_heap();
    close_scope();
    end_a_window();
    require(!plain || heap->pages.used <= 16);
    require(stats_now()->misuses == 0);
}

START_TEST(random_operations)
{
    char seed[8];
    snprintf(seed, sizeof seed, "%d", _i);
    ck_assert_int_eq(run_fresh_with("run_model", seed), 0);
}
END_TEST

/* ---- suite ----------------------------------------------------------------------------------- */

static TCase *group(Suite *suite, const char *name)
{
    TCase *tcase = tcase_create(name);
    tcase_add_checked_fixture(tcase, open_scope, tear_down);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    return tcase;
}

static Suite *retain_suite(void)
{
    Suite *suite = suite_create("retain");
    TCase *routing = group(suite, "routing");
    tcase_add_test(routing, every_form_is_routed);
    tcase_add_test(routing, calloc_zeroes_all_that_may_be_used);
    tcase_add_test(routing, out_of_scope_and_in_a_pause_calls_go_on);
    tcase_add_test(routing, a_pause_is_of_its_scope_alone);
    tcase_add_test(routing, what_nobody_can_have_is_refused);

    TCase *classes = group(suite, "classes");
    tcase_add_test(classes, of_a_class_the_last_freed_comes_first);
    tcase_add_test(classes, a_class_serves_its_own_sizes_alone);
    tcase_add_test(classes, larger_classes_waste_little);
    tcase_add_test(classes, freed_memory_comes_back_inside_the_scope);

    TCase *contents = group(suite, "contents");
    tcase_add_test(contents, blocks_do_not_overlap_and_stay_after_the_end);
    tcase_add_test(contents, alignments_up_to_several_mebibytes);
    tcase_add_test(contents, an_aligned_block_is_resized_by_moving_what_it_holds);
    tcase_add_test(contents, zeroed_blocks_are_zero);
    tcase_add_test(contents, zeroed_where_others_have_been);
    tcase_add_test(contents, fresh_large_calloc_touches_nothing);

    TCase *large = group(suite, "large");
    tcase_add_test(large, a_large_block_uses_its_pages_again);
    tcase_add_test(large, a_large_block_that_shrinks_gives_pages_back);
    tcase_add_test(large, a_large_block_grows_into_what_is_free_behind);
    tcase_add_test(large, a_large_block_moves_with_its_pages);
    tcase_add_test(large, a_large_block_in_several_mappings_moves_all_the_same);
    tcase_add_test(large, blocks_move_again_and_again);

    TCase *resizing = group(suite, "realloc");
    tcase_add_test(resizing, the_newest_is_resized_in_place);
    tcase_add_test(resizing, an_older_block_shrinks_in_place_and_its_rest_is_used);
    tcase_add_test(resizing, too_small_a_rest_stays_with_its_block);
    tcase_add_test(resizing, a_block_smaller_than_its_class_shrinks_no_further);
    tcase_add_test(resizing, realloc_to_0_frees);
    tcase_add_test(resizing, out_of_scope_a_block_moves_out);
    tcase_add_test(resizing, in_a_pause_a_block_moves_out);
    tcase_add_test(resizing, growth_in_small_steps_is_linear);
    tcase_add_test(resizing, room_to_grow_is_used_step_by_step);
    tcase_add_test(resizing, a_large_block_that_becomes_small_gives_its_pages_back);
    tcase_add_test(resizing, keep_moves_a_block_out);

    TCase *surviving = group(suite, "survivors");
    tcase_add_test(surviving, a_scope_without_survivors_leaves_nothing);
    tcase_add_test(surviving, survivors_are_counted_once);
    tcase_add_test(surviving, what_is_freed_in_an_inner_scope_is_no_survivor);
    tcase_add_test(surviving, calls_bytes_and_frees_are_counted);

    TCase *others = group(suite, "frees by others");
    tcase_add_test(others, survivors_freed_elsewhere_are_found_in_time);
    tcase_add_test(others, what_another_thread_frees_is_used_again);
    tcase_add_test(others, the_owner_outside_scopes_frees_as_another_would);
    tcase_add_test(others, frees_between_scopes_do_not_pile_up);
    tcase_add_test(others, survivors_outlive_their_thread);
    tcase_add_test(others, a_large_block_of_a_thread_that_is_gone_goes_back_when_it_is_freed);
    tcase_add_test(others, several_threads_free_while_the_owner_draws);

    TCase *kinds = group(suite, "both kinds");
    tcase_add_test(kinds, reset_in_retain_in_reset_in_retain);
    tcase_add_test(kinds, realloc_across_the_kinds_moves_out);
    tcase_add_test(kinds, an_outer_token_ends_scopes_of_both_kinds);

    TCase *afresh = group(suite, "afresh");
    tcase_add_test(afresh, where_nothing_is_alive_bumping_begins_anew);
    tcase_add_test(afresh, after_more_than_usual_bumping_begins_anew);
    tcase_add_test(afresh, where_something_is_alive_all_of_it_stays);
    tcase_add_test(afresh, the_outermost_that_retains_starts_afresh);
    tcase_add_test(afresh, a_count_in_which_a_handler_has_come_gives_nothing_away);
    tcase_add_test(afresh, what_recent_scopes_came_to_stays_warm);
    tcase_add_test(afresh, a_survivor_keeps_no_peak);
    tcase_add_test(afresh, past_a_set_capacity_memory_goes_back_at_the_outermost_end);

    TCase *sweeping = group(suite, "sweep");
    tcase_add_test(sweeping, a_sweep_makes_neighbours_one);
    tcase_add_test(sweeping, a_sweep_lists_small_pieces);
    tcase_add_test(sweeping, a_sweep_gives_empty_pages_back);
    tcase_add_test(sweeping, a_sweep_goes_on_behind_what_it_gives_back);
    tcase_add_test(sweeping, a_free_run_of_one_page_behind_a_run_that_goes);
    tcase_add_test(sweeping, a_sweep_leaves_remote_blocks_alone);
    tcase_add_test(sweeping, a_trim_gives_all_free_pages_back);
    tcase_add_test(sweeping, a_fork_child_goes_on_with_the_heaps_of_others);

    TCase *overflow = group(suite, "overflow");
    tcase_add_test(overflow, overflow_is_counted_when_the_limit_is_met);
    tcase_add_test(overflow, fallback_past_a_set_capacity);
    tcase_add_test(overflow, error_past_a_set_capacity);
    tcase_add_test(overflow, grow_past_a_set_capacity);
    tcase_add_test(overflow, nothing_is_refused_while_there_is_room);
    tcase_add_test(overflow, a_larger_free_block_serves_where_no_other_room_is);
    tcase_add_test(overflow, growing_large_blocks_overflow_too);
    tcase_add_test(overflow, abort_says_why_and_aborts);
    tcase_add_loop_test(overflow, the_recommended_capacity_is_enough, 0, 9);

    TCase *misuse = group(suite, "misuse");
    tcase_add_loop_test(misuse, a_double_free_is_one_line_and_counted, 0, 5);
    tcase_add_test(misuse, a_free_after_another_threads_is_a_double_one);
    tcase_add_test(misuse, what_is_no_block_is_not_freed);
    tcase_add_test(misuse, successful_calls_keep_errno);
    tcase_add_loop_test(misuse, random_operations, 0, 16);
    return suite;
}

int main(int argc, char **argv)
{
    static const struct fresh cases[] = {
        {"overflow_with_abort", overflow_with_abort},
        {"work_with_capacities", work_with_capacities},
        {"free_twice", free_twice},
        {"free_after_another_thread", free_after_another_thread},
        {"free_what_is_no_block", free_what_is_no_block},
        {"run_model", run_model},
        {NULL, NULL},
    };
    return run_suite(retain_suite, cases, argc, argv);
}
