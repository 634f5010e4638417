/*
 * Unit tests of calls.h in a run that counts: what is said of the time that the next allocator
 * takes. That is one of this test's.
 */
#include "watch/calls.h"

#include <check.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "watch/heap.h"
#include "watch/sample.h"
#include "watch/state.h"

enum { CALLS = 4000 };

static struct watch_host host;
static bool slow, waiting;

static void take_time(void)
{
    const struct timespec time = {.tv_nsec = 60000};
    if (waiting)
        nanosleep(&time, NULL);
    for (volatile int i = 0; slow && i < 1000; i++)
        continue;
}

static void *next_malloc(size_t size)
{
    take_time();
    return malloc(size);
}

static void *next_memalign(size_t alignment, size_t size)
{
    take_time();
    return aligned_alloc(alignment, size);
}

static int next_posix_memalign(void **out, size_t alignment, size_t size)
{
    take_time();
    return posix_memalign(out, alignment, size);
}

static void set_up(void)
{
    watch_record = calloc(1, sizeof *watch_record);
    ck_assert_ptr_nonnull(watch_record);
    watch_record->modules_used = watch_record->frames_used = watch_record->lives_used = 1;
    watch_record->every = 1;
    watch_record->mode = WATCH_COUNT;
    ck_assert(heap_start());
    sample_start();
    host.next = (struct next_allocator){
        .malloc = next_malloc,
        .free = free,
        .memalign = next_memalign,
        .aligned_alloc = next_memalign,
        .posix_memalign = next_posix_memalign,
    };
    calls_start(&host);
}

static void tear_down(void)
{
    free(watch_record);
}

/* Since the last time. */
static uint64_t nanoseconds(void)
{
    uint64_t *counter = &state_counters()->nanoseconds, value = *counter;
    *counter = 0;
    return value;
}

START_TEST(test_aligned)
{
    void *block;
    slow = true;
    for (int i = 0; i < CALLS; i++)
        free(host.watching.malloc(64));
    uint64_t least = nanoseconds() / 4;
    for (int i = 0; i < CALLS; i++)
        free(host.watching.memalign(64, 64));
    ck_assert_uint_gt(nanoseconds(), least);
    for (int i = 0; i < CALLS; i++)
        free(host.watching.aligned_alloc(64, 64));
    ck_assert_uint_gt(nanoseconds(), least);
    for (int i = 0; i < CALLS; i++) {
        ck_assert(host.watching.posix_memalign(&block, 64, 64) == 0);
        free(block);
    }
    ck_assert_uint_gt(nanoseconds(), least);
    slow = false;
}
END_TEST

/* It waits for 60 microseconds at least in each call. */
START_TEST(test_waiting)
{
    ck_assert(prctl(PR_SET_TIMERSLACK, 1) == 0);
    waiting = true;
    for (int i = 0; i < CALLS; i++)
        free(host.watching.malloc(64));
    waiting = false;
    ck_assert_uint_lt(nanoseconds(), CALLS * 40000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("calls");
    TCase *cases = tcase_create("calls");
    tcase_add_unchecked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, test_aligned);
    tcase_add_test(cases, test_waiting);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
