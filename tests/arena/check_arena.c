/*
 * Unit tests of arena.h but for the thread arena (check_arena_thread.c): one test case (TCase) per
 * group, each test a promise of the header.
 *
 * Tests run with and without Check's fork mode (CK_FORK=no): each begins with the fixture's empty
 * arena over a zeroed buffer, and nothing else is shared.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arenashim/arena.h"
#include "behind.h"

enum { PAGE = 4096, CAPACITY = 16 * PAGE };

static unsigned char buffer[CAPACITY] __attribute__((aligned(PAGE)));
static struct arena arena;

/* Fixture: an empty arena over a buffer that starts on a page. */
static void make_arena(void)
{
    unpoison(buffer, sizeof buffer);
    memset(buffer, 0, sizeof buffer);
    arena_init(&arena, buffer, sizeof buffer);
}

static bool is_aligned(const void *pointer, size_t alignment)
{
    return ((uintptr_t)pointer & (alignment - 1)) == 0;
}

static size_t used(void)
{
    return CAPACITY - arena_remaining(&arena);
}

static bool holds_only(const unsigned char *block, size_t size, unsigned char byte)
{
    for (size_t i = 0; i < size; i++)
        if (block[i] != byte)
            return false;
    return true;
}

static TCase *group(const char *name)
{
    TCase *tcase = tcase_create(name);
    tcase_add_checked_fixture(tcase, make_arena, NULL);
    return tcase;
}

/* ---- basic ---------------------------------------------------------------------------------- */

START_TEST(zero_bytes_take_nothing)
{
    ck_assert_ptr_eq(arena_alloc(&arena, 0, 1), buffer);
    ck_assert_ptr_eq(arena_alloc(&arena, 0, 16), buffer);
    ck_assert_uint_eq(used(), 0);
    ck_assert_ptr_eq(arena_alloc(&arena, 1, 1), buffer);
}
END_TEST

START_TEST(one_byte_takes_one_byte)
{
    unsigned char *block = arena_alloc(&arena, 1, 1);
    ck_assert_ptr_eq(block, buffer);
    ck_assert_uint_eq(used(), 1);
    ck_assert_ptr_eq(arena_alloc(&arena, 1, 1), buffer + 1);
}
END_TEST

START_TEST(many_blocks_lie_side_by_side)
{
    for (size_t i = 0; i < CAPACITY / 16; i++)
        ck_assert_ptr_eq(arena_alloc(&arena, 16, 16), buffer + 16 * i);
    ck_assert_uint_eq(arena_remaining(&arena), 0);
    ck_assert_uint_eq(arena_overflow_count(&arena), 0);
}
END_TEST

START_TEST(entire_arena_in_one_block)
{
    ck_assert_ptr_eq(arena_alloc(&arena, CAPACITY, PAGE), buffer);
    ck_assert_uint_eq(arena_remaining(&arena), 0);
    ck_assert_ptr_null(arena_alloc(&arena, 1, 1));
}
END_TEST

START_TEST(buffer_is_never_written)
{
    unpoison(buffer, sizeof buffer);
    memset(buffer, 0xa5, sizeof buffer);
    arena_init(&arena, buffer, sizeof buffer);
    arena_position position = arena_mark(&arena);
    for (size_t i = 1; i <= 100; i++)
        ck_assert_ptr_nonnull(arena_alloc(&arena, i, (size_t)1 << (i % 8)));
    ck_assert_ptr_null(arena_alloc(&arena, CAPACITY, 1));
    arena_rewind(&arena, position);
    ck_assert_ptr_nonnull(arena_alloc(&arena, CAPACITY, 1));
    arena_reset(&arena);
    unpoison(buffer, sizeof buffer);
    ck_assert(holds_only(buffer, sizeof buffer, 0xa5));
}
END_TEST

START_TEST(init_forgets_everything)
{
    ck_assert_ptr_nonnull(arena_alloc(&arena, 100, 1));
    arena_reset(&arena);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 10, 1));
    ck_assert_ptr_null(arena_alloc(&arena, CAPACITY, 1));
    arena_init(&arena, buffer + 64, 64);
    ck_assert_uint_eq(arena_remaining(&arena), 64);
    ck_assert_uint_eq(arena_high_water(&arena), 0);
    ck_assert_uint_eq(arena_overflow_count(&arena), 0);
    ck_assert_ptr_eq(arena_alloc(&arena, 64, 1), buffer + 64);
}
END_TEST

