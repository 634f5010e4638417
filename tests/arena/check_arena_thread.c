/*
 * Unit tests of the thread arena: arena_thread and its companions, with and without Check's fork
 * mode (CK_FORK=no).
 *
 * What another thread saw is recorded there and asserted here: Check's assertions leave a test by
 * a jump, which must not cross threads. The group "thread keys" comes first, since it needs a
 * process that has made no thread arena yet.
 */
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arenashim/arena.h"

/* ThreadSanitizer leaves a thread in the last round of key destructors, and instrumented code that
 * runs after it, in the same round, crashes. */
#if defined(__SANITIZE_THREAD__)
#define LAST_ROUND_RUNS 0
#elif defined(__has_feature)
#define LAST_ROUND_RUNS !__has_feature(thread_sanitizer)
#else
#define LAST_ROUND_RUNS 1
#endif

enum { PAGE = 4096 };

static bool holds_only(const unsigned char *block, size_t size, unsigned char byte)
{
    for (size_t i = 0; i < size; i++)
        if (block[i] != byte)
            return false;
    return true;
}

/* Runs `body(record)` in a thread of its own, to its end. */
static void run_in_thread(void *(*body)(void *), void *record)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, body, record), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

/* Finds `address` in the process's memory map: '-' when it is mapped without any access, 'w' when
 * it may be written, 'r' when it may only be read, 0 when it is not mapped, '?' when there is no
 * map to read. */
static char access_to(const void *address)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    if (maps == NULL)
        return '?';
    uintptr_t wanted = (uintptr_t)address;
    char line[PATH_MAX + 128];
    char found = 0;
    while (found == 0 && fgets(line, sizeof line, maps) != NULL) {
        uintmax_t start;
        uintmax_t end;
        char permissions[8];
        if (sscanf(line, "%jx-%jx %7s", &start, &end, permissions) != 3)
            found = '?';
        else if (start <= wanted && wanted < end)
            found = permissions[1] == 'w' ? 'w' : permissions[0];
    }
    fclose(maps);
    return found;
}

static void restore_capacity(void)
{
    arena_thread_set_capacity(ARENA_THREAD_CAPACITY);
}

/* What a thread saw of its arena. */
struct sighting {
    struct arena *arena;
    struct arena *again; /* a second call's answer */
    unsigned char *base;
    size_t capacity;
    size_t remaining;
    int error; /* errno after the first call */
};

static void *look(void *record)
{
    struct sighting *seen = record;
    errno = 0;
    seen->arena = arena_thread();
    seen->error = errno;
    seen->again = arena_thread();
    if (seen->arena != NULL) {
        seen->base = seen->arena->base;
        seen->capacity = seen->arena->capacity;
        seen->remaining = arena_remaining(seen->arena);
    }
    return NULL;
}

/* The first call while no thread key is left, the second when there is one again. */
static void *look_without_keys(void *record)
{
    struct sighting *seen = record;
    static pthread_key_t keys[PTHREAD_KEYS_MAX];
    size_t taken = 0;
    while (taken < PTHREAD_KEYS_MAX && pthread_key_create(&keys[taken], NULL) == 0)
        taken++;
    errno = 0;
    seen->arena = arena_thread();
    seen->error = errno;
    while (taken > 0)
        pthread_key_delete(keys[--taken]);
    seen->again = arena_thread();
    return NULL;
}

START_TEST(no_key_is_eagain_and_tried_again)
{
    struct sighting seen = {0};
    run_in_thread(look_without_keys, &seen);
    ck_assert_ptr_null(seen.arena);
    ck_assert_int_eq(seen.error, EAGAIN);
    ck_assert_ptr_nonnull(seen.again);
}
END_TEST

static TCase *thread_keys(void)
{
    TCase *tcase = tcase_create("thread keys");
    tcase_add_test(tcase, no_key_is_eagain_and_tried_again);
    return tcase;
}

START_TEST(thread_arena_is_valid)
{
    struct arena *mine = arena_thread();
    ck_assert_ptr_nonnull(mine);
    arena_reset(mine);
    unsigned char *block = arena_alloc(mine, ARENA_THREAD_CAPACITY, PAGE);
    ck_assert_ptr_nonnull(block);
    memset(block, 0x5a, ARENA_THREAD_CAPACITY);
    ck_assert_uint_eq(arena_remaining(mine), 0);
    ck_assert_ptr_null(arena_alloc(mine, 1, 1));
    arena_thread_reset();
    ck_assert_ptr_eq(arena_alloc(mine, 1, 1), block);
    arena_thread_reset();
}
END_TEST

