/*
 * Unit tests of pages.h, and random operations against a plain model: runs do not overlap, their
 * contents stay, free neighbours are one, what is said to be clean reads as zero, and the counts
 * are those of the model.
 */
#include "harness.h"

#include "memory/pages.h"
#include <sys/syscall.h>

enum { ROOM = 3000, OPERATIONS = 60000 };

static struct region region;
static struct pages pages;
static uintptr_t memory;
static size_t memory_size;

static void set_up(void)
{
    memory_size = ROOM * (PAGE_BYTES + sizeof(struct page) + 1) + 4 * PAGE_BYTES;
    ck_assert(region_reserve(&region, (struct region_wish){memory_size, memory_size}));
    memory = region_memory(&region, 0);
    pages = (struct pages){0};
    pages_init(&pages, memory, memory + memory_size);
    checker_silence(true); /* there are no blocks in this memory */
}

static void tear_down(void)
{
    checker_silence(false);
    munmap((void *)region.start, region.size);
}

/* From that page on the kernel gives no memory: there is other memory already, or none to be made
 * accessible. */
static void refuse_from(uint32_t page)
{
    size_t size = memory + memory_size - pages_address(&pages, page);
    munmap((void *)pages_address(&pages, page), size);
    if (!track_emulated() && !THREAD_SANITIZED)
        mmap((void *)pages_address(&pages, page), size, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
}

static uint32_t take(uint32_t count)
{
    uint32_t first = pages_take(&pages, count, PAGES_LARGE);
    ck_assert_uint_ne(first, PAGES_NONE);
    return first;
}

static void *at(uint32_t page)
{
    return (void *)pages_address(&pages, page);
}

static void dirty(uint32_t first, uint32_t count)
{
    memset(at(first), 0xff, count * PAGE_BYTES);
}

/* Takes a run, writes to all of it and gives it back. */
static uint32_t take_dirty_and_free(uint32_t count)
{
    uint32_t first = take(count);
    dirty(first, count);
    pages_free(&pages, first, false);
    return first;
}

static bool zeroed(uint32_t first, uint32_t count)
{
    pages_zero(&pages, pages_address(&pages, first), count * PAGE_BYTES);
    return holds_only(at(first), count * PAGE_BYTES, 0);
}

/* Whether the kernel has given no memory for the page, or taken it back. */
static bool is_absent(uint32_t page)
{
    unsigned char resident;
    require(mincore(at(page), PAGE_BYTES, &resident) == 0);
    return !(resident & 1);
}

/* ---- where everything lies ------------------------------------------------------------------- */

START_TEST(everything_lies_within_the_memory)
{
    for (size_t size = 3 * PAGE_BYTES; size < 400 * PAGE_BYTES; size += PAGE_BYTES) {
        struct pages small = {0};
        pages_init(&small, memory, memory + size);
        ck_assert_uint_le(pages_address(&small, small.room), memory + size);
        ck_assert_uint_le((uintptr_t)&small.table[small.room], (uintptr_t)small.dirty);
        ck_assert_uint_le((uintptr_t)(small.dirty + (small.room + 63) / 64), small.start);
        ck_assert_uint_eq(small.start % PAGE_BYTES, 0);
        ck_assert_uint_ge(small.room + 4, size / PAGE_BYTES * 99 / 100);
    }
    ck_assert_uint_ge(pages.room, ROOM);
}
END_TEST

START_TEST(no_more_pages_than_a_table_is_good_for)
{
    struct pages large = {0};
    pages_init(&large, (uintptr_t)1 << 40, (uintptr_t)1 << 46);
    ck_assert_uint_eq(large.room, PAGES_MAX);
}
END_TEST

START_TEST(addresses_and_indices)
{
    take(3);
    ck_assert(pages_hold(&pages, pages.start));
    ck_assert(!pages_hold(&pages, pages.start - 1));
    ck_assert(pages_hold(&pages, pages_address(&pages, 3) - 1));
    ck_assert(!pages_hold(&pages, pages_address(&pages, 3)));
    ck_assert_uint_eq(pages_index(&pages, pages_address(&pages, 2)), 2);
    ck_assert_uint_eq(pages_index(&pages, pages_address(&pages, 2) - 1), 1);
    ck_assert_uint_eq(pages_for(0), 0);
    ck_assert_uint_eq(pages_for(1), 1);
    ck_assert_uint_eq(pages_for(PAGE_BYTES), 1);
    ck_assert_uint_eq(pages_for(PAGE_BYTES + 1), 2);
}
END_TEST

/* ---- taking and freeing ---------------------------------------------------------------------- */

START_TEST(all_of_it_can_be_taken_and_no_more)
{
    for (uint32_t i = 0; i < pages.room; i++) {
        ck_assert_uint_eq(take(1), i);
        *((volatile char *)at(i + 1) - 1) = 1;
    }
    ck_assert_uint_eq(pages_take(&pages, 1, PAGES_LARGE), PAGES_NONE);
    pages_free(&pages, 5, false);
    ck_assert_uint_eq(pages_take(&pages, 2, PAGES_LARGE), PAGES_NONE);
    ck_assert_uint_eq(take(1), 5);
    ck_assert_uint_eq(pages.used, pages.room);
    ck_assert_uint_eq(pages.count, pages.room);
    ck_assert_uint_eq(pages.warm, 0);
}
END_TEST

START_TEST(more_than_there_is_changes_nothing)
{
    uint32_t first = take(10);
    ck_assert_uint_eq(pages_take(&pages, pages.room - 9, PAGES_LARGE), PAGES_NONE);
    ck_assert_uint_eq(pages_take(&pages, PAGES_MAX, PAGES_LARGE), PAGES_NONE);
    ck_assert_uint_eq(pages.used, 10);
    ck_assert_uint_eq(pages.count, 10);
    ck_assert_uint_eq(pages.table[first].length, 10);
    take(pages.room - 10);
}
END_TEST

START_TEST(one_run_can_take_all)
{
    ck_assert_uint_eq(take(pages.room), 0);
    pages_free(&pages, 0, false);
    ck_assert_uint_eq(pages.used, 0);
    ck_assert_uint_eq(pages.warm, pages.room);
    ck_assert_uint_eq(take(pages.room), 0);
    ck_assert_uint_eq(pages.warm, 0);
}
END_TEST

START_TEST(a_run_says_its_kind_and_length_at_both_ends)
{
    uint32_t first = pages_take(&pages, 7, PAGES_SHARED);
    ck_assert_uint_eq(pages.table[first].kind, PAGES_SHARED);
    ck_assert_uint_eq(pages.table[first + 6].kind, PAGES_SHARED);
    ck_assert_uint_eq(pages.table[first].length, 7);
    ck_assert_uint_eq(pages.table[first + 6].length, 7);
}
END_TEST

START_TEST(of_one_length_the_last_freed_comes_first)
{
    uint32_t runs[8];
    for (int i = 0; i < 8; i++) {
        runs[i] = take(5);
        take(1); /* so that none has a free neighbour */
    }
    pages_free(&pages, runs[2], false);
    pages_free(&pages, runs[6], false);
    pages_free(&pages, runs[4], false);
    ck_assert_uint_eq(take(5), runs[4]);
    ck_assert_uint_eq(take(5), runs[6]);
    ck_assert_uint_eq(take(5), runs[2]);
}
END_TEST

START_TEST(the_shortest_bin_that_is_long_enough_serves)
{
    static const uint32_t lengths[] = {500, 3, 100, 7, 40, 2};
    uint32_t runs[COUNT(lengths)];
    for (size_t i = 0; i < COUNT(lengths); i++) {
        runs[i] = take(lengths[i]);
        take(1);
    }
    for (size_t i = 0; i < COUNT(lengths); i++)
        pages_free(&pages, runs[i], false);
    uint32_t count = pages.count;
    ck_assert_uint_eq(take(4), runs[3]);
    ck_assert_uint_eq(take(2), runs[5]);
    ck_assert_uint_eq(take(41), runs[2]);
    ck_assert_uint_eq(take(40), runs[4]);
    ck_assert_uint_eq(take(300), runs[0]);
    ck_assert_uint_eq(pages.count, count);
}
END_TEST

/* A bin holds several lengths: one that is too short must not hide one that fits. */
START_TEST(within_a_bin_the_first_that_fits_serves)
{
    uint32_t longer = take(47);
    take(1);
    uint32_t shorter = take(33);
    take(1);
    pages_free(&pages, longer, false);
    pages_free(&pages, shorter, false);
    ck_assert_uint_eq(take(45), longer);
    ck_assert_uint_eq(take(33), shorter);
}
END_TEST

START_TEST(the_rest_of_a_longer_run_stays_free)
{
    uint32_t first = take(20), behind = take(1);
    pages_free(&pages, first, false);
    ck_assert_uint_eq(take(6), first);
    ck_assert_uint_eq(take(14), first + 6);
    ck_assert_uint_eq(take(1), behind + 1);
}
END_TEST

START_TEST(free_neighbours_are_one)
{
    uint32_t a = take(3), b = take(4), c = take(5), d = take(1);
    pages_free(&pages, a, false);
    pages_free(&pages, c, false);
    pages_free(&pages, b, false); /* both sides */
    ck_assert_uint_eq(pages.table[a].length, 12);
    ck_assert_uint_eq(pages.table[d - 1].length, 12);
    ck_assert_uint_eq(take(12), a);
    pages_free(&pages, a, false);
    pages_free(&pages, d, false); /* in front */
    ck_assert_uint_eq(pages.table[a].length, 13);
    ck_assert_uint_eq(take(100), a); /* at the end what is there is part of what is new */
    ck_assert_uint_eq(pages.count, 100);
}
END_TEST

START_TEST(what_is_refused_by_the_kernel_is_not_there)
{
    /* The first step can be had, nothing behind it. */
    take(1);
    uint32_t committed = pages.committed;
    refuse_from(committed);
    for (uint32_t i = 1; i < committed; i++)
        take(1);
    ck_assert_uint_eq(pages_take(&pages, 1, PAGES_LARGE), PAGES_NONE);
    ck_assert(!pages_extend(&pages, committed - 1, 2));
    ck_assert_uint_eq(pages.count, committed);
    ck_assert_uint_eq(pages.used, committed);
    ck_assert_uint_eq(pages.committed, committed);
    pages_free(&pages, 3, false);
    ck_assert_uint_eq(take(1), 3);
}
END_TEST

/* Where the step is refused that would spare further system calls, the pages asked for will do. */
START_TEST(a_step_that_is_refused_is_made_smaller)
{
    take(1);
    uint32_t committed = pages.committed;
    refuse_from(committed + 2);
    ck_assert_uint_eq(take(committed + 1), 1);
    ck_assert_uint_eq(pages.committed, committed + 2);
    dirty(committed, 2);
}
END_TEST

/* ---- other lengths --------------------------------------------------------------------------- */

START_TEST(a_run_grows_into_free_pages_behind_it)
{
    uint32_t first = take(4), second = take(6), third = take(1);
    dirty(second, 6);
    ck_assert(!pages_extend(&pages, first, 5));
    ck_assert_uint_eq(pages.table[first].length, 4);
    pages_free(&pages, second, false);
    ck_assert(!pages_extend(&pages, first, 11));
    ck_assert_uint_eq(pages.warm, 6);
    ck_assert(pages_extend(&pages, first, 9));
    ck_assert_uint_eq(pages.warm, 1);
    ck_assert_uint_eq(pages.used, 10);
    ck_assert_uint_eq(pages.table[first].kind, PAGES_LARGE);
    ck_assert_uint_eq(take(1), third - 1);
}
END_TEST

START_TEST(the_last_run_grows_into_fresh_pages)
{
    uint32_t first = take(4);
    ck_assert(pages_extend(&pages, first, 200));
    dirty(first, 200);
    pages_shorten(&pages, first, 100);
    ck_assert(pages_extend(&pages, first, 300)); /* what is free there, and more */
    dirty(first, 300);
    ck_assert_uint_eq(pages.used, 300);
    ck_assert_uint_eq(pages.count, 300);
    ck_assert(!pages_extend(&pages, first, pages.room + 1));
    ck_assert(pages_extend(&pages, first, pages.room));
    ck_assert_uint_eq(pages.used, pages.room);
    ck_assert_uint_eq(pages.warm, 0);
}
END_TEST

START_TEST(shortened_and_cut)
{
    uint32_t first = take(10), behind = take(1);
    pages_shorten(&pages, first, 10);
    ck_assert_uint_eq(pages.used, 11);
    pages_shorten(&pages, first, 7);
    ck_assert_uint_eq(pages.used, 8);
    ck_assert_uint_eq(pages.warm, 3);
    ck_assert_uint_eq(take(3), first + 7);
    pages_free(&pages, first + 7, false);
    pages_cut(&pages, first, 2);
    ck_assert_uint_eq(pages.used, 6);
    ck_assert_uint_eq(pages.warm, 5);
    ck_assert_uint_eq(pages.table[first + 2].length, 5);
    ck_assert_uint_eq(pages.table[first + 6].length, 5);
    ck_assert_uint_eq(pages.table[first + 2].kind, PAGES_LARGE);
    ck_assert_uint_eq(take(2), first);
    pages_free(&pages, first + 2, false);
    ck_assert_uint_eq(pages.table[first + 2].length, 8);
    ck_assert_uint_eq(pages.table[behind - 1].length, 8);
}
END_TEST

/* ---- what is dirty, what is clean ------------------------------------------------------------ */

START_TEST(fresh_pages_are_not_written_to)
{
    uint32_t first = take(50);
    ck_assert(zeroed(first, 10));
    for (uint32_t i = 10; i < 50; i++)
        ck_assert(track_emulated() || is_absent(first + i));
}
END_TEST

START_TEST(zeroing_leaves_clean_pages_alone)
{
    take_dirty_and_free(6);
    uint32_t first = take(40);
    pages_zero(&pages, pages_address(&pages, first) + 100, 40 * PAGE_BYTES - 100);
    ck_assert(holds_only(at(first), 100, 0xff));
    ck_assert(track_emulated() || is_absent(first + 7));
    ck_assert(holds_only((char *)at(first) + 100, 40 * PAGE_BYTES - 100, 0));
}
END_TEST

START_TEST(zeroing_stops_where_it_is_told)
{
    uint32_t first = take_dirty_and_free(3);
    take(3);
    pages_zero(&pages, pages_address(&pages, first) + 5, PAGE_BYTES);
    ck_assert(holds_only(at(first), 5, 0xff));
    ck_assert(holds_only((char *)at(first) + 5, PAGE_BYTES, 0));
    ck_assert(holds_only((char *)at(first) + 5 + PAGE_BYTES, 2 * PAGE_BYTES - 5, 0xff));
}
END_TEST

START_TEST(a_run_given_back_as_clean_is_not_warm)
{
    uint32_t first = take_dirty_and_free(8);
    ck_assert_uint_eq(take(8), first);
    memset(at(first), 0, 8 * PAGE_BYTES);
    pages_free(&pages, first, true);
    ck_assert_uint_eq(pages.warm, 0);
    take(8);
    *(char *)at(first) = 1;
    pages_zero(&pages, pages_address(&pages, first), PAGE_BYTES);
    ck_assert_int_eq(*(char *)at(first), 1); /* it is believed */
    pages_free(&pages, first, false);
    ck_assert_uint_eq(pages.warm, 8);
}
END_TEST

/* Bits of 64 pages lie in one word: neighbours in it, and in the next, are left alone. */
START_TEST(dirty_pages_are_counted_across_words)
{
    uint32_t first = take(300);
    pages_free(&pages, first, true);
    static const struct {
        uint32_t before, dirty;
    } cases[] = {{0, 1}, {63, 1}, {63, 2}, {64, 64}, {1, 62}, {60, 200}, {127, 130}, {0, 300}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t before = cases[i].before, count = cases[i].dirty;
        ck_assert_uint_eq(take(300), first);
        pages_shorten(&pages, first, before + count);
        if (before > 0)
            pages_cut(&pages, first, before);
        dirty(first + before, count);
        uint32_t others = pages.warm;
        pages_free(&pages, first + before, false);
        ck_assert_uint_eq(pages.warm, others + count);
        ck_assert(pages_trim(&pages, 0));
        ck_assert_uint_eq(pages.warm, 0);
        ck_assert_uint_eq(take(300), first);
        ck_assert(holds_only(at(first), 300 * PAGE_BYTES, 0));
        pages_free(&pages, first, true);
    }
}
END_TEST

START_TEST(a_reset_makes_one_run_of_all)
{
    uint32_t clean = take(30);
    pages_free(&pages, clean, true);
    take_dirty_and_free(3);
    take(2);
    uint32_t used = take(8);
    ck_assert_uint_eq(pages.count, 30);
    dirty(used, 8);
    pages_reset(&pages);
    ck_assert_uint_eq(pages.used, 0);
    ck_assert_uint_eq(pages.warm, 10); /* the three lie in what is used */
    ck_assert_uint_eq(take(30), 0);
    ck_assert(zeroed(0, 30));
    pages_reset(&pages);
    ck_assert_uint_eq(pages.warm, 30);
}
END_TEST

START_TEST(a_reset_of_nothing)
{
    pages_reset(&pages);
    ck_assert_uint_eq(pages.count, 0);
    ck_assert(!pages_trim(&pages, 0));
    ck_assert_uint_eq(take(1), 0);
}
END_TEST

/* ---- giving back ----------------------------------------------------------------------------- */

START_TEST(what_is_trimmed_reads_as_zero)
{
    uint32_t first = take_dirty_and_free(6);
    ck_assert_uint_eq(pages.warm, 6);
    ck_assert(pages_trim(&pages, 2));
    ck_assert_uint_eq(pages.warm, 2);
    ck_assert_uint_eq(take(6), first);
    ck_assert(holds_only(at(first), 2 * PAGE_BYTES, 0xff)); /* from the end on */
    ck_assert(holds_only(at(first + 2), 4 * PAGE_BYTES, 0));
    ck_assert(zeroed(first, 6));
    ck_assert(!pages_trim(&pages, 0));
}
END_TEST

START_TEST(runs_in_use_are_not_trimmed)
{
    uint32_t a = take(5), b = take(5), c = take(5), d = take(5);
    dirty(a, 20);
    pages_free(&pages, a, false);
    pages_free(&pages, c, false);
    ck_assert(pages_trim(&pages, 3));
    ck_assert_uint_eq(pages.warm, 3);
    ck_assert(holds_only(at(a), 3 * PAGE_BYTES, 0xff));
    ck_assert(holds_only(at(b), 5 * PAGE_BYTES, 0xff));
    ck_assert(holds_only(at(c), 5 * PAGE_BYTES, 0));
    ck_assert(holds_only(at(d), 5 * PAGE_BYTES, 0xff));
    ck_assert(!pages_trim(&pages, 3));
    ck_assert(pages_trim(&pages, 0));
    ck_assert(holds_only(at(a), 5 * PAGE_BYTES, 0));
}
END_TEST

START_TEST(locked_memory_stays_warm)
{
    uint32_t first = take(2);
    /* The C library's own is nothing under AddressSanitizer. */
    if (syscall(SYS_mlock, at(first), 2 * PAGE_BYTES) != 0)
        return;
    dirty(first, 2);
    pages_free(&pages, first, false);
    ck_assert(!pages_trim(&pages, 0));
    ck_assert_uint_eq(pages.warm, 2);
    ck_assert_uint_eq(take(2), first);
    ck_assert(zeroed(first, 2));
}
END_TEST

/* ---- trading --------------------------------------------------------------------------------- */

/* So many warm pages in runs of 10, none of which serves a longer request. */
static void make_warm(uint32_t count)
{
    uint32_t runs[40];
    for (uint32_t i = 0; i < count / 10; i++) {
        runs[i] = take(10);
        dirty(runs[i], 10);
        take(1);
    }
    for (uint32_t i = 0; i < count / 10; i++)
        pages_free(&pages, runs[i], false);
    require(pages.warm == count);
}

START_TEST(fresh_pages_give_warm_ones_up)
{
    make_warm(200);
    take(60);
    ck_assert_uint_eq(pages.warm, 140);
    take(500);
    ck_assert_uint_eq(pages.warm, 0);
}
END_TEST

START_TEST(few_fresh_pages_give_nothing_up)
{
    make_warm(200);
    take(15);
    ck_assert_uint_eq(pages.warm, 200);
    take(16);
    ck_assert_uint_eq(pages.warm, 184);
}
END_TEST

START_TEST(what_is_kept_is_not_given_up)
{
    make_warm(200);
    pages.kept = 150;
    take(100);
    ck_assert_uint_eq(pages.warm, 150);
    take(100);
    ck_assert_uint_eq(pages.warm, 150);
    pages.kept = 300;
    take(100);
    ck_assert_uint_eq(pages.warm, 150);
}
END_TEST

START_TEST(growing_gives_warm_pages_up_too)
{
    make_warm(200);
    uint32_t last = take(20);
    ck_assert_uint_eq(pages.warm, 180);
    ck_assert(pages_extend(&pages, last, 90));
    ck_assert_uint_eq(pages.warm, 110);
}
END_TEST

START_TEST(warm_pages_that_are_taken_give_nothing_up)
{
    make_warm(200);
    uint32_t first = take(30);
    dirty(first, 30);
    pages_free(&pages, first, false);
    uint32_t warm = pages.warm;
    ck_assert_uint_eq(take(30), first);
    ck_assert_uint_eq(pages.warm, warm - 30);
}
END_TEST

/* ---- the model ------------------------------------------------------------------------------- */

/* For each page: the run that it belongs to, by its first page plus 1, or 0; and whether somebody
 * may have written to it since it was zero. Of a run: its kind, by the first page. */
static uint32_t run_of[ROOM + 100];
static bool written[ROOM + 100];
static enum pages_kind kind_of[ROOM + 100];

static uint32_t length_of(uint32_t first)
{
    uint32_t end = first;
    while (end < pages.room && run_of[end] == first + 1)
        end++;
    return end - first;
}

static unsigned char *byte_in(uint32_t page)
{
    return (unsigned char *)at(page) + 777;
}

/* Not 0. */
static unsigned char mark_of(uint32_t page)
{
    return (unsigned char)(page % 255 + 1);
}

/* A run that is in use, or PAGES_NONE. */
static uint32_t any_run(void)
{
    uint32_t start = (uint32_t)below(pages.room);
    for (uint32_t i = 0; i < pages.room; i++) {
        uint32_t page = (start + i) % pages.room;
        if (run_of[page] == page + 1)
            return page;
    }
    return PAGES_NONE;
}

static void look_at_run(uint32_t first)
{
    uint32_t length = length_of(first);
    require(pages.table[first].length == length && pages.table[first].kind == kind_of[first]);
    require(pages.table[first + length - 1].length == length);
    require(pages.table[first + length - 1].kind == kind_of[first]);
    for (uint32_t i = first; i < first + length; i++)
        require(*byte_in(i) == mark_of(i));
}

static bool model_has_room(uint32_t count)
{
    uint32_t length = 0;
    for (uint32_t i = 0; i < pages.room; i++) {
        length = run_of[i] == 0 ? length + 1 : 0;
        if (length == count)
            return true;
    }
    return false;
}

/* What is free and reads as zero has been given back, by a trade or a trim. */
static void see_what_was_trimmed(uint32_t warm_before, uint32_t taken_warm)
{
    if (pages.warm == warm_before - taken_warm)
        return;
    for (uint32_t i = 0; i < pages.count; i++)
        if (run_of[i] == 0 && written[i] && *byte_in(i) == 0)
            written[i] = false;
}

/* The pages are the run's from now on. */
static uint32_t enter(uint32_t from, uint32_t end, uint32_t first)
{
    uint32_t warm = 0;
    for (uint32_t i = from; i < end; i++) {
        require(run_of[i] == 0);
        run_of[i] = first + 1;
        warm += written[i];
        if (!written[i])
            require(*byte_in(i) == 0);
    }
    /* A piece of it: the rest is zeroed, or not, in the same way. */
    uintptr_t byte = (uintptr_t)byte_in(from);
    pages_zero(&pages, byte, (uintptr_t)byte_in(end - 1) + 1 - byte);
    for (uint32_t i = from; i < end; i++) {
        require(*byte_in(i) == 0);
        *byte_in(i) = mark_of(i);
    }
    return warm;
}

static void leave(uint32_t from, uint32_t end, bool clean)
{
    for (uint32_t i = from; i < end; i++) {
        run_of[i] = 0;
        written[i] = !clean;
        if (clean)
            memset(at(i), 0, PAGE_BYTES);
    }
}

static uint32_t any_length(void)
{
    static const uint32_t bounds[] = {8, 8, 40, 40, 200, 1500};
    return 1 + (uint32_t)below(bounds[below(COUNT(bounds))]);
}

static void model_take(void)
{
    uint32_t count = any_length(), warm = pages.warm;
    enum pages_kind kind = below(2) ? PAGES_SHARED : PAGES_LARGE;
    uint32_t first = pages_take(&pages, count, kind);
    require((first != PAGES_NONE) == model_has_room(count));
    if (first == PAGES_NONE)
        return;
    kind_of[first] = kind;
    see_what_was_trimmed(warm, enter(first, first + count, first));
}

static void model_free(void)
{
    uint32_t first = any_run();
    if (first == PAGES_NONE)
        return;
    bool clean = below(4) == 0;
    uint32_t length = length_of(first);
    look_at_run(first);
    leave(first, first + length, clean);
    pages_free(&pages, first, clean);
}

static void model_extend(void)
{
    uint32_t first = any_run();
    if (first == PAGES_NONE)
        return;
    uint32_t length = length_of(first), count = length + any_length(), warm = pages.warm;
    bool fits = first + count <= pages.room;
    for (uint32_t i = first + length; fits && i < first + count; i++)
        fits = run_of[i] == 0;
    require(pages_extend(&pages, first, count) == fits);
    if (fits)
        see_what_was_trimmed(warm, enter(first + length, first + count, first));
}

static void model_shorten(void)
{
    uint32_t first = any_run();
    if (first == PAGES_NONE)
        return;
    uint32_t length = length_of(first), kept = 1 + (uint32_t)below(length);
    look_at_run(first);
    pages_shorten(&pages, first, kept);
    leave(first + kept, first + length, false);
}

static void model_cut(void)
{
    uint32_t first = any_run();
    uint32_t length = first == PAGES_NONE ? 0 : length_of(first);
    if (length < 2)
        return;
    uint32_t cut = 1 + (uint32_t)below(length - 1);
    look_at_run(first);
    pages_cut(&pages, first, cut);
    leave(first, first + cut, false);
    for (uint32_t i = first + cut; i < first + length; i++)
        run_of[i] = first + cut + 1;
    kind_of[first + cut] = kind_of[first];
}

static void model_trim(void)
{
    uint32_t kept = (uint32_t)below(800), before = pages.warm;
    bool trimmed = pages_trim(&pages, kept);
    require(trimmed == (pages.warm < before));
    /* Of larger pages the system takes whole ones back. */
    require(page_size > PAGE_BYTES || pages.warm == (before < kept ? before : kept));
    see_what_was_trimmed(before, 0);
}

static void model_reset(void)
{
    if (below(10) != 0)
        return;
    pages_reset(&pages);
    for (uint32_t i = 0; i < pages.count; i++)
        if (run_of[i] != 0)
            leave(i, i + 1, false);
}

static void check_everything(void)
{
    uint32_t used = 0, warm = 0;
    for (uint32_t i = 0; i < pages.room; i++) {
        used += run_of[i] != 0;
        warm += run_of[i] == 0 && written[i];
        require((run_of[i] == 0 && !written[i]) || i < pages.count);
        if (run_of[i] == i + 1)
            look_at_run(i);
    }
    require(pages.used == used && pages.warm == warm);
    bool was_free = false;
    for (uint32_t run = 0; run < pages.count; run += pages.table[run].length) {
        bool is_free = pages.table[run].kind == PAGES_FREE;
        require(is_free == (run_of[run] == 0));
        require(!is_free || !was_free);
        was_free = is_free;
    }
}

START_TEST(random_operations)
{
    model_random = 88172645463325252U + (uint64_t)_i * 1000003;
    memset(run_of, 0, sizeof run_of);
    memset(written, 0, sizeof written);
    require(pages.room < COUNT(run_of));
    pages.kept = _i % 2 ? 0 : 200;
    for (int i = 0; i < OPERATIONS / (track_emulated() ? 20 : 1); i++) {
        size_t kind = below(1000);
        if (kind < 450)
            model_take();
        else if (kind < 800)
            model_free();
        else if (kind < 850)
            model_extend();
        else if (kind < 900)
            model_shorten();
        else if (kind < 950)
            model_cut();
        else if (kind < 970)
            model_trim();
        else if (kind < 975)
            model_reset();
        else if (kind < 985)
            check_everything();
    }
    check_everything();
}
END_TEST

static Suite *pages_suite(void)
{
    Suite *suite = suite_create("pages");
    TCase *tcase = tcase_create("pages");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, everything_lies_within_the_memory);
    tcase_add_test(tcase, no_more_pages_than_a_table_is_good_for);
    tcase_add_test(tcase, addresses_and_indices);
    tcase_add_test(tcase, all_of_it_can_be_taken_and_no_more);
    tcase_add_test(tcase, more_than_there_is_changes_nothing);
    tcase_add_test(tcase, one_run_can_take_all);
    tcase_add_test(tcase, a_run_says_its_kind_and_length_at_both_ends);
    tcase_add_test(tcase, of_one_length_the_last_freed_comes_first);
    tcase_add_test(tcase, the_shortest_bin_that_is_long_enough_serves);
    tcase_add_test(tcase, within_a_bin_the_first_that_fits_serves);
    tcase_add_test(tcase, the_rest_of_a_longer_run_stays_free);
    tcase_add_test(tcase, free_neighbours_are_one);
    tcase_add_test(tcase, what_is_refused_by_the_kernel_is_not_there);
    tcase_add_test(tcase, a_step_that_is_refused_is_made_smaller);
    tcase_add_test(tcase, a_run_grows_into_free_pages_behind_it);
    tcase_add_test(tcase, the_last_run_grows_into_fresh_pages);
    tcase_add_test(tcase, shortened_and_cut);
    tcase_add_test(tcase, fresh_pages_are_not_written_to);
    tcase_add_test(tcase, zeroing_leaves_clean_pages_alone);
    tcase_add_test(tcase, zeroing_stops_where_it_is_told);
    tcase_add_test(tcase, a_run_given_back_as_clean_is_not_warm);
    tcase_add_test(tcase, dirty_pages_are_counted_across_words);
    tcase_add_test(tcase, a_reset_makes_one_run_of_all);
    tcase_add_test(tcase, a_reset_of_nothing);
    tcase_add_test(tcase, what_is_trimmed_reads_as_zero);
    tcase_add_test(tcase, runs_in_use_are_not_trimmed);
    tcase_add_test(tcase, locked_memory_stays_warm);
    tcase_add_test(tcase, fresh_pages_give_warm_ones_up);
    tcase_add_test(tcase, few_fresh_pages_give_nothing_up);
    tcase_add_test(tcase, what_is_kept_is_not_given_up);
    tcase_add_test(tcase, growing_gives_warm_pages_up_too);
    tcase_add_test(tcase, warm_pages_that_are_taken_give_nothing_up);
    suite_add_tcase(suite, tcase);

    TCase *model = tcase_create("model");
    tcase_add_checked_fixture(model, set_up, tear_down);
    tcase_set_timeout(model, 60);
    tcase_add_loop_test(model, random_operations, 0, 4);
    suite_add_tcase(suite, model);
    return suite;
}

int main(int argc, char **argv)
{
    static const struct fresh cases[] = {{NULL, NULL}};
    return run_suite(pages_suite, cases, argc, argv);
}