START_TEST(two_arenas_do_not_mix)
{
    struct arena low;
    struct arena high;
    arena_init(&low, buffer, 64);
    arena_init(&high, buffer + 64, 64);
    ck_assert_ptr_eq(arena_alloc(&low, 64, 1), buffer);
    ck_assert_ptr_null(arena_alloc(&low, 1, 1));
    ck_assert_ptr_eq(arena_alloc(&high, 64, 1), buffer + 64);
    arena_reset(&low);
    ck_assert_uint_eq(arena_remaining(&high), 0);
    ck_assert_uint_eq(arena_overflow_count(&high), 0);
}
END_TEST

/* The symbols that other languages link, reached through pointers so that nothing is inlined. */
START_TEST(symbols_do_as_the_inlines)
{
    void *(*volatile alloc)(struct arena *, size_t, size_t) = arena_alloc;
    void *(*volatile items)(struct arena *, size_t, size_t, size_t) = arena_alloc_items;
    arena_position (*volatile mark)(const struct arena *) = arena_mark;
    void (*volatile rewind_to)(struct arena *, arena_position) = arena_rewind;

    ck_assert_ptr_eq(alloc(&arena, 3, 1), buffer);
    arena_position position = mark(&arena);
    ck_assert_uint_eq(position, 3);
    ck_assert_ptr_eq(items(&arena, 8, 8, 2), buffer + 8);
    ck_assert_uint_eq(used(), 24);
    rewind_to(&arena, position);
    ck_assert_uint_eq(used(), 3);
}
END_TEST

static TCase *basic(void)
{
    TCase *tcase = group("basic");
    tcase_add_test(tcase, zero_bytes_take_nothing);
    tcase_add_test(tcase, one_byte_takes_one_byte);
    tcase_add_test(tcase, many_blocks_lie_side_by_side);
    tcase_add_test(tcase, entire_arena_in_one_block);
    tcase_add_test(tcase, buffer_is_never_written);
    tcase_add_test(tcase, init_forgets_everything);
    tcase_add_test(tcase, two_arenas_do_not_mix);
    tcase_add_test(tcase, symbols_do_as_the_inlines);
    return tcase;
}

/* ---- alignment ------------------------------------------------------------------------------ */

enum { POWERS_TO_A_PAGE = 13 }; /* 2^0 to 2^12 */

START_TEST(power_of_two_is_honoured)
{
    size_t alignment = (size_t)1 << _i;
    ck_assert_ptr_eq(arena_alloc(&arena, 1, 1), buffer);
    void *block = arena_alloc(&arena, 1, alignment);
    ck_assert(is_aligned(block, alignment));
    /* The buffer starts on a page, so the first address that serves is known. */
    ck_assert_ptr_eq(block, buffer + alignment);
    ck_assert_uint_eq(used(), alignment + 1);
}
END_TEST

START_TEST(aligned_position_needs_no_padding)
{
    size_t alignment = (size_t)1 << _i;
    ck_assert_ptr_eq(arena_alloc(&arena, alignment, alignment), buffer);
    ck_assert_ptr_eq(arena_alloc(&arena, alignment, alignment), buffer + alignment);
    ck_assert_uint_eq(used(), 2 * alignment);
}
END_TEST

START_TEST(padding_is_used_up)
{
    ck_assert_ptr_nonnull(arena_alloc(&arena, 5, 1));
    ck_assert_ptr_eq(arena_alloc(&arena, 0, 8), buffer + 8);
    ck_assert_uint_eq(used(), 8);
    ck_assert_uint_eq(arena_high_water(&arena), 8);
}
END_TEST

START_TEST(larger_alignment_than_the_arena)
{
    arena_init(&arena, buffer, 64);
    ck_assert_ptr_eq(arena_alloc(&arena, 1, PAGE), buffer);
    ck_assert_ptr_null(arena_alloc(&arena, 1, PAGE));
    ck_assert_uint_eq(arena_remaining(&arena), 63);
}
END_TEST

static const size_t no_powers[] = {
    0, 3, 5, 6, 7, 12, 48, PAGE - 1, PAGE + 1, SIZE_MAX / 2, SIZE_MAX / 2 + 2, SIZE_MAX,
};

