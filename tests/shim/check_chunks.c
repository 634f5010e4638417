/*
 * Unit tests of chunks.h, and random operations against a plain model: runs do not overlap, counts
 * are right, what is said to be clean reads as zero, runs that others have emptied come back, and
 * trimming leaves no more warm than asked.
 */
#include "harness.h"

#include "memory/chunks.h"
#include <sys/syscall.h>

enum { ROOM = 300, OPERATIONS = 60000 };

static struct chunks chunks;
static uintptr_t memory;
static size_t memory_size;

static void set_up(void)
{
    memory_size = ROOM * (CHUNK_BYTES + sizeof(struct chunk)) + 3 * 4096;
    void *map = mmap(NULL, memory_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(map != MAP_FAILED);
    memory = (uintptr_t)map;
    chunks = (struct chunks){0};
    chunks_init(&chunks, memory, memory + memory_size);
    checker_silence(true); /* there are no blocks in this memory */
}

static void tear_down(void)
{
    checker_silence(false);
    munmap((void *)memory, memory_size);
}

static uint32_t take(uint32_t count)
{
    bool clean;
    int index = chunks_take(&chunks, count, 1, &clean);
    ck_assert_int_ge(index, 0);
    return (uint32_t)index;
}

START_TEST(everything_lies_within_the_memory)
{
    for (size_t size = 4096; size < 5 * CHUNK_BYTES; size += 4096) {
        struct chunks small = {0};
        chunks_init(&small, memory, memory + size);
        ck_assert_uint_le(chunks_address(&small, small.room), memory + size);
        ck_assert_uint_le((uintptr_t)&small.table[small.room], small.start);
        ck_assert_uint_eq(small.start % 4096, 0);
    }
    ck_assert_uint_ge(chunks.room, ROOM);
}
END_TEST

START_TEST(no_more_chunks_than_an_index_is_good_for)
{
    struct chunks large = {0};
    chunks_init(&large, (uintptr_t)1 << 40, (uintptr_t)1 << 42);
    ck_assert_uint_eq(large.room, CHUNKS_MAX);
}
END_TEST

START_TEST(addresses_and_indices)
{
    take(3);
    ck_assert(chunks_hold(&chunks, chunks.start));
    ck_assert(!chunks_hold(&chunks, chunks.start - 1));
    ck_assert(chunks_hold(&chunks, chunks_address(&chunks, chunks.count) - 1));
    ck_assert(!chunks_hold(&chunks, chunks_address(&chunks, chunks.count)));
    ck_assert_uint_eq(chunks_index(&chunks, chunks_address(&chunks, 2)), 2);
    ck_assert_uint_eq(chunks_index(&chunks, chunks_address(&chunks, 2) - 1), 1);
}
END_TEST

START_TEST(all_of_it_can_be_taken_and_no_more)
{
    bool clean;
    for (uint32_t i = 0; i < chunks.room; i++) {
        ck_assert_uint_eq(take(1), i);
        *(volatile char *)(chunks_address(&chunks, i + 1) - 1) = 1;
    }
    ck_assert_int_eq(chunks_take(&chunks, 1, 1, &clean), -1);
    chunks_release(&chunks, 5);
    ck_assert_int_eq(chunks_take(&chunks, 2, 1, &clean), -1);
    ck_assert_uint_eq(take(1), 5);
    ck_assert_int_eq(chunks_take(&chunks, chunks.room + 1, 1, &clean), -1);
    ck_assert_int_eq(chunks_take(&chunks, UINT32_MAX, 1, &clean), -1);
    ck_assert_uint_eq(chunks.used, chunks.room);
}
END_TEST

START_TEST(one_run_can_take_all)
{
    ck_assert_uint_eq(take(chunks.room), 0);
    chunks_release(&chunks, 0);
    ck_assert_uint_eq(chunks.used, 0);
    ck_assert_uint_eq(chunks.warm, chunks.room);
}
END_TEST

START_TEST(the_lowest_that_fits_comes_first)
{
    for (uint32_t i = 0; i < 200; i++)
        take(1);
    chunks_release(&chunks, 150);
    chunks_release(&chunks, 64);
    chunks_release(&chunks, 63);
    ck_assert_uint_eq(take(2), 63);
    ck_assert_uint_eq(take(1), 150);
}
END_TEST

START_TEST(what_is_refused_by_the_kernel_is_not_there)
{
    /* The first step can be had, nothing behind it. */
    take(1);
    uint32_t count = chunks.count;
    munmap((void *)chunks_address(&chunks, count),
           memory + memory_size - chunks_address(&chunks, count));
    bool clean;
    for (uint32_t i = 1; i < count; i++)
        ck_assert_int_ge(chunks_take(&chunks, 1, 1, &clean), 0);
    ck_assert_int_eq(chunks_take(&chunks, 1, 1, &clean), -1);
    ck_assert_uint_eq(chunks.count, count);
    ck_assert_uint_eq(chunks.used, count);
    chunks_release(&chunks, 3);
    ck_assert_uint_eq(take(1), 3);
}
END_TEST

START_TEST(a_restarted_chunk_counts_from_0)
{
    uint32_t index = take(1);
    chunks.table[index].drawn = 5;
    chunks.table[index].freed = 3;
    chunks_free_late(&chunks, &chunks.table[index]);
    ck_assert_uint_eq(chunk_live(&chunks.table[index]), 1);
    ck_assert(!chunks_were_emptied(&chunks));
    chunks_free_late(&chunks, &chunks.table[index]);
    ck_assert(chunks_were_emptied(&chunks));
    chunks_restart(&chunks, index, 77);
    ck_assert_uint_eq(chunk_live(&chunks.table[index]), 0);
    ck_assert_uint_eq(chunks.table[index].serial, 77);
    ck_assert_uint_eq(chunks.table[index].run, 1);
    ck_assert_uint_eq(chunks_late_frees(&chunks), 2);
}
END_TEST

START_TEST(counts_may_go_round)
{
    uint32_t index = take(1);
    struct chunk *chunk = &chunks.table[index];
    chunk->drawn = 2;
    chunk->freed = UINT32_MAX - 5;
    chunk->remote = 6;
    ck_assert_uint_eq(chunk_live(chunk), 2);
}
END_TEST

START_TEST(others_empty_what_is_not_current)
{
    uint32_t first = take(1), second = take(4), third = take(1);
    for (uint32_t i = first; i <= third; i = i == first    ? second
                                             : i == second ? third
                                                           : third + 1) {
        chunks.table[i].drawn = 1;
        chunks_free_late(&chunks, &chunks.table[i]);
    }
    chunks_reclaim(&chunks, (int)third);
    ck_assert(!chunks_were_emptied(&chunks));
    ck_assert_uint_eq(chunks.used, 1);
    ck_assert_uint_eq(chunks.table[third].run, 1);
    chunks_reclaim(&chunks, -1);
    ck_assert_uint_eq(chunks.used, 0);
    ck_assert_uint_eq(chunks_late_frees(&chunks), 3);
}
END_TEST

START_TEST(what_is_trimmed_reads_as_zero)
{
    bool clean;
    uint32_t index = take(6);
    memset((void *)chunks_address(&chunks, index), 1, 6 * CHUNK_BYTES);
    chunks_release(&chunks, index);
    ck_assert_uint_eq(chunks.warm, 6);
    chunks_trim(&chunks, 2);
    ck_assert_uint_eq(chunks.warm, 2);
    ck_assert_int_eq(chunks_take(&chunks, 2, 1, &clean), (int)index);
    ck_assert(!clean);
    ck_assert_int_eq(chunks_take(&chunks, 4, 1, &clean), (int)index + 2);
    ck_assert(clean);
    ck_assert(holds_only((void *)chunks_address(&chunks, index + 2), 4 * CHUNK_BYTES, 0));
}
END_TEST

START_TEST(locked_memory_stays_warm)
{
    uint32_t index = take(2);
    void *start = (void *)chunks_address(&chunks, index);
    /* The C library's own is nothing under AddressSanitizer. */
    if (syscall(SYS_mlock, start, 2 * CHUNK_BYTES) != 0)
        return;
    memset(start, 1, 2 * CHUNK_BYTES);
    chunks_release(&chunks, index);
    chunks_trim(&chunks, 0);
    ck_assert_uint_eq(chunks.warm, 2);
    bool clean;
    ck_assert_int_eq(chunks_take(&chunks, 2, 1, &clean), (int)index);
    ck_assert(!clean);
}
END_TEST

/* ---- the model ------------------------------------------------------------------------------- */

/* For each chunk: the run that it belongs to, by its first chunk plus 1, or 0; and whether somebody
 * has written to it since it was zero. */
static uint32_t run_of[ROOM + 100];
static bool written[ROOM + 100];
static uint32_t live_of[ROOM + 100];
static uint32_t length_of(uint32_t index)
{
    uint32_t end = index;
    while (end < chunks.room && run_of[end] == index + 1)
        end++;
    return end - index;
}

static unsigned char *byte_in(uint32_t index)
{
    return (unsigned char *)chunks_address(&chunks, index) + 7 * 4096;
}

/* Not 0. */
static unsigned char mark_of(uint32_t index)
{
    return (unsigned char)(index % 255 + 1);
}

/* A run that is in use, or -1. */
static int any_run(void)
{
    uint32_t start = below(chunks.room);
    for (uint32_t i = 0; i < chunks.room; i++) {
        uint32_t index = (start + i) % chunks.room;
        if (run_of[index] == index + 1)
            return (int)index;
    }
    return -1;
}

static void forget(uint32_t first, uint32_t end)
{
    for (uint32_t i = first; i < end; i++) {
        run_of[i] = 0;
        written[i] = true;
    }
}

static bool model_has_room(uint32_t count)
{
    uint32_t length = 0;
    for (uint32_t i = 0; i < chunks.room; i++) {
        length = run_of[i] == 0 ? length + 1 : 0;
        if (length == count)
            return true;
    }
    return false;
}

static void model_take(void)
{
    bool clean = false, is_zero = true;
    uint32_t count = below(4) ? 1 : 1 + below(40);
    int index = chunks_take(&chunks, count, 1, &clean);
    require((index >= 0) == model_has_room(count));
    if (index < 0)
        return;
    for (uint32_t i = (uint32_t)index; i < (uint32_t)index + count; i++) {
        require(run_of[i] == 0);
        run_of[i] = (uint32_t)index + 1;
        is_zero = is_zero && !written[i];
        if (clean)
            require(*byte_in(i) == 0);
        *byte_in(i) = mark_of((uint32_t)index);
    }
    require(!clean || is_zero);
    require(clean || !is_zero);
    live_of[index] = 1 + below(3);
    chunks.table[index].drawn = live_of[index];
}

static void model_free(void)
{
    int index = any_run();
    if (index < 0)
        return;
    struct chunk *chunk = &chunks.table[index];
    uint32_t length = length_of((uint32_t)index);
    require(chunk->run == length && chunk_live(chunk) == live_of[index]);
    for (uint32_t i = (uint32_t)index; i < (uint32_t)index + length; i++)
        require(*byte_in(i) == mark_of((uint32_t)index));
    if (live_of[index] == 0)
        return; /* others have emptied it */
    live_of[index]--;
    if (below(2)) {
        chunks_free_late(&chunks, chunk);
        require(live_of[index] > 0 || chunks_were_emptied(&chunks));
        return;
    }
    chunk->freed++;
    if (live_of[index] == 0) {
        chunks_release(&chunks, (uint32_t)index);
        forget((uint32_t)index, (uint32_t)index + length);
    }
}

static void model_reclaim(void)
{
    int current = below(2) ? any_run() : -1;
    chunks_reclaim(&chunks, current);
    for (uint32_t i = 0; i < chunks.room; i++)
        if (run_of[i] == i + 1 && live_of[i] == 0 && (int)i != current)
            forget(i, i + length_of(i));
}

static void model_shorten(void)
{
    int index = any_run();
    uint32_t length = index < 0 ? 0 : length_of((uint32_t)index);
    if (length < 2)
        return;
    uint32_t kept = 1 + below(length);
    chunks_shorten(&chunks, (uint32_t)index, kept);
    forget((uint32_t)index + kept, (uint32_t)index + length);
}

static void model_trim(void)
{
    uint32_t kept = below(60);
    uint32_t before = chunks.warm;
    chunks_trim(&chunks, kept);
    require(chunks.warm == (before < kept ? before : kept));
    for (uint32_t i = 0; i < chunks.count; i++)
        if (run_of[i] == 0 && *byte_in(i) == 0)
            written[i] = false;
}

static void check_counts(void)
{
    uint32_t used = 0, warm = 0;
    for (uint32_t i = 0; i < chunks.room; i++) {
        used += run_of[i] != 0;
        warm += run_of[i] == 0 && written[i];
        require(run_of[i] == 0 || i < chunks.count);
        require(run_of[i] != i + 1 || chunks.table[i].run == length_of(i));
        require(run_of[i] == i + 1 || i >= chunks.count || chunks.table[i].run == 0);
    }
    require(chunks.used == used && chunks.warm == warm);
}

START_TEST(random_operations)
{
    model_random = 88172645463325252U + (uint64_t)_i * 1000003;
    memset(run_of, 0, sizeof run_of);
    memset(written, 0, sizeof written);
    require(chunks.room < COUNT(run_of));
    for (int i = 0; i < OPERATIONS; i++) {
        uint32_t kind = below(1000);
        if (kind < 440)
            model_take();
        else if (kind < 960)
            model_free();
        else if (kind < 970)
            model_reclaim();
        else if (kind < 980)
            model_shorten();
        else if (kind < 990)
            model_trim();
        else
            check_counts();
        bool grows = chunks_would_grow(&chunks, 1);
        uint32_t used = 0;
        for (uint32_t k = 0; grows && k < chunks.count; k++)
            used += run_of[k] != 0;
        require(!grows || used == chunks.count);
    }
    check_counts();
}
END_TEST

static Suite *chunks_suite(void)
{
    Suite *suite = suite_create("chunks");
    TCase *tcase = tcase_create("chunks");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, everything_lies_within_the_memory);
    tcase_add_test(tcase, no_more_chunks_than_an_index_is_good_for);
    tcase_add_test(tcase, addresses_and_indices);
    tcase_add_test(tcase, all_of_it_can_be_taken_and_no_more);
    tcase_add_test(tcase, one_run_can_take_all);
    tcase_add_test(tcase, the_lowest_that_fits_comes_first);
    tcase_add_test(tcase, what_is_refused_by_the_kernel_is_not_there);
    tcase_add_test(tcase, a_restarted_chunk_counts_from_0);
    tcase_add_test(tcase, counts_may_go_round);
    tcase_add_test(tcase, others_empty_what_is_not_current);
    tcase_add_test(tcase, what_is_trimmed_reads_as_zero);
    tcase_add_test(tcase, locked_memory_stays_warm);
    tcase_add_loop_test(tcase, random_operations, 0, 4);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(int argc, char **argv)
{
    static const struct fresh cases[] = {{NULL, NULL}};
    return run_suite(chunks_suite, cases, argc, argv);
}