START_TEST(thread_arena_starts_empty_at_its_default)
{
    struct sighting seen = {0};
    run_in_thread(look, &seen);
    ck_assert_ptr_nonnull(seen.arena);
    ck_assert_int_eq(seen.error, 0);
    ck_assert_uint_eq(ARENA_THREAD_CAPACITY, 1048576);
    ck_assert_uint_eq(seen.capacity, 1048576);
    ck_assert_uint_eq(seen.remaining, 1048576);
}
END_TEST

START_TEST(thread_arena_is_the_same_at_every_call)
{
    struct sighting seen = {0};
    run_in_thread(look, &seen);
    ck_assert_ptr_nonnull(seen.arena);
    ck_assert_ptr_eq(seen.again, seen.arena);
    ck_assert_ptr_eq(arena_thread(), arena_thread());
}
END_TEST

enum { THREADS = 8 };

struct worker {
    pthread_barrier_t *barrier;
    struct sighting seen;
    bool intact; /* the whole arena held this thread's bytes once every thread had filled its own */
    unsigned char byte;
};

static void *fill_own_arena(void *record)
{
    struct worker *worker = record;
    pthread_barrier_wait(worker->barrier);
    look(&worker->seen);
    unsigned char *block = NULL;
    if (worker->seen.arena != NULL)
        block = arena_alloc(worker->seen.arena, ARENA_THREAD_CAPACITY, 1);
    if (block != NULL)
        memset(block, worker->byte, ARENA_THREAD_CAPACITY);
    pthread_barrier_wait(worker->barrier);
    worker->intact = block != NULL && holds_only(block, ARENA_THREAD_CAPACITY, worker->byte);
    pthread_barrier_wait(worker->barrier);
    return NULL;
}

START_TEST(thread_arenas_are_distinct)
{
    pthread_barrier_t barrier;
    struct worker workers[THREADS] = {{0}};
    pthread_t threads[THREADS];
    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, THREADS), 0);
    for (int i = 0; i < THREADS; i++) {
        workers[i].barrier = &barrier;
        workers[i].byte = (unsigned char)(i + 1);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, fill_own_arena, &workers[i]), 0);
        /* The same value as before: what counts is that it may be set while others read it. */
        restore_capacity();
    }
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    pthread_barrier_destroy(&barrier);
    for (int i = 0; i < THREADS; i++) {
        ck_assert(workers[i].intact);
        for (int j = 0; j < i; j++)
            ck_assert_ptr_ne(workers[i].seen.arena, workers[j].seen.arena);
    }
}
END_TEST

START_TEST(thread_reset_and_utilization)
{
    arena_thread_reset();
    ck_assert_double_eq(arena_thread_utilization(), 0.0);
    ck_assert_ptr_nonnull(arena_alloc(arena_thread(), ARENA_THREAD_CAPACITY / 2, 1));
    ck_assert_double_eq(arena_thread_utilization(), 0.5);
    arena_thread_reset();
    ck_assert_double_eq(arena_thread_utilization(), 0.0);
    ck_assert_uint_eq(arena_remaining(arena_thread()), ARENA_THREAD_CAPACITY);
}
END_TEST

struct idle {
    double utilization;
    struct sighting after;
};

/* Had reset or utilization made the arena, it would not have the capacity set after them. */
static void *reset_without_arena(void *record)
{
    struct idle *idle = record;
    arena_thread_reset();
    idle->utilization = arena_thread_utilization();
    arena_thread_set_capacity(2 * PAGE);
    return look(&idle->after);
}

START_TEST(reset_and_utilization_make_no_arena)
{
    struct idle idle = {.utilization = -1.0};
    run_in_thread(reset_without_arena, &idle);
    ck_assert_double_eq(idle.utilization, 0.0);
    ck_assert_uint_eq(idle.after.capacity, 2 * PAGE);
}
END_TEST

static const size_t capacities[] = {0, 1, 1000, PAGE - 1, PAGE, PAGE + 1, 3000001};