START_TEST(no_power_of_two_changes_nothing)
{
    size_t alignment = no_powers[_i];
    ck_assert_ptr_nonnull(arena_alloc(&arena, 1, 1));
    ck_assert_ptr_null(arena_alloc(&arena, 1, alignment));
    ck_assert_ptr_null(arena_alloc(&arena, 0, alignment));
    ck_assert_ptr_null(arena_alloc_items(&arena, 1, alignment, 1));
    ck_assert_uint_eq(used(), 1);
    ck_assert_uint_eq(arena_overflow_count(&arena), 0);
}
END_TEST

/* 2^62 and 2^63 are powers of two, and no address in the buffer is a multiple of them. */
START_TEST(largest_powers_do_not_fit)
{
    size_t alignment = SIZE_MAX / 2 + 1;
    ck_assert_ptr_null(arena_alloc(&arena, 1, alignment));
    ck_assert_ptr_null(arena_alloc(&arena, 1, alignment / 2));
    ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX, alignment));
    ck_assert_uint_eq(used(), 0);
    ck_assert_uint_eq(arena_overflow_count(&arena), 3);
}
END_TEST

static TCase *alignment(void)
{
    TCase *tcase = group("alignment");
    tcase_add_loop_test(tcase, power_of_two_is_honoured, 0, POWERS_TO_A_PAGE);
    tcase_add_loop_test(tcase, aligned_position_needs_no_padding, 0, POWERS_TO_A_PAGE);
    tcase_add_test(tcase, padding_is_used_up);
    tcase_add_test(tcase, larger_alignment_than_the_arena);
    tcase_add_loop_test(tcase, no_power_of_two_changes_nothing, 0,
                        (int)(sizeof no_powers / sizeof *no_powers));
    tcase_add_test(tcase, largest_powers_do_not_fit);
    return tcase;
}

/* ---- typed arrays --------------------------------------------------------------------------- */

struct vector {
    float lanes[8];
} __attribute__((aligned(32)));

struct triple {
    char bytes[3];
};

START_TEST(array_is_aligned_for_its_type)
{
    ck_assert_ptr_nonnull(arena_alloc_array(&arena, char, 1));
    double *numbers = arena_alloc_array(&arena, double, 4);
    ck_assert_ptr_eq(numbers, buffer + 8);
    struct vector *vectors = arena_alloc_array(&arena, struct vector, 2);
    ck_assert_ptr_eq(vectors, buffer + 64);
    ck_assert_uint_eq(used(), 64 + 2 * sizeof *vectors);
}
END_TEST

START_TEST(array_has_room_for_every_item)
{
    int *first = arena_alloc_array(&arena, int, 100);
    int *second = arena_alloc_array(&arena, int, 100);
    for (int i = 0; i < 100; i++) {
        first[i] = i;
        second[i] = -i;
    }
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(first[i], i);
        ck_assert_int_eq(second[i], -i);
    }
    ck_assert_ptr_eq(second, first + 100);
}
END_TEST

START_TEST(items_of_odd_size_are_not_padded)
{
    ck_assert_ptr_eq(arena_alloc_array(&arena, struct triple, 5), buffer);
    ck_assert_uint_eq(used(), 15);
    ck_assert_ptr_eq(arena_alloc_array(&arena, struct triple, 1), buffer + 15);
}
END_TEST

START_TEST(array_of_none_is_as_zero_bytes)
{
    ck_assert_ptr_nonnull(arena_alloc(&arena, 1, 1));
    ck_assert_ptr_eq(arena_alloc_array(&arena, double, 0), buffer + 8);
    ck_assert_ptr_eq(arena_alloc_items(&arena, 0, 1, SIZE_MAX), buffer + 8);
    ck_assert_uint_eq(used(), 8);
    ck_assert_uint_eq(arena_overflow_count(&arena), 0);
}
END_TEST

START_TEST(array_that_fills_the_arena)
{
    size_t count = CAPACITY / sizeof(uint64_t);
    ck_assert_ptr_null(arena_alloc_array(&arena, uint64_t, count + 1));
    ck_assert_ptr_eq(arena_alloc_array(&arena, uint64_t, count), buffer);
    ck_assert_uint_eq(arena_remaining(&arena), 0);
}
END_TEST

static TCase *typed_arrays(void)
{
    TCase *tcase = group("typed arrays");
    tcase_add_test(tcase, array_is_aligned_for_its_type);
    tcase_add_test(tcase, array_has_room_for_every_item);
    tcase_add_test(tcase, items_of_odd_size_are_not_padded);
    tcase_add_test(tcase, array_of_none_is_as_zero_bytes);
    tcase_add_test(tcase, array_that_fills_the_arena);
    return tcase;
}

