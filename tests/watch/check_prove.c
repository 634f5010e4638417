/*
 * Unit tests of prove.h, wrapped.h and activation.h: threads enter and leave functions, jump out of
 * several at once, and draw, free and resize each other's blocks, at random, against a model that
 * keeps all activations and blocks in arrays, and counts each number of the record as it is
 * defined.
 *
 * WATCH_PROVE_SEED and WATCH_PROVE_OPERATIONS choose another run.
 */
#include "watch/prove.h"

#include <check.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/numbers.h"
#include "watch/calls.h"
#include "watch/sample.h"
#include "watch/state.h"
#include "watch/wrapped.h"

enum { FUNCTIONS = 6, THREADS = 3, DEPTH = 24, BLOCKS = 24, EVERY = 3, STEPS = 64 };

static struct watch_host host;
static uint64_t state;
static unsigned long seed;

/* The last one is not named in the record. */
static struct named_function functions[FUNCTIONS + 1];

/* ---- threads, each of which does what it is told --------------------------------------------- */

static struct thread {
    pthread_t pthread;
    bool runs;
    sem_t told;
    int number; /* no two have the same, whenever they run */
    bool has_called[FUNCTIONS];
    struct named_call calls[DEPTH];
    int begun[DEPTH]; /* by each call; -1: none */
    int depth;
    int open[FUNCTIONS], opened; /* activations, the innermost last */
} threads[THREADS];

static sem_t done;

static struct order {
    enum { ENTER, LEAVE, DRAW, FREE, RESIZE, END } what;
    struct named_call *call;
    void *block;
    size_t size;
} order;

static void follow_order(void)
{
    switch (order.what) {
    case ENTER:
        if (!host.named.enter(order.call))
            host.named.enter_slowly(order.call);
        break;
    case LEAVE:
        if (!host.named.leave(order.call))
            host.named.leave_slowly(order.call);
        break;
    case DRAW:
        order.block = host.watching.malloc(order.size);
        break;
    case FREE:
        host.watching.free(order.block);
        break;
    case RESIZE:
        order.block = host.watching.realloc(order.block, order.size);
        break;
    case END:
        break;
    }
}

static void *follow_orders(void *own)
{
    bool ends;
    do {
        sem_wait(&((struct thread *)own)->told);
        ends = order.what == END;
        follow_order();
        sem_post(&done);
    } while (!ends);
    return NULL;
}

/* The first thread is the test's own. What comes of it is in `order`. */
static void tell(struct thread *thread, struct order what)
{
    order = what;
    if (thread == threads) {
        follow_order();
        return;
    }
    sem_post(&thread->told);
    sem_wait(&done);
}

/* ---- the model ------------------------------------------------------------------------------- */

static struct begun {
    int function, depth;
    uint64_t calls;
} * activations;
static int activations_begun;

static struct held {
    void *block;
    size_t size, drawn_size;
    int thread;
    bool has_stack, is_copy; /* is_copy: drawn before a fork */
    int drawn_in[FUNCTIONS], count;
} held[BLOCKS];

static struct record_tally wanted[FUNCTIONS];
static uint64_t survived_calls[FUNCTIONS], survived_bytes[FUNCTIONS];

static uint64_t draw_random(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return state >> 33;
}

static bool is_drawn_in(const struct held *one, int activation)
{
    for (int i = 0; one->block && i < one->count; i++)
        if (one->drawn_in[i] == activation)
            return true;
    return false;
}

static void note_most(int activation)
{
    struct record_tally *tally = &wanted[activations[activation].function];
    uint64_t bytes = 0;
    for (int i = 0; i < BLOCKS; i++)
        bytes += is_drawn_in(&held[i], activation) ? held[i].size : 0;
    tally->most_bytes = higher(tally->most_bytes, bytes);
    tally->most_calls = higher(tally->most_calls, activations[activation].calls);
}

/* The thread's innermost one ends. */
static void end_innermost(struct thread *thread, bool left)
{
    int activation = thread->open[--thread->opened];
    int function = activations[activation].function;
    bool survived = false;
    for (struct held *one = held; one < held + BLOCKS; one++) {
        if (!is_drawn_in(one, activation))
            continue;
        survived = true;
        if (one->has_stack && !one->is_copy) {
            survived_calls[function] += EVERY;
            survived_bytes[function] += EVERY * one->drawn_size;
        }
    }
    wanted[function].surviving += survived;
    wanted[function].left += left;
}

static bool is_open(const struct thread *thread, int function)
{
    for (int i = 0; i < thread->opened; i++)
        if (activations[thread->open[i]].function == function)
            return true;
    return false;
}

/* ---- operations on both ---------------------------------------------------------------------- */

