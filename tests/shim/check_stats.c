/*
 * Unit tests of stats.h and sites.h: the exact numbers of scripted runs, sites that are merged or
 * too many, the order of modules, and whether the recommended capacity is enough.
 *
 * Numbers are those of a whole process, so nearly every test is a fresh case. Peaks are exact
 * without a checker only: with one, red zones are part of them.
 */
#include "harness.h"

enum { CAPACITY = 64 * 1024, LIMIT = 1024 * 1024 };

static bool plain;

static void start(void)
{
    routing_start(CAPACITY, LIMIT, 16);
    plain = !track_active();
}

#define require_peak(label, bytes) require(!plain || site_named(label).peak == (bytes))

/* ---- scripted runs --------------------------------------------------------------------------- */

static void one_site(void)
{
    start();
    for (int i = 0; i < 3; i++) {
        arena_scope_token token = begin("A");
        t_malloc(100);                 /* 112 bytes with its header */
        void *block = t_calloc(5, 10); /* 64 */
        t_free(block);
        t_memalign(16, 24); /* 32 */
        arena_scope_end(token);
    }
    struct site_stats sum = site_named("A");
    const struct stats *stats = stats_now();
    require(sum.scopes == 3 && sum.calls == 9 && sum.bytes == 3 * (100 + 50 + 24));
    require(sum.live_at_end == 6 && sum.overflows == 0 && sum.fallbacks == 0);
    require_peak("A", 112 + 64);
    require(stats->threads == 1 && stats->freed == 3 && stats->in_place == 0);
    require(stats_routed_calls(stats) == 9 && stats_passed(stats) == 0);
    require(stats->all_sites.scopes == 3 && stats->all_sites.bytes == 3 * 174);
    require(!plain || stats->high_water == 176);
    require(stats->left_open == 0 && stats->misuses == 0 && stats->ignored_frees == 0);
    require(stats_recommended_capacity(stats) == 4096);
}

static void nested_sites(void)
{
    start();
    arena_scope_token outer = begin("outer");
    void *block = t_malloc(1000); /* 1008 */
    arena_scope_token inner = begin("inner");
    t_malloc(2000); /* 2016; longer: it is the outer scope's peak as well */
    t_free(block);
    arena_scope_end(inner);
    inner = begin("inner");
    t_malloc(200);
    arena_scope_end(inner);
    t_malloc(10); /* 32 */
    arena_scope_end(outer);
    stats_now();
    struct site_stats sum = site_named("outer");
    require(sum.scopes == 1 && sum.calls == 2 && sum.bytes == 1010 && sum.live_at_end == 1);
    require_peak("outer", 1008 + 2016);
    sum = site_named("inner");
    require(sum.scopes == 2 && sum.calls == 2 && sum.bytes == 2200 && sum.live_at_end == 2);
    require_peak("inner", 2016);
    require(!plain || stats_now()->high_water == 1008 + 2016);
}

static void empty_scopes(void)
{
    start();
    for (int i = 0; i < 100; i++)
        arena_scope_end(begin("empty"));
    struct site_stats sum = site_named("empty");
    require(sum.scopes == 100 && sum.calls == 0 && sum.peak == 0 && sum.live_at_end == 0);
    require(stats_now()->high_water == 0);
}

static void peaks_that_were_freed_again(void)
{
    start();
    arena_scope_token token = begin("A");
    t_free(t_malloc(5000)); /* 5008 */
    t_malloc(100);
    arena_scope_end(token);
    require_peak("A", 5008);
    token = begin("B");
    t_realloc(t_malloc(3000), 10); /* 3008 */
    arena_scope_end(token);
    require_peak("B", 3008);
    token = begin("C");
    t_realloc(t_malloc(10), 7000); /* 7008 */
    arena_scope_end(token);
    require_peak("C", 7008);
}

static void resized_blocks(void)
{
    start();
    arena_scope_token token = begin("A");
    void *block = t_malloc(24);
    block = t_realloc(block, 10);
    block = t_realloc(block, 1000);
    t_malloc(8);
    block = t_realloc(block, 500);
    block = t_realloc(block, 2000); /* moves */
    arena_scope_end(token);
    const struct stats *stats = stats_now();
    require(!plain || (stats->in_place == 3 && stats->all_sites.calls == 3));
    require(stats_routed_calls(stats) == 6);
    require(site_named("A").live_at_end == 2);
    /* A block that grows in place adds what it had no room for (10 bytes have room for 24). */
    require(!plain || stats->all_sites.bytes == 24 + (1000 - 24) + 8 + 2000);
}