START_TEST(capacity_is_exactly_what_was_asked)
{
    struct sighting seen = {0};
    arena_thread_set_capacity(capacities[_i]);
    run_in_thread(look, &seen);
    ck_assert_ptr_nonnull(seen.arena);
    ck_assert_uint_eq(seen.capacity, capacities[_i]);
    ck_assert_uint_eq(seen.remaining, capacities[_i]);
}
END_TEST

static void *overflow_empty_arena(void *record)
{
    struct sighting *seen = record;
    look(seen);
    seen->again = arena_alloc(seen->arena, 1, 1);
    return NULL;
}

START_TEST(capacity_zero_overflows_at_once)
{
    struct sighting seen = {0};
    arena_thread_set_capacity(0);
    run_in_thread(overflow_empty_arena, &seen);
    ck_assert_ptr_nonnull(seen.arena);
    ck_assert_ptr_null(seen.again);
}
END_TEST

START_TEST(arena_made_already_keeps_its_capacity)
{
    struct arena *mine = arena_thread();
    arena_thread_set_capacity(PAGE);
    ck_assert_ptr_eq(arena_thread(), mine);
    ck_assert_uint_eq(mine->capacity, ARENA_THREAD_CAPACITY);
}
END_TEST

/* The first call with a capacity that no machine has, the second with one that it has. */
static void *look_for_too_much(void *record)
{
    struct sighting *seen = record;
    errno = 0;
    seen->arena = arena_thread();
    seen->error = errno;
    arena_thread_set_capacity(100);
    seen->again = arena_thread();
    return NULL;
}

/* The last ones wrap when pages are added to them or when they are rounded up. */
static const size_t impossible_capacities[] = {
    PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1, SIZE_MAX - 3 * (size_t)PAGE, SIZE_MAX - PAGE, SIZE_MAX,
};

START_TEST(no_memory_is_enomem_and_tried_again)
{
    struct sighting seen = {0};
    arena_thread_set_capacity(impossible_capacities[_i]);
    run_in_thread(look_for_too_much, &seen);
    ck_assert_ptr_null(seen.arena);
    ck_assert_int_eq(seen.error, ENOMEM);
    ck_assert_ptr_nonnull(seen.again);
}
END_TEST

struct surroundings {
    char last;  /* access to the arena's last byte */
    char guard; /* access to the page after the one that holds it */
};

static void *probe_surroundings(void *record)
{
    struct surroundings *seen = record;
    struct arena *mine = arena_thread();
    unsigned char *last = mine->base + mine->capacity - 1;
    seen->last = access_to(last);
    seen->guard = access_to(last + sysconf(_SC_PAGESIZE));
    return NULL;
}

START_TEST(guard_page_follows_the_arena)
{
    struct surroundings seen = {0};
    arena_thread_set_capacity(5 * PAGE + 100);
    run_in_thread(probe_surroundings, &seen);
    ck_assert_int_eq(seen.last, 'w');
    ck_assert_int_eq(seen.guard, '-');
}
END_TEST

struct probed {
    struct sighting seen;
    char access; /* to the arena's first byte, while the thread ran */
};

static void *look_and_probe(void *record)
{
    struct probed *probed = record;
    look(&probed->seen);
    probed->access = access_to(probed->seen.base);
    return NULL;
}

START_TEST(arena_is_unmapped_at_thread_exit)
{
    /* Larger than anything else that is mapped meanwhile, so that its place stays free. */
    size_t capacity = ((size_t)64 << 20) + 1;
    struct probed probed = {{0}, 0};
    arena_thread_set_capacity(capacity);
    run_in_thread(look_and_probe, &probed);
    ck_assert_int_eq(probed.access, 'w');
    const unsigned char *last = probed.seen.base + capacity - 1;
    ck_assert_int_eq(access_to(probed.seen.arena), 0);
    ck_assert_int_eq(access_to(probed.seen.base + capacity / 2), 0);
    ck_assert_int_eq(access_to(last), 0);
    ck_assert_int_eq(access_to(last + sysconf(_SC_PAGESIZE)), 0);
}
END_TEST

/* What the destructor of another thread key saw, round by round. */
struct last_rounds {
    pthread_key_t key;
    int wanted; /* rounds to take part in */
    int round;
    struct arena *seen[PTHREAD_DESTRUCTOR_ITERATIONS];
    int errors[PTHREAD_DESTRUCTOR_ITERATIONS];
    double utilization; /* in the last round taken part in */
};

