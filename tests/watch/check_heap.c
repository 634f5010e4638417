/*
 * Unit tests of heap.h: random takes and gives against a model that knows what each block holds, by
 * one thread and by several that give each other's blocks, and across forks.
 *
 * WATCH_HEAP_SEED and WATCH_HEAP_OPERATIONS choose another run.
 */
#include "watch/heap.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCKS = 300, THREADS = 4 };

struct held {
    unsigned char *block;
    size_t size, alignment;
    unsigned char seed;
};

static uint64_t setting(const char *name, uint64_t usual)
{
    const char *value = getenv(name);
    return value ? strtoull(value, NULL, 0) : usual;
}

static uint64_t draw_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static void start_once(void)
{
    static bool started;
    if (!started)
        ck_assert(heap_start());
    started = true;
}

/* The first bytes, the last and some between. */
static bool holds(const struct held *held)
{
    for (size_t i = 0; i < held->size; i += i < 64 || held->size - i <= 64 ? 1 : 61)
        if (held->block[i] != (unsigned char)(held->seed + i))
            return false;
    return true;
}

static bool is_zero(const unsigned char *block, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (block[i] != 0)
            return false;
    return true;
}

/* What is wrong with the new block, or NULL. */
static const char *take(struct held *held, uint64_t *state)
{
    bool clean;
    size_t most = (size_t)1 << draw_random(state) % (draw_random(state) % 50 ? 13 : 20);
    held->size = draw_random(state) % most;
    held->alignment = draw_random(state) % 4 ? 16 : (size_t)16 << draw_random(state) % 13;
    held->seed = (unsigned char)draw_random(state);
    held->block = heap_take(held->size, held->alignment, &clean);
    if (!held->block || !heap_has(held->block) || (uintptr_t)held->block % held->alignment != 0)
        return "no block, or not as it should lie";
    const struct note *note = heap_note(held->block);
    if (note->size != held->size || note->context || note->drawn)
        return "the note is not new";
    if (heap_room(held->block) < held->size)
        return "there is not the room";
    if (clean && !is_zero(held->block, held->size))
        return "it is not clean";
    for (size_t i = 0; i < held->size; i++)
        held->block[i] = (unsigned char)(held->seed + i);
    return NULL;
}

static bool overlap(const struct held *one, const struct held *other)
{
    const unsigned char *notes[] = {(unsigned char *)heap_note(one->block),
                                    (unsigned char *)heap_note(other->block)};
    return notes[0] < other->block + other->size && notes[1] < one->block + one->size;
}

START_TEST(test_model)
{
    static struct held held[BLOCKS];
    uint64_t state = setting("WATCH_HEAP_SEED", 1);
    uint64_t operations = setting("WATCH_HEAP_OPERATIONS", 20000);
    start_once();
    for (uint64_t i = 0; i < operations; i++) {
        struct held *one = &held[draw_random(&state) % BLOCKS];
        if (one->block) {
            ck_assert(holds(one));
            heap_give(one->block);
            one->block = NULL;
            continue;
        }
        const char *wrong = take(one, &state);
        ck_assert_msg(!wrong, "operation %llu: %s", (unsigned long long)i, wrong ? wrong : "");
        for (struct held *other = held; other < held + BLOCKS; other++)
            ck_assert(other == one || !other->block || !overlap(one, other));
    }
    for (struct held *one = held; one < held + BLOCKS; one++)
        if (one->block)
            heap_give(one->block);
}
END_TEST

/* Of a thread's own, or NULL: it has come to another. */
static struct held *shared[BLOCKS];

/* NULL, or what went wrong. */
static void *exchange(void *seed)
{
    static char wrong_take[] = "a take went wrong", wrong_block[] = "a block lost its contents";
    uint64_t state = (uintptr_t)seed;
    uint64_t operations = setting("WATCH_HEAP_OPERATIONS", 20000);
    for (uint64_t i = 0; i < operations; i++) {
        struct held *mine = malloc(sizeof *mine);
        if (!mine || take(mine, &state))
            return wrong_take;
        mine = __atomic_exchange_n(&shared[draw_random(&state) % BLOCKS], mine, __ATOMIC_ACQ_REL);
        if (mine && !holds(mine))
            return wrong_block;
        if (mine)
            heap_give(mine->block);
        free(mine);
    }
    return NULL;
}

START_TEST(test_threads)
{
    pthread_t threads[THREADS];
    start_once();
    for (uintptr_t i = 0; i < THREADS; i++)
        ck_assert(pthread_create(&threads[i], NULL, exchange, (void *)(i + 1)) == 0);
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        ck_assert_msg(!wrong, "%s", wrong ? (char *)wrong : "");
    }
    for (int i = 0; i < BLOCKS; i++) {
        if (shared[i])
            heap_give(shared[i]->block);
        free(shared[i]);
        shared[i] = NULL;
    }
}
END_TEST

static void *take_and_give(void *stop)
{
    bool clean;
    while (!__atomic_load_n((bool *)stop, __ATOMIC_RELAXED))
        heap_give(heap_take(100, 16, &clean));
    return NULL;
}

/* Another thread is inside of it all the time; so not under memcheck, where it hardly ever leaves.
 */
START_TEST(test_fork)
{
    bool stop = false, clean;
    pthread_t thread;
    start_once();
    ck_assert(pthread_create(&thread, NULL, take_and_give, &stop) == 0);
    for (uint64_t i = 0; i < setting("WATCH_HEAP_OPERATIONS", 20000) / 10000 * 100; i++) {
        int status;
        heap_lock();
        pid_t child = fork();
        heap_unlock();
        if (child == 0) {
            alarm(10);
            heap_give(heap_take(100, 16, &clean));
            _exit(0);
        }
        ck_assert(waitpid(child, &status, 0) == child && status == 0);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
}
END_TEST

START_TEST(test_refused)
{
    bool clean;
    start_once();
    ck_assert_ptr_null(heap_take(SIZE_MAX, 16, &clean));
    ck_assert_ptr_null(heap_take((size_t)1 << 46, 16, &clean));
    ck_assert_ptr_null(heap_take(1, HEAP_ALIGNMENT_MOST * 2, &clean));
    ck_assert(!heap_has(&clean));
    ck_assert(!heap_has(NULL));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("heap");
    TCase *cases = tcase_create("heap");
    tcase_add_test(cases, test_model);
    tcase_add_test(cases, test_threads);
    tcase_add_test(cases, test_fork);
    tcase_add_test(cases, test_refused);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