static void overflows_and_fallbacks(void)
{
    start();
    arena_scope_token token = begin("A");
    t_malloc(CAPACITY);              /* grows */
    void *outside = t_malloc(LIMIT); /* falls back */
    arena_scope_end(token);
    t_free(outside);
    fixed.config.overflow = OVERFLOW_FALLBACK;
    token = begin("B");
    outside = t_calloc(1, CAPACITY);
    arena_scope_end(token);
    t_free(outside);
    fixed.config.overflow = OVERFLOW_ERROR;
    token = begin("C");
    t_malloc(CAPACITY);
    arena_scope_end(token);
    const struct stats *stats = stats_now();
    struct site_stats sum = site_named("A");
    require(sum.overflows == 2 && sum.fallbacks == 1 && sum.calls == 1 && sum.bytes == CAPACITY);
    sum = site_named("B");
    require(sum.overflows == 1 && sum.fallbacks == 1 && sum.calls == 0);
    sum = site_named("C");
    require(sum.overflows == 1 && sum.fallbacks == 0 && sum.calls == 0);
    require(stats->all_sites.overflows == 4 && stats->all_sites.fallbacks == 2);
    require(stats_passed(stats) == 2 && stats_routed_calls(stats) == 1);
}

static void calls_passed_on(void)
{
    int local;
    start();
    arena_scope_token token = begin("A");
    arena_scope_pause();
    t_free(t_malloc(1));
    arena_scope_resume();
    for (int i = 0; i < 2; i++)
        t_free(t_malloc_from((uintptr_t)&local, 1));
    for (int i = 0; i < 3; i++)
        t_free(t_malloc_from(other_caller(), 1));
    t_free(t_realloc_from(other_caller(), t_malloc(1), 10));
    arena_scope_end(token);
    const struct stats *stats = stats_now();
    require(stats->paused == 1 && stats->unknown == 2 && stats->not_participating == 4);
    require(stats_passed(stats) == 7 && stats_routed_calls(stats) == 1);
    require(site_named("A").passed == 7);
    int index = stats_next_module(stats, UINT64_MAX, -1);
    require(index >= 0 && stats->by_module[index] == 4);
    require(strncmp(modules_name(index), "libc.so", 7) == 0);
    require(stats_next_module(stats, 4, index) == -1);
}

static void scopes_still_open(void)
{
    static struct stats stats;
    start();
    begin("A");
    t_malloc(10);
    begin("B");
    t_malloc(10);
    stats_collect(&stats, false);
    require(stats.left_open == 0);
    require(stats.all_sites.calls == 2 && stats.all_sites.scopes == 2);
    stats_collect(&stats, true);
    require(stats.left_open == 2);
    require(site_named("A").left_open == 1 && site_named("B").left_open == 1);
}

static void *use_a_scope(void *size)
{
    arena_scope_token token = begin("A");
    t_malloc((size_t)(intptr_t)size);
    arena_scope_end(token);
    return NULL;
}