/* Asks for the arena, uses it, and puts itself off until it has run `wanted` times. */
static void use_arena_at_exit(void *value)
{
    struct last_rounds *record = value;
    errno = 0;
    struct arena *mine = arena_thread();
    record->errors[record->round] = errno;
    record->seen[record->round++] = mine;
    unsigned char *block = mine ? arena_alloc(mine, 100, 1) : NULL;
    if (block != NULL)
        memset(block, 0x77, 100);
    arena_thread_reset();
    record->utilization = arena_thread_utilization();
    if (record->round < record->wanted)
        pthread_setspecific(record->key, record);
}

static void *leave_to_destructor(void *record)
{
    pthread_setspecific(((struct last_rounds *)record)->key, record);
    return NULL;
}

static void *use_and_leave_to_destructor(void *record)
{
    return arena_thread() ? leave_to_destructor(record) : NULL;
}

/* Runs `body` in a thread whose key is younger than the arenas' own, so that its destructor runs
 * after theirs in each round. */
static struct last_rounds run_last_rounds(void *(*body)(void *), int wanted)
{
    struct last_rounds record = {.wanted = wanted, .utilization = -1.0};
    ck_assert_ptr_nonnull(arena_thread());
    ck_assert_int_eq(pthread_key_create(&record.key, use_arena_at_exit), 0);
    run_in_thread(body, &record);
    pthread_key_delete(record.key);
    ck_assert_int_eq(record.round, wanted);
    return record;
}

START_TEST(key_destructors_can_use_the_arena)
{
    arena_thread_set_capacity((size_t)64 << 20);
    struct last_rounds record = run_last_rounds(use_and_leave_to_destructor, 2);
    ck_assert_ptr_nonnull(record.seen[0]);
    ck_assert_ptr_eq(record.seen[1], record.seen[0]);
    ck_assert_int_eq(access_to(record.seen[0]), 0);
}
END_TEST

START_TEST(arena_made_by_a_destructor_is_unmapped)
{
    arena_thread_set_capacity((size_t)64 << 20);
    struct last_rounds record = run_last_rounds(leave_to_destructor, 1);
    ck_assert_ptr_nonnull(record.seen[0]);
    ck_assert_int_eq(access_to(record.seen[0]), 0);
}
END_TEST

/* Seen in the last round but one, so that it can be seen under ThreadSanitizer too. */
START_TEST(released_arena_is_not_made_again)
{
    int rounds = PTHREAD_DESTRUCTOR_ITERATIONS - 1;
    struct last_rounds record = run_last_rounds(use_and_leave_to_destructor, rounds);
    ck_assert_ptr_null(record.seen[rounds - 1]);
    ck_assert_int_eq(record.errors[rounds - 1], ENOMEM);
    ck_assert_double_eq(record.utilization, 0.0);
}
END_TEST

static TCase *thread_arena(void)
{
    TCase *tcase = tcase_create("thread arena");
    tcase_add_checked_fixture(tcase, NULL, restore_capacity);
    tcase_add_test(tcase, thread_arena_is_valid);
    tcase_add_test(tcase, thread_arena_starts_empty_at_its_default);
    tcase_add_test(tcase, thread_arena_is_the_same_at_every_call);
    tcase_add_test(tcase, thread_arenas_are_distinct);
    tcase_add_test(tcase, thread_reset_and_utilization);
    tcase_add_test(tcase, reset_and_utilization_make_no_arena);
    tcase_add_loop_test(tcase, capacity_is_exactly_what_was_asked, 0,
                        (int)(sizeof capacities / sizeof *capacities));
    tcase_add_test(tcase, capacity_zero_overflows_at_once);
    tcase_add_test(tcase, arena_made_already_keeps_its_capacity);
    tcase_add_loop_test(tcase, no_memory_is_enomem_and_tried_again, 0,
                        (int)(sizeof impossible_capacities / sizeof *impossible_capacities));
    tcase_add_test(tcase, guard_page_follows_the_arena);
    tcase_add_test(tcase, arena_is_unmapped_at_thread_exit);
    tcase_add_test(tcase, key_destructors_can_use_the_arena);
    if (LAST_ROUND_RUNS)
        tcase_add_test(tcase, arena_made_by_a_destructor_is_unmapped);
    tcase_add_test(tcase, released_arena_is_not_made_again);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("arena thread");
    suite_add_tcase(suite, thread_keys());
    suite_add_tcase(suite, thread_arena());

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
