/*
 * Unit tests of tables.h: threads that enter the same things at once get the same numbers, and a
 * full table says so.
 */
#include "watch/tables.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "watch/heap.h"
#include "watch/state.h"

enum { THREADS = 4, FRAMES = 20000, STEP = 7919 };

static uint32_t numbers[THREADS][FRAMES];

static void set_up(void)
{
    watch_record = calloc(1, sizeof *watch_record);
    ck_assert_ptr_nonnull(watch_record);
    ck_assert(heap_start());
    watch_record->modules_used = watch_record->frames_used = watch_record->lives_used = 1;
    watch_record->every = 1;
}

static void tear_down(void)
{
    free(watch_record);
}

static struct record_frame frame(uint32_t i)
{
    return (struct record_frame){
        .parent = i / 3, .module = i % 3, .offset = i, .function = 5, .calls = i};
}

/* All of them, from another one on. */
static void *enter_all(void *thread)
{
    uint32_t *own = numbers[(uintptr_t)thread];
    for (uint32_t i = 0; i < FRAMES; i++) {
        uint32_t at = (uint32_t)((i * (uint64_t)STEP + (uintptr_t)thread * 5) % FRAMES);
        struct record_frame one = frame(at);
        own[at] = tables_frame(&one);
        struct record_life life = {.leaf = at, .end = LIFE_INSIDE, .calls = 2, .bytes = at};
        if (!tables_live(&life))
            abort();
    }
    return NULL;
}

START_TEST(test_equal)
{
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        ck_assert(pthread_create(&threads[i], NULL, enter_all, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (uint32_t i = 0; i < FRAMES; i++) {
        struct record_frame wanted = frame(i);
        const struct record_frame *got = &watch_record->frames[numbers[0][i]];
        ck_assert(got->parent == wanted.parent && got->module == wanted.module);
        ck_assert(got->offset == wanted.offset && got->function == wanted.function);
        ck_assert(got->calls == 0);
        for (int thread = 1; thread < THREADS; thread++)
            ck_assert_uint_eq(numbers[thread][i], numbers[0][i]);
    }
    ck_assert_uint_ge(watch_record->frames_used, FRAMES + 1);
    uint32_t lives = 0;
    for (uint32_t i = 1; i < watch_record->lives_used; i++) {
        const struct record_life *life = &watch_record->lives[i];
        ck_assert(life->calls == 0 || life->calls == 2 * THREADS);
        ck_assert(life->calls == 0 || life->bytes == (uint64_t)life->leaf * THREADS);
        lives += life->calls != 0;
    }
    ck_assert_uint_eq(lives, FRAMES);
}
END_TEST

START_TEST(test_full)
{
    struct record_frame one = {.module = 1};
    for (one.offset = 1; one.offset < RECORD_FRAMES; one.offset++)
        ck_assert_uint_eq(tables_frame(&one), one.offset);
    ck_assert_uint_eq(tables_frame(&one), 0);
    ck_assert_uint_eq(watch_record->frames_used, RECORD_FRAMES);
    one.offset = 5;
    ck_assert_uint_eq(tables_frame(&one), 5);
}
END_TEST

START_TEST(test_modules)
{
    char longest[sizeof watch_record->modules->path], name[] = "/lib/one.so";
    char own[] = "/usr/lib/libarenashim-wrap.so", none[] = "";
    struct link_map program = {.l_name = none}, module = {.l_name = name};
    tables_start();
    uint32_t first = tables_module(&module);
    ck_assert_uint_ne(first, 0);
    ck_assert_str_eq(watch_record->modules[first].path, name);
    ck_assert_ptr_nonnull(
        strstr(watch_record->modules[tables_module(&program)].path, "check_tables"));
    /* Another library comes to the same record of the linker's. */
    name[5] = 'x';
    ck_assert_uint_ne(tables_module(&module), first);
    name[5] = 'o';
    ck_assert_uint_eq(tables_module(&module), first);
    module.l_name = own;
    ck_assert_uint_eq(tables_module(&module), TABLES_OWN);
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    module.l_name = longest;
    ck_assert_uint_ne(tables_module(&module), 0);
    char longer[sizeof longest + 1];
    memset(longer, 'y', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    module.l_name = longer;
    ck_assert_uint_eq(tables_module(&module), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tables");
    TCase *cases = tcase_create("tables");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, test_equal);
    tcase_add_test(cases, test_full);
    tcase_add_test(cases, test_modules);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