/* ---- overflow ------------------------------------------------------------------------------- */

START_TEST(exact_capacity_fits_one_byte_more_does_not)
{
    ck_assert_ptr_null(arena_alloc(&arena, CAPACITY + 1, 1));
    ck_assert_ptr_nonnull(arena_alloc(&arena, CAPACITY - 1, 1));
    ck_assert_ptr_null(arena_alloc(&arena, 2, 1));
    ck_assert_ptr_eq(arena_alloc(&arena, 1, 1), buffer + CAPACITY - 1);
}
END_TEST

START_TEST(padding_can_make_the_difference)
{
    ck_assert_ptr_nonnull(arena_alloc(&arena, CAPACITY - 31, 1));
    ck_assert_ptr_null(arena_alloc(&arena, 17, 16));
    ck_assert_ptr_eq(arena_alloc(&arena, 16, 16), buffer + CAPACITY - 16);
    ck_assert_uint_eq(arena_remaining(&arena), 0);
}
END_TEST

START_TEST(padding_alone_can_be_too_much)
{
    ck_assert_ptr_nonnull(arena_alloc(&arena, CAPACITY - PAGE + 1, 1));
    ck_assert_ptr_nonnull(arena_alloc(&arena, 0, PAGE));
    ck_assert_ptr_nonnull(arena_alloc(&arena, 0, 1));
    arena_init(&arena, buffer, CAPACITY - 1);
    ck_assert_ptr_nonnull(arena_alloc(&arena, CAPACITY - PAGE + 1, 1));
    ck_assert_ptr_null(arena_alloc(&arena, 0, PAGE));
    ck_assert_ptr_null(arena_alloc(&arena, 1, PAGE));
    ck_assert_uint_eq(arena_remaining(&arena), PAGE - 2);
}
END_TEST

START_TEST(failure_leaves_the_offset)
{
    ck_assert_ptr_nonnull(arena_alloc(&arena, 3, 1));
    ck_assert_ptr_null(arena_alloc(&arena, CAPACITY, 8));
    ck_assert_uint_eq(used(), 3);
    ck_assert_uint_eq(arena_high_water(&arena), 3);
    ck_assert_ptr_eq(arena_alloc(&arena, CAPACITY - 3, 1), buffer + 3);
}
END_TEST

START_TEST(product_overflow_is_refused)
{
    ck_assert_ptr_null(arena_alloc_array(&arena, uint16_t, SIZE_MAX / 2 + 1));
    ck_assert_ptr_null(arena_alloc_array(&arena, uint64_t, SIZE_MAX / 8 + 2));
    ck_assert_ptr_null(arena_alloc_items(&arena, SIZE_MAX, 1, SIZE_MAX));
    ck_assert_ptr_null(arena_alloc_items(&arena, SIZE_MAX / 2 + 1, 1, 2));
    ck_assert_uint_eq(used(), 0);
    ck_assert_uint_eq(arena_overflow_count(&arena), 4);
}
END_TEST

START_TEST(size_max_is_refused)
{
    ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX, 1));
    ck_assert_ptr_nonnull(arena_alloc(&arena, 1, 1));
    /* Padding 15, so that padding + size would wrap to a size that fits. */
    for (size_t below = 0; below < 16; below++)
        ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX - below, 16));
    ck_assert_ptr_null(arena_alloc_array(&arena, char, SIZE_MAX));
    ck_assert_uint_eq(used(), 1);
}
END_TEST

START_TEST(ptrdiff_max_is_refused)
{
    ck_assert_ptr_null(arena_alloc(&arena, PTRDIFF_MAX, 1));
    ck_assert_ptr_null(arena_alloc(&arena, (size_t)PTRDIFF_MAX + 1, 16));
    ck_assert_ptr_null(arena_alloc_array(&arena, char, PTRDIFF_MAX));
    ck_assert_uint_eq(used(), 0);
    ck_assert_uint_eq(arena_overflow_count(&arena), 3);
}
END_TEST

START_TEST(each_refusal_is_counted_once)
{
    ck_assert_ptr_nonnull(arena_alloc(&arena, CAPACITY, 1));
    for (unsigned refused = 0; refused < 10; refused++) {
        ck_assert_uint_eq(arena_overflow_count(&arena), refused);
        ck_assert_ptr_null(arena_alloc(&arena, 1, 1));
    }
    ck_assert_ptr_nonnull(arena_alloc(&arena, 0, 1));
    ck_assert_uint_eq(arena_overflow_count(&arena), 10);
}
END_TEST