static void sums_over_threads(void)
{
    pthread_t threads[4];
    start();
    for (intptr_t i = 0; i < 4; i++)
        require(pthread_create(&threads[i], NULL, use_a_scope, (void *)(1000 * (i + 1))) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    struct site_stats sum = site_named("A");
    require(sum.scopes == 4 && sum.calls == 4 && sum.bytes == 10000 && sum.live_at_end == 4);
    require_peak("A", 4016);
    require(stats_now()->threads == 4);
    require(!plain || stats_now()->high_water == 4016);
}

/* ---- sites ----------------------------------------------------------------------------------- */

static size_t reported_sites(void)
{
    struct site_stats sum;
    size_t count = 0;
    for (size_t i = 0; i < sites_count(); i++)
        count += stats_of_site(i, &sum);
    return count;
}

static void use_site(const char *label, const char *file, uint32_t line)
{
    arena_scope_site site = {label, file, line, 0};
    arena_scope_end(arena_scope_begin(&site));
}

static void equal_sites_are_one(void)
{
    static const char label[] = "label", same_label[] = "label";
    static const char file[] = "file", same_file[] = "file";
    start();
    use_site(label, file, 1);
    use_site(same_label, file, 1);
    use_site(label, same_file, 1);
    use_site(same_label, same_file, 1);
    require(sites_count() == 1 && reported_sites() == 1);
    require(site_named("label").scopes == 4);
}

static void different_sites_are_not(void)
{
    start();
    use_site("a", "file", 1);
    use_site("a", "file", 2);
    use_site("a", "other", 1);
    use_site("b", "file", 1);
    use_site(NULL, "file", 1);
    use_site(NULL, NULL, 1);
    use_site(NULL, NULL, 2);
    require(reported_sites() == 7);
}

static void labels_are_copied(void)
{
    char label[] = "first"; /* on the stack, as in a module that will be unloaded */
    start();
    use_site(label, "file", 1);
    memset(label, 'x', sizeof label - 1);
    require(site_named("first").scopes == 1);
    require(strcmp(sites_at(0)->file, "file") == 0 && sites_at(0)->line == 1);
}

static void more_sites_than_entries(void)
{
    static const int sites = SITES_MAX + 88;
    start();
    for (int round = 0; round < 2; round++)
        for (int i = 1; i <= sites; i++)
            use_site("many", "file", (uint32_t)i);
    require(sites_count() == SITES_MAX && reported_sites() == SITES_MAX);
    struct site_stats sum;
    for (size_t i = 0; i < SITES_MAX - 1; i++)
        require(stats_of_site(i, &sum) && sum.scopes == 2);
    require(site_named("(further sites)").scopes == 2 * 89);
    require(stats_now()->all_sites.scopes == 2 * (uint64_t)sites);
}

static void more_text_than_the_first_room(void)
{
    static char labels[40][4000];
    start();
    for (int i = 0; i < 40; i++) {
        memset(labels[i], 'a' + i % 26, sizeof labels[i] - 1);
        use_site(labels[i], NULL, (uint32_t)i);
    }
    require(sites_count() == 40 && reported_sites() == 40);
    for (size_t i = 0; i < 40; i++)
        require(strcmp(sites_at(i)->label, labels[i]) == 0);
}

/* ---- modules --------------------------------------------------------------------------------- */

START_TEST(modules_come_by_calls_and_then_by_index)
{
    static const int expected[] = {9, 2, 5, MODULE_NAMES_MAX - 1, 0, -1};
    static struct stats stats;
    stats = (struct stats){.by_module = {[0] = 1, [2] = 30, [5] = 30, [9] = UINT64_MAX}};
    stats.by_module[MODULE_NAMES_MAX - 1] = 30;
    uint64_t calls = UINT64_MAX;
    int index = -1;
    for (size_t i = 0; i < COUNT(expected); i++) {
        index = stats_next_module(&stats, calls, index);
        ck_assert_int_eq(index, expected[i]);
        calls = index >= 0 ? stats.by_module[index] : 0;
    }
}
END_TEST

/* ---- the recommended capacity ---------------------------------------------------------------- */

/* Each draws blocks in scopes, in the same way whatever the capacity. (What becomes of a block
 * that has fallen back is unknown: none here grows after that.) */

static void draw(void *block)
{
    if (!block_is_ours(block))
        t_free(block);
}

static void draw_much(void)
{
    arena_scope_token token = begin("much");
    for (int i = 0; i < 300; i++)
        draw(t_malloc((size_t)i * 5));
    arena_scope_end(token);
}

static void draw_nested(void)
{
    arena_scope_token outer = begin("outer");
    draw(t_malloc(30000));
    for (int i = 0; i < 5; i++) {
        arena_scope_token inner = begin("inner");
        draw(t_malloc(20000));
        draw(t_malloc((size_t)i * 9000));
        arena_scope_end(inner);
    }
    arena_scope_end(outer);
}

static void draw_aligned(void)
{
    arena_scope_token token = begin("aligned");
    for (size_t alignment = 16; alignment <= 4096; alignment *= 2) {
        draw(t_memalign(alignment, 9000));
        draw(t_malloc(24));
    }
    arena_scope_end(token);
}

static void draw_and_free(void)
{
    arena_scope_token token = begin("freed");
    for (int i = 0; i < 40; i++) {
        void *block = t_calloc(1, 5000);
        if (i % 2)
            t_free(block);
        else
            draw(block);
    }
    arena_scope_end(token);
}

static void draw_one(void)
{
    arena_scope_token token = begin("one");
    draw(t_malloc(200000));
    arena_scope_end(token);
}

static void draw_growing(void)
{
    arena_scope_token token = begin("growing");
    void *block = t_malloc(10);
    for (size_t size = 1000; size < 150000; size += 7000)
        block = t_realloc(block, size);
    draw(block);
    arena_scope_end(token);
}

static void draw_growing_between_others(void)
{
    arena_scope_token token = begin("growing");
    void *block = t_malloc(10);
    for (size_t size = 5000; size < 60000; size += 500) {
        block = t_realloc(block, size);
        draw(t_malloc(8));
    }
    draw(block);
    arena_scope_end(token);
}

static const struct scenario {
    const char *name;
    void (*run)(void);
    enum overflow_policy policy;
    bool spares; /* takes more room to grow than it has to, where there is some */
} scenarios[] = {
    {"much", draw_much, OVERFLOW_GROW, false},
    {"much", draw_much, OVERFLOW_FALLBACK, false},
    {"nested", draw_nested, OVERFLOW_GROW, false},
    {"nested", draw_nested, OVERFLOW_FALLBACK, false},
    {"aligned", draw_aligned, OVERFLOW_GROW, false},
    {"aligned", draw_aligned, OVERFLOW_FALLBACK, false},
    {"freed", draw_and_free, OVERFLOW_GROW, false},
    {"freed", draw_and_free, OVERFLOW_FALLBACK, false},
    {"one", draw_one, OVERFLOW_GROW, false},
    {"one", draw_one, OVERFLOW_FALLBACK, false},
    {"one", draw_one, OVERFLOW_ERROR, false},
    {"growing", draw_growing, OVERFLOW_GROW, false},
    {"growing between others", draw_growing_between_others, OVERFLOW_GROW, true},
};

struct outcome {
    uint64_t overflows, recommended;
};

/* In the child, whose argument says what to do. The outcome goes to a pipe. */
static void run_scenario(void)
{
    int index, pipe_end;
    size_t capacity;
    require(sscanf(fresh_argument, "%d %zu %d", &index, &capacity, &pipe_end) == 3);
    routing_start(capacity, LIMIT, 16);
    fixed.config.overflow = scenarios[index].policy;
    scenarios[index].run();
    const struct stats *stats = stats_now();
    struct outcome outcome = {stats->all_sites.overflows, stats_recommended_capacity(stats)};
    require(write(pipe_end, &outcome, sizeof outcome) == sizeof outcome);
}

static struct outcome outcome_of(int index, uint64_t capacity)
{
    struct outcome outcome = {0, 0};
    char argument[80];
    int ends[2];
    require(pipe(ends) == 0);
    snprintf(argument, sizeof argument, "%d %zu %d", index, (size_t)capacity, ends[1]);
    require(run_fresh_with("run_scenario", argument) == 0);
    require(read(ends[0], &outcome, sizeof outcome) == sizeof outcome);
    close(ends[0]);
    close(ends[1]);
    return outcome;
}

START_TEST(the_recommended_capacity_is_enough)
{
    struct outcome first = outcome_of(_i, 8192);
    ck_assert_uint_gt(first.overflows, 0);
    struct outcome second = outcome_of(_i, first.recommended);
    /* An arena that is full is swept sooner when it is small, and then needs less: a second run may
     * have to correct the first. */
    if (scenarios[_i].spares && second.overflows > 0) {
        ck_assert_uint_gt(second.recommended, first.recommended);
        first = second;
        second = outcome_of(_i, first.recommended);
    }
    ck_assert_msg(second.overflows == 0, "%s: %llu bytes were recommended, %llu overflows",
                  scenarios[_i].name, (unsigned long long)first.recommended,
                  (unsigned long long)second.overflows);
    if (!track_active())
        ck_assert_uint_le(second.recommended, first.recommended);
}
END_TEST

/* An arena that has grown knows its need to the byte. */
START_TEST(the_recommended_capacity_is_not_too_large)
{
    if (scenarios[_i].policy != OVERFLOW_GROW || track_active())
        return;
    struct outcome first = outcome_of(_i, 8192);
    uint64_t less = scenarios[_i].spares ? first.recommended / 2 & ~(uint64_t)4095 : 4096;
    ck_assert_msg(outcome_of(_i, first.recommended - less).overflows > 0,
                  "%s: %llu bytes were recommended, and %llu less are enough", scenarios[_i].name,
                  (unsigned long long)first.recommended, (unsigned long long)less);
}
END_TEST

/* A request that no allocator can serve says nothing about the capacity. */
static void impossible_requests(void)
{
    start();
    arena_scope_token token = begin("A");
    t_malloc(100);
    require(t_malloc((size_t)PTRDIFF_MAX + 1) == NULL && t_malloc(SIZE_MAX) == NULL);
    require(stats_now()->all_sites.overflows == 0);
    for (int i = 0; i < 3; i++)
        require(t_malloc(PTRDIFF_MAX) == NULL);
    if (!track_emulated()) /* valgrind would crash */
        require(t_memalign((size_t)1 << 62, (size_t)1 << 62) == NULL);
    arena_scope_end(token);
    token = begin("A");
    t_malloc(100);
    arena_scope_end(token);
    require(site_named("A").fallbacks == 0);
    require(stats_recommended_capacity(stats_now()) == 4096);
}

/* What fell back in a scope is not needed in the next one as well. */
static void needs_of_scopes_in_a_row(void)
{
    start();
    fixed.config.overflow = OVERFLOW_FALLBACK;
    for (int i = 0; i < 5; i++) {
        arena_scope_token token = begin("A");
        t_malloc(100);
        arena_scope_token inner = begin("B");
        t_free(t_malloc(CAPACITY));
        arena_scope_end(inner);
        t_free(t_malloc(CAPACITY));
        arena_scope_end(token);
    }
    require(stats_recommended_capacity(stats_now()) == CAPACITY + 4096);
}

/* The cursor of an empty arena lies 8 bytes into its memory. */
static void whole_pages_are_recommended(void)
{
    static struct stats stats;
    fixed.config.align = 16;
    stats.need = 4096 - 8;
    require(stats_recommended_capacity(&stats) == 4096);
    stats.need++;
    require(stats_recommended_capacity(&stats) == 8192);
}

/* ---- suite ----------------------------------------------------------------------------------- */

static const struct fresh cases[] = {
    {"one_site", one_site},
    {"nested_sites", nested_sites},
    {"empty_scopes", empty_scopes},
    {"peaks_that_were_freed_again", peaks_that_were_freed_again},
    {"resized_blocks", resized_blocks},
    {"overflows_and_fallbacks", overflows_and_fallbacks},
    {"calls_passed_on", calls_passed_on},
    {"scopes_still_open", scopes_still_open},
    {"sums_over_threads", sums_over_threads},
    {"equal_sites_are_one", equal_sites_are_one},
    {"different_sites_are_not", different_sites_are_not},
    {"labels_are_copied", labels_are_copied},
    {"more_sites_than_entries", more_sites_than_entries},
    {"more_text_than_the_first_room", more_text_than_the_first_room},
    {"impossible_requests", impossible_requests},
    {"needs_of_scopes_in_a_row", needs_of_scopes_in_a_row},
    {"whole_pages_are_recommended", whole_pages_are_recommended},
    {"run_scenario", run_scenario}, /* the last that is not a test of its own */
    {NULL, NULL},
};

START_TEST(numbers)
{
    ck_assert_fresh(cases[_i].name);
}
END_TEST

static Suite *stats_suite(void)
{
    Suite *suite = suite_create("stats");
    TCase *tcase = tcase_create("stats");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, numbers, 0, COUNT(cases) - 2);
    tcase_add_test(tcase, modules_come_by_calls_and_then_by_index);
    tcase_add_loop_test(tcase, the_recommended_capacity_is_enough, 0, COUNT(scenarios));
    tcase_add_loop_test(tcase, the_recommended_capacity_is_not_too_large, 0, COUNT(scenarios));
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(int argc, char **argv)
{
    return run_suite(stats_suite, cases, argc, argv);
}