static void enter(struct thread *thread)
{
    int function = (int)(draw_random() % (FUNCTIONS + 1)), depth = thread->depth++;
    struct named_call *call = &thread->calls[DEPTH - 1 - depth];
    *call = (struct named_call){.function = &functions[function], .token = draw_random()};
    tell(thread, (struct order){.what = ENTER, .call = call});
    thread->begun[depth] = -1;
    if (function == FUNCTIONS)
        return;
    while (thread->opened > 0 && activations[thread->open[thread->opened - 1]].depth >= depth)
        end_innermost(thread, true);
    wanted[function].threads += !thread->has_called[function];
    thread->has_called[function] = true;
    if (is_open(thread, function)) {
        wanted[function].nested++;
        return;
    }
    wanted[function].activations++;
    activations[activations_begun] = (struct begun){.function = function, .depth = depth};
    thread->begun[depth] = thread->open[thread->opened++] = activations_begun++;
}

/* Some calls are unwound while they are left. */
static void leave(struct thread *thread)
{
    int depth = --thread->depth, activation = thread->begun[depth];
    for (uint64_t i = draw_random() % 8 == 0 ? 2 : 1; i > 0; i--)
        tell(thread, (struct order){.what = LEAVE, .call = &thread->calls[DEPTH - 1 - depth]});
    if (activation < 0)
        return;
    while (thread->open[thread->opened - 1] != activation)
        end_innermost(thread, true);
    end_innermost(thread, false);
}

static void draw(struct thread *thread, struct held *one)
{
    size_t size = draw_random() % (draw_random() % 50 ? 300 : 100000);
    tell(thread, (struct order){.what = DRAW, .size = size});
    *one = (struct held){
        .block = order.block,
        .size = size,
        .drawn_size = size,
        .thread = thread->number,
        .count = thread->opened,
    };
    memcpy(one->drawn_in, thread->open, sizeof one->drawn_in);
    ck_assert(one->block && heap_has(one->block) == (one->count > 0));
    one->has_stack = one->count > 0 && heap_note(one->block)->drawn;
    for (int i = 0; i < one->count; i++) {
        struct begun *activation = &activations[one->drawn_in[i]];
        activation->calls++;
        wanted[activation->function].calls++;
        wanted[activation->function].bytes += size;
        note_most(one->drawn_in[i]);
    }
}

static void free_one(struct thread *thread, struct held *one)
{
    uint64_t counts = !one->is_copy;
    tell(thread, (struct order){.what = FREE, .block = one->block});
    for (int i = 0; i < thread->opened; i++) {
        struct record_tally *tally = &wanted[activations[thread->open[i]].function];
        bool inside = is_drawn_in(one, thread->open[i]);
        tally->freed_outside += !inside;
        tally->inside += inside * counts;
        tally->inside_bytes += inside * counts * one->size;
    }
    for (int i = 0; one->thread != thread->number && i < one->count; i++)
        wanted[activations[one->drawn_in[i]].function].foreign += counts;
    one->block = NULL;
}

static void resize(struct thread *thread, struct held *one)
{
    uint64_t counts = !one->is_copy, old = one->size;
    one->size = 1 + draw_random() % (draw_random() % 50 ? 600 : 200000);
    tell(thread, (struct order){.what = RESIZE, .block = one->block, .size = one->size});
    one->block = order.block;
    ck_assert_ptr_nonnull(one->block);
    for (int i = 0; i < thread->opened; i++) {
        struct record_tally *tally = &wanted[activations[thread->open[i]].function];
        bool inside = is_drawn_in(one, thread->open[i]);
        tally->freed_outside += !inside;
        tally->resizes += inside * counts;
        tally->bytes += inside * counts * (one->size - old);
        if (inside)
            note_most(thread->open[i]);
    }
}

static void start(struct thread *thread)
{
    static int number;
    *thread = (struct thread){.runs = true, .number = number++};
    ck_assert(sem_init(&thread->told, 0, 0) == 0);
    if (thread != threads)
        ck_assert(pthread_create(&thread->pthread, NULL, follow_orders, thread) == 0);
}

/* What it has open ends with it. */
static void end(struct thread *thread)
{
    tell(thread, (struct order){.what = END});
    pthread_join(thread->pthread, NULL);
    while (thread->opened > 0)
        end_innermost(thread, true);
    thread->runs = false;
}

/* The process goes on as a child of a fork by the first thread, the only one, and its parent is
 * gone. */
static void continue_forked(void)
{
    for (struct thread *thread = threads + 1; thread < threads + THREADS; thread++)
        if (thread->runs)
            end(thread);
    state_forked();
    sample_forked();
    prove_forked();
    for (int i = 0; i < threads->opened; i++)
        wanted[activations[threads->open[i]].function].activations++;
    for (struct held *one = held; one < held + BLOCKS; one++)
        one->is_copy = true;
}