START_TEST(errno_is_left_alone)
{
    errno = EDOM;
    ck_assert_ptr_null(arena_alloc(&arena, CAPACITY + 1, 1));
    ck_assert_ptr_null(arena_alloc(&arena, 1, 3));
    ck_assert_ptr_null(arena_alloc_items(&arena, SIZE_MAX, 1, 2));
    ck_assert_int_eq(errno, EDOM);
}
END_TEST

static TCase *overflow(void)
{
    TCase *tcase = group("overflow");
    tcase_add_test(tcase, exact_capacity_fits_one_byte_more_does_not);
    tcase_add_test(tcase, padding_can_make_the_difference);
    tcase_add_test(tcase, padding_alone_can_be_too_much);
    tcase_add_test(tcase, failure_leaves_the_offset);
    tcase_add_test(tcase, product_overflow_is_refused);
    tcase_add_test(tcase, size_max_is_refused);
    tcase_add_test(tcase, ptrdiff_max_is_refused);
    tcase_add_test(tcase, each_refusal_is_counted_once);
    tcase_add_test(tcase, errno_is_left_alone);
    return tcase;
}

/* ---- reset and rewind ----------------------------------------------------------------------- */

START_TEST(reset_gives_everything_back)
{
    ck_assert_ptr_nonnull(arena_alloc(&arena, 1000, 1));
    arena_reset(&arena);
    ck_assert_uint_eq(arena_remaining(&arena), CAPACITY);
    ck_assert_ptr_eq(arena_alloc(&arena, CAPACITY, 1), buffer);
}
END_TEST

START_TEST(reset_keeps_the_counters)
{
    ck_assert_ptr_nonnull(arena_alloc(&arena, 1000, 1));
    ck_assert_ptr_null(arena_alloc(&arena, CAPACITY, 1));
    arena_reset(&arena);
    ck_assert_uint_eq(arena_high_water(&arena), 1000);
    ck_assert_uint_eq(arena_overflow_count(&arena), 1);
}
END_TEST

START_TEST(many_cycles_are_all_alike)
{
    for (unsigned cycle = 0; cycle < 10000; cycle++) {
        unsigned char *small = arena_alloc(&arena, 7, 1);
        unsigned char *rest = arena_alloc(&arena, CAPACITY - 16, 16);
        ck_assert_ptr_eq(small, buffer);
        ck_assert_ptr_eq(rest, buffer + 16);
        arena_reset(&arena);
    }
    ck_assert_uint_eq(arena_high_water(&arena), CAPACITY);
    ck_assert_uint_eq(arena_overflow_count(&arena), 0);
}
END_TEST

START_TEST(rewind_goes_back_to_the_mark)
{
    unsigned char *kept = arena_alloc(&arena, 10, 1);
    memset(kept, 0x11, 10);
    arena_position position = arena_mark(&arena);
    ck_assert_uint_eq(used(), 10);
    void *dropped = arena_alloc(&arena, 100, 8);
    memset(dropped, 0x22, 100);
    arena_rewind(&arena, position);
    ck_assert_uint_eq(used(), 10);
    ck_assert_ptr_eq(arena_alloc(&arena, 50, 8), dropped);
    ck_assert(holds_only(kept, 10, 0x11));
}
END_TEST

START_TEST(marks_nest)
{
    enum { DEPTH = 1000 };
    arena_position positions[DEPTH];
    for (size_t i = 0; i < DEPTH; i++) {
        positions[i] = arena_mark(&arena);
        ck_assert_ptr_nonnull(arena_alloc(&arena, 1 + i % 32, 2));
    }
    size_t highest = used();
    for (size_t i = DEPTH; i-- > 0;) {
        arena_rewind(&arena, positions[i]);
        ck_assert_uint_eq(used(), positions[i]);
    }
    ck_assert_uint_eq(used(), 0);
    ck_assert_uint_eq(arena_high_water(&arena), highest);
}
END_TEST

START_TEST(stale_position_changes_nothing)
{
    ck_assert_ptr_nonnull(arena_alloc(&arena, 100, 1));
    arena_position stale = arena_mark(&arena);
    arena_reset(&arena);
    arena_rewind(&arena, stale);
    ck_assert_uint_eq(used(), 0);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 99, 1));
    arena_rewind(&arena, stale);
    ck_assert_uint_eq(used(), 99);
    arena_rewind(&arena, SIZE_MAX);
    ck_assert_uint_eq(used(), 99);
    ck_assert_uint_eq(arena_high_water(&arena), 100);
}
END_TEST

START_TEST(rewind_to_here_changes_nothing)
{
    ck_assert_ptr_nonnull(arena_alloc(&arena, 100, 1));
    arena_rewind(&arena, arena_mark(&arena));
    ck_assert_uint_eq(used(), 100);
    ck_assert_ptr_eq(arena_alloc(&arena, 1, 1), buffer + 100);
}
END_TEST

START_TEST(rewind_gives_padding_back)
{
    ck_assert_ptr_nonnull(arena_alloc(&arena, 1, 1));
    arena_position position = arena_mark(&arena);
    ck_assert_ptr_eq(arena_alloc(&arena, 1, 64), buffer + 64);
    arena_rewind(&arena, position);
    ck_assert_ptr_eq(arena_alloc(&arena, 1, 1), buffer + 1);
}
END_TEST

static TCase *reset_and_rewind(void)
{
    TCase *tcase = group("reset and rewind");
    tcase_add_test(tcase, reset_gives_everything_back);
    tcase_add_test(tcase, reset_keeps_the_counters);
    tcase_add_test(tcase, many_cycles_are_all_alike);
    tcase_add_test(tcase, rewind_goes_back_to_the_mark);
    tcase_add_test(tcase, marks_nest);
    tcase_add_test(tcase, stale_position_changes_nothing);
    tcase_add_test(tcase, rewind_to_here_changes_nothing);
    tcase_add_test(tcase, rewind_gives_padding_back);
    return tcase;
}

/* ---- remaining ------------------------------------------------------------------------------ */

START_TEST(remaining_falls_by_size_and_padding)
{
    ck_assert_uint_eq(arena_remaining(&arena), CAPACITY);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 3, 1));
    ck_assert_uint_eq(arena_remaining(&arena), CAPACITY - 3);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 8, 8));
    ck_assert_uint_eq(arena_remaining(&arena), CAPACITY - 16);
}
END_TEST

START_TEST(remaining_is_what_still_fits)
{
    for (size_t size = 1; arena_remaining(&arena) > 2 * size; size *= 3)
        ck_assert_ptr_nonnull(arena_alloc(&arena, size, 1));
    size_t rest = arena_remaining(&arena);
    ck_assert_ptr_null(arena_alloc(&arena, rest + 1, 1));
    ck_assert_ptr_eq(arena_alloc(&arena, rest, 1), buffer + CAPACITY - rest);
    ck_assert_uint_eq(arena_remaining(&arena), 0);
}
END_TEST

START_TEST(remaining_comes_back)
{
    ck_assert_ptr_nonnull(arena_alloc(&arena, 300, 1));
    arena_position position = arena_mark(&arena);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 300, 1));
    arena_rewind(&arena, position);
    ck_assert_uint_eq(arena_remaining(&arena), CAPACITY - 300);
    arena_reset(&arena);
    ck_assert_uint_eq(arena_remaining(&arena), CAPACITY);
}
END_TEST

static TCase *remaining(void)
{
    TCase *tcase = group("remaining");
    tcase_add_test(tcase, remaining_falls_by_size_and_padding);
    tcase_add_test(tcase, remaining_is_what_still_fits);
    tcase_add_test(tcase, remaining_comes_back);
    return tcase;
}

/* ---- utilization and high water ------------------------------------------------------------- */

START_TEST(utilization_is_the_share_in_use)
{
    ck_assert_double_eq(arena_utilization(&arena), 0.0);
    for (int quarter = 1; quarter <= 4; quarter++) {
        ck_assert_ptr_nonnull(arena_alloc(&arena, CAPACITY / 4, 1));
        ck_assert_double_eq(arena_utilization(&arena), 0.25 * quarter);
    }
    arena_reset(&arena);
    ck_assert_double_eq(arena_utilization(&arena), 0.0);
}
END_TEST

START_TEST(utilization_counts_padding)
{
    arena_init(&arena, buffer, 64);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 1, 1));
    ck_assert_ptr_nonnull(arena_alloc(&arena, 16, 16));
    ck_assert_double_eq(arena_utilization(&arena), 0.5);
    ck_assert_ptr_null(arena_alloc(&arena, 64, 1));
    ck_assert_double_eq(arena_utilization(&arena), 0.5);
}
END_TEST