static void step(struct thread *thread)
{
    uint64_t kind = draw_random() % 1000;
    struct held *one = &held[draw_random() % BLOCKS];
    if (kind < 200 && thread->depth < DEPTH)
        enter(thread);
    else if (kind < 370 && thread->depth > 0)
        leave(thread);
    else if (kind < 390 && thread->depth > 0)
        thread->depth -= 1 + (int)(draw_random() % (uint64_t)thread->depth);
    else if (kind < 393 && thread != threads)
        end(thread);
    else if (kind == 393 && draw_random() % 2 == 0)
        continue_forked();
    else if (!one->block)
        draw(thread, one);
    else if (kind < 600)
        resize(thread, one);
    else
        free_one(thread, one);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static uint64_t setting(const char *name, uint64_t usual)
{
    const char *value = getenv(name);
    return value ? strtoull(value, NULL, 0) : usual;
}

static void set_up(void)
{
    watch_record = calloc(1, sizeof *watch_record);
    ck_assert_ptr_nonnull(watch_record);
    watch_record->modules_used = watch_record->frames_used = watch_record->lives_used = 1;
    watch_record->every = EVERY;
    watch_record->mode = WATCH_PROVE;
    watch_record->functions_named = FUNCTIONS;
    for (uintptr_t i = 0; i <= FUNCTIONS; i++) {
        functions[i] = (struct named_function){.module_start = (uintptr_t)set_up, .offset = i};
        struct record_function *named = &watch_record->functions[i];
        named->offset = i;
        if (i < FUNCTIONS)
            ck_assert(readlink("/proc/self/exe", named->module, sizeof named->module - 1) > 0);
    }
    ck_assert(heap_start());
    sample_start();
    host.next.malloc = malloc;
    host.next.free = free;
    host.next.realloc = realloc;
    calls_start(&host);
    wrapped_start(&host.named);
    ck_assert(sem_init(&done, 0, 0) == 0);
}

static void tear_down(void)
{
    free(watch_record);
}

static void compare(uint64_t operation)
{
    static const char *const names[] = {
        "activations", "nested",        "threads",    "calls",      "bytes",
        "inside",      "inside_bytes",  "resizes",    "foreign",    "surviving",
        "left",        "freed_outside", "most_bytes", "most_calls",
    };
    uint64_t calls[FUNCTIONS] = {0}, bytes[FUNCTIONS] = {0};
    for (uint32_t i = 1; i < watch_record->lives_used; i++) {
        const struct record_life *life = &watch_record->lives[i];
        if (life->end != LIFE_SURVIVED)
            continue;
        calls[life->bound] += life->calls;
        bytes[life->bound] += life->bytes;
    }
    for (uint32_t i = 0; i < FUNCTIONS; i++) {
        struct record_tally tally = record_tally(watch_record, i);
        for (size_t j = 0; j < sizeof names / sizeof *names; j++)
            ck_assert_msg((&tally.activations)[j] == (&wanted[i].activations)[j],
                          "seed %lu, operation %lu, function %u: %s is %lu, wanted %lu", seed,
                          (unsigned long)operation, i, names[j],
                          (unsigned long)(&tally.activations)[j],
                          (unsigned long)(&wanted[i].activations)[j]);
        ck_assert_msg(calls[i] == survived_calls[i] && bytes[i] == survived_bytes[i],
                      "seed %lu, operation %lu, function %u: %lu calls (%lu bytes) survived, "
                      "wanted %lu (%lu)",
                      seed, (unsigned long)operation, i, (unsigned long)calls[i],
                      (unsigned long)bytes[i], (unsigned long)survived_calls[i],
                      (unsigned long)survived_bytes[i]);
    }
}

START_TEST(test_model)
{
    uint64_t operations = setting("WATCH_PROVE_OPERATIONS", 40000);
    state = seed = setting("WATCH_PROVE_SEED", 1);
    activations = calloc(operations + 1, sizeof *activations);
    ck_assert_ptr_nonnull(activations);
    start(threads);
    for (uint64_t i = 0; i < operations; i++) {
        struct thread *thread = &threads[draw_random() % THREADS];
        if (thread->runs)
            step(thread);
        else if (draw_random() % 10 == 0)
            start(thread);
        if (i % STEPS == 0)
            compare(i);
    }
    for (struct thread *thread = threads + 1; thread < threads + THREADS; thread++)
        if (thread->runs)
            end(thread);
    for (struct held *one = held; one < held + BLOCKS; one++)
        if (one->block)
            free_one(threads, one);
    compare(operations);
    free(activations);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("prove");
    TCase *cases = tcase_create("prove");
    tcase_add_unchecked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, test_model);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