START_TEST(high_water_rises_with_use)
{
    ck_assert_uint_eq(arena_high_water(&arena), 0);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 3, 1));
    ck_assert_uint_eq(arena_high_water(&arena), 3);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 8, 8));
    ck_assert_uint_eq(arena_high_water(&arena), 16);
}
END_TEST

START_TEST(high_water_is_the_largest_not_the_last)
{
    static const size_t peaks[] = {100, 5000, 20, 4999};
    for (size_t i = 0; i < sizeof peaks / sizeof *peaks; i++) {
        ck_assert_ptr_nonnull(arena_alloc(&arena, peaks[i], 1));
        arena_reset(&arena);
    }
    ck_assert_uint_eq(arena_high_water(&arena), 5000);
}
END_TEST

START_TEST(high_water_survives_rewind)
{
    arena_position position = arena_mark(&arena);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 500, 1));
    arena_rewind(&arena, position);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 499, 1));
    ck_assert_uint_eq(arena_high_water(&arena), 500);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 2, 1));
    ck_assert_uint_eq(arena_high_water(&arena), 501);
}
END_TEST

static TCase *utilization_and_high_water(void)
{
    TCase *tcase = group("utilization and high water");
    tcase_add_test(tcase, utilization_is_the_share_in_use);
    tcase_add_test(tcase, utilization_counts_padding);
    tcase_add_test(tcase, high_water_rises_with_use);
    tcase_add_test(tcase, high_water_is_the_largest_not_the_last);
    tcase_add_test(tcase, high_water_survives_rewind);
    return tcase;
}

/* ---- stress --------------------------------------------------------------------------------- */

START_TEST(single_bytes_until_full)
{
    for (size_t i = 0; i < CAPACITY; i++) {
        unsigned char *block = arena_alloc(&arena, 1, 1);
        ck_assert_ptr_nonnull(block);
        *block = (unsigned char)(i % 251);
    }
    ck_assert_ptr_null(arena_alloc(&arena, 1, 1));
    for (size_t i = 0; i < CAPACITY; i++)
        ck_assert_uint_eq(buffer[i], i % 251);
}
END_TEST

/* Fills the arena with blocks of the sizes and alignments in turn, each with bytes of its own, and
 * then checks every block. */
static void fill_and_check(const size_t *sizes, size_t size_count, const size_t *alignments,
                           size_t alignment_count)
{
    static unsigned char *blocks[CAPACITY];
    size_t count = 0;
    for (;; count++) {
        size_t size = sizes[count % size_count];
        size_t wanted = alignments[count % alignment_count];
        blocks[count] = arena_alloc(&arena, size, wanted);
        if (blocks[count] == NULL)
            break;
        ck_assert(is_aligned(blocks[count], wanted));
        ck_assert(blocks[count] >= buffer && blocks[count] + size <= buffer + CAPACITY);
        memset(blocks[count], (int)(count % 255 + 1), size);
    }
    ck_assert_uint_eq(arena_overflow_count(&arena), 1);
    for (size_t i = 0; i < count; i++)
        ck_assert(holds_only(blocks[i], sizes[i % size_count], (unsigned char)(i % 255 + 1)));
    size_t most = 0;
    for (size_t i = 0; i < size_count; i++)
        most = sizes[i] > most ? sizes[i] : most;
    ck_assert_uint_lt(arena_remaining(&arena), most + PAGE);
}

START_TEST(alternating_sizes_keep_their_contents)
{
    static const size_t sizes[] = {1, 4000};
    static const size_t alignments[] = {8};
    for (int cycle = 0; cycle < 10; cycle++) {
        make_arena();
        fill_and_check(sizes, 2, alignments, 1);
    }
}
END_TEST

START_TEST(mixed_alignments_keep_their_contents)
{
    static const size_t sizes[] = {1, 24, 3, 100, 17};
    static const size_t alignments[] = {1, 64, 2, 4096, 8, 256, 16};
    fill_and_check(sizes, 5, alignments, 7);
}
END_TEST

START_TEST(mark_and_rewind_around_every_block)
{
    ck_assert_ptr_nonnull(arena_alloc(&arena, 1, 1));
    for (size_t i = 0; i < 100000; i++) {
        arena_position position = arena_mark(&arena);
        if (arena_alloc(&arena, i % CAPACITY, (size_t)1 << (i % 13)) == NULL)
            ck_assert_uint_gt(i % CAPACITY + PAGE, CAPACITY - 1);
        arena_rewind(&arena, position);
    }
    ck_assert_uint_eq(used(), 1);
}
END_TEST

static TCase *stress(void)
{
    TCase *tcase = group("stress");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, single_bytes_until_full);
    tcase_add_test(tcase, alternating_sizes_keep_their_contents);
    tcase_add_test(tcase, mixed_alignments_keep_their_contents);
    tcase_add_test(tcase, mark_and_rewind_around_every_block);
    return tcase;
}

/* ---- edges ---------------------------------------------------------------------------------- */

START_TEST(unaligned_buffer_gives_aligned_blocks)
{
    size_t shift = (size_t)_i;
    arena_init(&arena, buffer + shift, 64);
    ck_assert_ptr_eq(arena_alloc(&arena, 16, 16), buffer + 16);
    ck_assert_uint_eq(arena_remaining(&arena), 64 - (32 - shift));
    arena_reset(&arena);
    ck_assert_ptr_eq(arena_alloc(&arena, 64, 1), buffer + shift);
}
END_TEST

START_TEST(zero_capacity_refuses_every_byte)
{
    arena_init(&arena, buffer, 0);
    ck_assert_ptr_null(arena_alloc(&arena, 1, 1));
    ck_assert_ptr_eq(arena_alloc(&arena, 0, 1), buffer);
    ck_assert_uint_eq(arena_overflow_count(&arena), 1);
    ck_assert_uint_eq(arena_remaining(&arena), 0);
    ck_assert_double_eq(arena_utilization(&arena), 0.0);
    arena_reset(&arena);
    ck_assert_uint_eq(arena_high_water(&arena), 0);
}
END_TEST

START_TEST(null_buffer_has_no_capacity)
{
    arena_init(&arena, NULL, 100);
    ck_assert_uint_eq(arena_remaining(&arena), 0);
    ck_assert_ptr_null(arena_alloc(&arena, 1, 1));
    ck_assert_uint_eq(arena_overflow_count(&arena), 1);
    ck_assert_ptr_null(arena_alloc(&arena, 0, 1));
    ck_assert_ptr_null(arena_alloc(&arena, 0, 4096));
    ck_assert_uint_eq(arena_overflow_count(&arena), 1);
    ck_assert_double_eq(arena_utilization(&arena), 0.0);
}
END_TEST

START_TEST(size_zero_in_a_full_arena)
{
    arena_init(&arena, buffer, 99);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 99, 1));
    ck_assert_ptr_eq(arena_alloc(&arena, 0, 1), buffer + 99);
    ck_assert_uint_eq(arena_overflow_count(&arena), 0);
    ck_assert_ptr_null(arena_alloc(&arena, 0, 2));
    ck_assert_uint_eq(arena_overflow_count(&arena), 1);
    ck_assert_double_eq(arena_utilization(&arena), 1.0);
}
END_TEST

START_TEST(one_byte_arena)
{
    arena_init(&arena, buffer + 1, 1);
    ck_assert_ptr_null(arena_alloc(&arena, 1, 2));
    ck_assert_ptr_eq(arena_alloc(&arena, 1, 1), buffer + 1);
    ck_assert_ptr_null(arena_alloc(&arena, 1, 1));
    ck_assert_double_eq(arena_utilization(&arena), 1.0);
}
END_TEST

static TCase *edges(void)
{
    TCase *tcase = group("edges");
    tcase_add_loop_test(tcase, unaligned_buffer_gives_aligned_blocks, 1, 16);
    tcase_add_test(tcase, zero_capacity_refuses_every_byte);
    tcase_add_test(tcase, null_buffer_has_no_capacity);
    tcase_add_test(tcase, size_zero_in_a_full_arena);
    tcase_add_test(tcase, one_byte_arena);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("arena");
    suite_add_tcase(suite, basic());
    suite_add_tcase(suite, alignment());
    suite_add_tcase(suite, typed_arrays());
    suite_add_tcase(suite, overflow());
    suite_add_tcase(suite, reset_and_rewind());
    suite_add_tcase(suite, remaining());
    suite_add_tcase(suite, utilization_and_high_water());
    suite_add_tcase(suite, stress());
    suite_add_tcase(suite, edges());

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
