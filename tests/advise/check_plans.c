/*
 * Unit tests of advise/candidates.h and plans.h, on records that are made up: the program
 * /made/run, which no file is, so that functions are known by their offsets.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "advise/candidates.h"
#include "advise/places.h"
#include "advise/plans.h"
#include "made.h"

#define RUN "/made/run"
#define LIBRARY "/made/libdraw.so.1"

static struct advice advice;
static struct record *sampled, *proven;
static uint32_t run, library, libc, start, main_frame;

/* A record with the frames that start a program, main last of them. A second of CPU time, half of
 * which a million calls take. */
static void begin(void)
{
    sampled = made_record(WATCH_SAMPLE);
    proven = made_record(WATCH_PROVE);
    run = made_module(sampled, RUN);
    library = made_module(sampled, LIBRARY);
    libc = made_module(sampled, "/lib/libc.so.6");
    start = made_frame(sampled, 0, libc, 0x100);
    main_frame = made_frame(sampled, start, run, 0x1000);
    advice = (struct advice){.sampled = sampled,
                             .proven = proven,
                             .share = 0.5,
                             .plain = {{.cpu = 1}, {.cpu = 1}},
                             .counted = {.calls = 1000000, .threads = 1},
                             .contender_count = 1};
}

static void end(void)
{
    for (size_t i = 0; i < advice.candidate_count; i++) {
        places_free(&advice.candidates[i].place);
        free(advice.candidates[i].spec);
    }
    for (size_t i = 0; i < advice.contender_count; i++) {
        free((char *)advice.contenders[i].name);
        free((char *)advice.contenders[i].options);
        free(advice.contenders[i].modules);
    }
    free(sampled);
    free(proven);
}

static const struct candidate *find(uint64_t offset)
{
    for (size_t i = 0; i < advice.candidate_count; i++)
        if (advice.candidates[i].place.offset == offset)
            return &advice.candidates[i];
    return NULL;
}

/* A function of the program below main, what it calls in the library, and calls there whose blocks
 * die in the function. */
static uint32_t add_caller(uint64_t function, uint64_t calls)
{
    uint32_t frame = made_frame(sampled, main_frame, run, function);
    uint32_t leaf = made_frame(sampled, frame, library, 0x500);
    made_calls(sampled, leaf, calls);
    made_life(sampled, leaf, frame, LIFE_INSIDE, calls);
    return frame;
}

/* The exact figures of a function whose blocks all die inside. */
static struct record_tally *prove(uint64_t offset, uint64_t activations, uint64_t calls)
{
    struct record_tally *function = &proven->tallies[0][made_function(proven, RUN, offset)];
    function->activations = activations;
    function->calls = function->inside = calls;
    function->bytes = 100 * calls;
    function->most_bytes = 10000;
    proven->threads[0].calls = sampled->threads[0].calls;
    return function;
}

static void make_plans(void)
{
    candidates_find(&advice);
    candidates_prove(&advice);
    plans_make(&advice);
}

/* The first plan with that name, or NULL. */
static const struct contender *plan(enum contender_kind kind, const char *name)
{
    for (size_t i = 1; i < advice.contender_count; i++)
        if (advice.contenders[i].kind == kind && strcmp(advice.contenders[i].name, name) == 0)
            return &advice.contenders[i];
    return NULL;
}

/* ---- candidates ------------------------------------------------------------------------------ */

START_TEST(the_function_in_which_blocks_die_is_found)
{
    add_caller(0x2000, 1000);
    candidates_find(&advice);
    ck_assert_uint_eq(advice.candidate_count, 1);
    ck_assert_uint_eq(advice.candidates[0].place.offset, 0x2000);
    ck_assert_str_eq(advice.candidates[0].place.module, RUN);
    ck_assert_str_eq(advice.candidates[0].place.name, "+0x2000");
    ck_assert_str_eq(advice.candidates[0].spec, "run!+0x2000");
    ck_assert(advice.candidates[0].calls == 1000 && advice.candidates[0].bytes == 100000 &&
              advice.candidates[0].inside == 1000);
}
END_TEST

START_TEST(recursion_counts_a_stack_once)
{
    uint32_t outer = made_frame(sampled, main_frame, run, 0x2000);
    uint32_t middle = made_frame(sampled, outer, run, 0x3000);
    uint32_t inner = made_frame(sampled, middle, run, 0x2000);
    made_calls(sampled, inner, 1000);
    made_life(sampled, inner, inner, LIFE_INSIDE, 1000);
    candidates_find(&advice);
    ck_assert_ptr_nonnull(find(0x2000));
    ck_assert(find(0x2000)->calls == 1000 && find(0x2000)->inside == 1000);
    ck_assert(find(0x3000)->inside == 1000);
}
END_TEST

START_TEST(blocks_that_live_on_make_no_candidate)
{
    uint32_t frame = made_frame(sampled, main_frame, run, 0x2000 + 0x1000 * (uint64_t)_i);
    made_calls(sampled, frame, 1000);
    if (_i == 1)
        made_life(sampled, frame, 0, LIFE_OTHER, 1000);
    if (_i == 2)
        made_life(sampled, frame, main_frame, LIFE_INSIDE, 1000);
    candidates_find(&advice);
    ck_assert_uint_eq(advice.candidate_count, 0);
}
END_TEST

START_TEST(what_starts_threads_is_left_out)
{
    uint32_t routine = made_frame(sampled, start, run, 0x2000);
    uint32_t work = made_frame(sampled, routine, run, 0x3000);
    made_calls(sampled, work, 1000);
    made_life(sampled, work, work, LIFE_INSIDE, 1000);
    candidates_find(&advice);
    ck_assert_uint_eq(advice.candidate_count, 1);
    ck_assert_ptr_nonnull(find(0x3000));
}
END_TEST

/* What starts the program calls others at several places. */
START_TEST(all_that_main_calls_is_looked_at)
{
    add_caller(0x2000, 1000);
    main_frame = made_frame(sampled, start, run, 0x1000);
    add_caller(0x3000, 1000);
    candidates_find(&advice);
    ck_assert_uint_eq(advice.candidate_count, 2);
    ck_assert_ptr_nonnull(find(0x3000));
}
END_TEST

/* Nothing is known of what called it. */
START_TEST(the_outermost_of_a_stack_that_was_cut_is_a_candidate)
{
    uint32_t frame = made_frame(sampled, 0, run, 0x2000);
    made_calls(sampled, frame, 1000);
    made_life(sampled, frame, frame, LIFE_INSIDE, 1000);
    candidates_find(&advice);
    ck_assert_ptr_nonnull(find(0x2000));
}
END_TEST

START_TEST(of_a_long_chain_both_ends_and_some_between_are_taken)
{
    enum { LENGTH = 60 };
    uint32_t frame = main_frame, first = 0;
    for (uint64_t i = 0; i < LENGTH; i++) {
        frame = made_frame(sampled, frame, run, 0x2000 + 0x10 * i);
        first = first ? first : frame;
    }
    made_calls(sampled, frame, 1000);
    made_life(sampled, frame, frame, LIFE_INSIDE, 1000);
    uint32_t other = add_caller(0x9000, 500);
    candidates_find(&advice);
    ck_assert_uint_eq(advice.candidate_count, CANDIDATES_MOST);
    ck_assert_ptr_nonnull(find(sampled->frames[first].function));
    ck_assert_ptr_nonnull(find(sampled->frames[frame].function));
    ck_assert_ptr_nonnull(find(sampled->frames[other].function));
    bool is_between = false;
    for (uint64_t i = LENGTH / 3; i < 2 * LENGTH / 3; i++)
        is_between = is_between || find(0x2000 + 0x10 * i);
    ck_assert(is_between);
}
END_TEST

START_TEST(files_of_one_name_are_told_apart_by_their_paths)
{
    uint32_t twin = made_module(sampled, "/other/run");
    add_caller(0x2000, 1000);
    uint32_t frame = made_frame(sampled, main_frame, twin, 0x2000);
    made_calls(sampled, frame, 900);
    made_life(sampled, frame, frame, LIFE_INSIDE, 900);
    candidates_find(&advice);
    ck_assert_uint_eq(advice.candidate_count, 2);
    ck_assert_str_eq(advice.candidates[0].spec, RUN "!+0x2000");
    ck_assert_str_eq(advice.candidates[1].spec, "/other/run!+0x2000");
}
END_TEST

START_TEST(a_file_that_was_loaded_twice_is_one)
{
    uint32_t again = made_module(sampled, RUN);
    add_caller(0x2000, 1000);
    uint32_t frame = made_frame(sampled, main_frame, again, 0x2000);
    made_calls(sampled, frame, 1000);
    made_life(sampled, frame, frame, LIFE_INSIDE, 1000);
    candidates_find(&advice);
    ck_assert_uint_eq(advice.candidate_count, 1);
    ck_assert(find(0x2000)->calls == 2000);
}
END_TEST

START_TEST(proof_orders_and_drops)
{
    add_caller(0x2000, 1000);
    add_caller(0x3000, 1000);
    add_caller(0x4000, 1000);
    prove(0x4000, 10, 1000);
    prove(0x3000, 0, 0);
    prove(0x2000, 10, 1000)->inside = 500;
    candidates_find(&advice);
    candidates_prove(&advice);
    ck_assert_uint_eq(advice.candidate_count, 2);
    ck_assert_uint_eq(advice.candidates[0].place.offset, 0x4000);
    ck_assert_uint_eq(advice.candidates[1].place.offset, 0x2000);
    ck_assert_uint_eq(advice.candidates[1].proven.inside, 500);
    ck_assert(advice.candidates[0].is_proven);
    ck_assert(advice.candidates[0].expected < advice.candidates[1].expected);
}
END_TEST

/* ---- plans ----------------------------------------------------------------------------------- */

START_TEST(threads_make_thread_a_plan)
{
    advice.counted.threads = 3; /* of as many processes, perhaps */
    advice.is_threaded = _i;
    plans_make(&advice);
    ck_assert_uint_eq(advice.contender_count, 2 + (size_t)_i);
    ck_assert_str_eq(plan(PROCESS, "process")->options, "--scope process");
    ck_assert(plan(PROCESS, "process")->expected < 1);
    ck_assert_int_eq(plan(THREAD, "thread") != NULL, _i);
}
END_TEST

START_TEST(a_function_becomes_a_plan)
{
    add_caller(0x2000, 1000);
    prove(0x2000, 10, 1000);
    make_plans();
    const struct contender *made = plan(FUNCTIONS, "run!+0x2000");
    ck_assert_ptr_nonnull(made);
    ck_assert_str_eq(made->options, "--scope 'run!+0x2000' --capacity 64K");
    ck_assert_uint_eq(made->capacity, 64 << 10);
    ck_assert_ptr_null(made->modules);
    ck_assert(made->expected < 1 && made->expected > 0.5);
}
END_TEST

START_TEST(what_is_seen_safe_has_a_twin_that_is_reset)
{
    add_caller(0x2000, 1000);
    struct record_tally *function = prove(0x2000, 10, 1000);
    uint64_t *const harm[] = {NULL, &function->surviving, &function->foreign, &function->left};
    if (harm[_i])
        *harm[_i] = 1;
    make_plans();
    ck_assert_ptr_nonnull(plan(FUNCTIONS, "run!+0x2000"));
    const struct contender *twin = plan(RESET, "reset:run!+0x2000");
    ck_assert_int_eq(twin != NULL, _i == 0);
    if (twin) {
        ck_assert_str_eq(twin->modules, "+libdraw.so.1");
        ck_assert_str_eq(twin->options,
                         "--scope 'reset:run!+0x2000' --capacity 64K --modules +libdraw.so.1");
    }
}
END_TEST

START_TEST(functions_beside_each_other_make_a_plan_together)
{
    add_caller(0x2000, 1000);
    add_caller(0x3000, 900);
    prove(0x2000, 10, 1000);
    prove(0x3000, 10, 900)->most_bytes = 1 << 20;
    make_plans();
    const struct contender *both = plan(FUNCTIONS, "run!+0x2000; run!+0x3000");
    ck_assert_ptr_nonnull(both);
    ck_assert_str_eq(both->options, "--scope 'run!+0x2000' --scope 'run!+0x3000' --capacity 2M");
    ck_assert_uint_eq(both->candidate_count, 2);
    ck_assert(both->expected < plan(FUNCTIONS, "run!+0x2000")->expected);
}
END_TEST

START_TEST(a_function_inside_of_another_adds_nothing)
{
    uint32_t outer = made_frame(sampled, main_frame, run, 0x2000);
    uint32_t inner = made_frame(sampled, outer, run, 0x3000);
    made_calls(sampled, inner, 1000);
    made_life(sampled, inner, inner, LIFE_INSIDE, 1000);
    prove(0x2000, 10, 1000);
    prove(0x3000, 1000, 1000);
    make_plans();
    ck_assert_ptr_nonnull(plan(FUNCTIONS, "run!+0x2000"));
    for (size_t i = 0; i < advice.contender_count; i++)
        ck_assert_uint_le(advice.contenders[i].candidate_count, 1);
}
END_TEST

START_TEST(of_functions_that_call_one_another_once_one_is_measured)
{
    uint32_t outer = made_frame(sampled, main_frame, run, 0x2000);
    uint32_t middle = made_frame(sampled, outer, run, 0x3000);
    uint32_t inner = made_frame(sampled, middle, run, 0x4000);
    made_calls(sampled, inner, 1000);
    made_life(sampled, inner, inner, LIFE_INSIDE, 1000);
    prove(0x2000, 1, 1000);
    prove(0x3000, 1, 1000);
    prove(0x4000, 100, 1000);
    make_plans();
    size_t plans = 0;
    for (size_t i = 0; i < advice.contender_count; i++)
        plans += advice.contenders[i].kind == FUNCTIONS;
    ck_assert_uint_eq(plans, 2);
    ck_assert_ptr_nonnull(plan(FUNCTIONS, "run!+0x4000"));
}
END_TEST

/* The sampled pass takes the turns of a loop for one. */
START_TEST(what_only_seems_to_die_inside_makes_no_plan)
{
    add_caller(0x2000, 1000);
    prove(0x2000, 1000, 1000)->inside = 0;
    make_plans();
    ck_assert_ptr_null(plan(FUNCTIONS, "run!+0x2000"));
    ck_assert_ptr_nonnull(plan(PROCESS, "process"));
}
END_TEST

START_TEST(what_is_called_too_often_makes_no_plan)
{
    add_caller(0x2000, 1000);
    prove(0x2000, 10000000, 1000);
    make_plans();
    ck_assert_ptr_null(plan(FUNCTIONS, "run!+0x2000"));
}
END_TEST

/* Nothing is faster than what takes 1 ns. */
START_TEST(an_allocator_that_takes_no_time_leaves_nothing_to_gain)
{
    advice.share = 0.001;
    add_caller(0x2000, 1000);
    prove(0x2000, 10, 1000);
    make_plans();
    ck_assert_ptr_null(plan(FUNCTIONS, "run!+0x2000"));
    ck_assert(plan(PROCESS, "process")->expected >= 1);
}
END_TEST

/* A scope is faster than 12 ns, if not by much. */
START_TEST(a_fast_allocator_leaves_something_to_gain)
{
    advice.share = 0.12;
    advice.counted.calls *= 10;
    add_caller(0x2000, 1000);
    prove(0x2000, 10, 1000);
    make_plans();
    ck_assert_ptr_nonnull(plan(FUNCTIONS, "run!+0x2000"));
    ck_assert(plan(PROCESS, "process")->expected < 0.99);
}
END_TEST

START_TEST(a_function_is_shown_where_the_process_gains_no_more)
{
    static const struct contender measured[] = {
        {.kind = PLAIN, .rounds = 5},
        {.kind = PROCESS, .rounds = 5, .ratio = 0.8, .ratio_low = 0.79, .ratio_high = 0.81},
        {.kind = FUNCTIONS, .rounds = 5, .ratio = 0.82, .ratio_low = 0.81, .ratio_high = 0.83},
        {.kind = FUNCTIONS, .rounds = 5, .ratio = 0.81, .ratio_low = 0.8, .ratio_high = 0.82},
        {.kind = FUNCTIONS, .rounds = 5, .ratio = 0.7, .ratio_high = 0.7, .differed = 1},
        {.kind = RESET, .rounds = 5, .ratio = 0.7, .ratio_low = 0.7, .ratio_high = 0.7},
    };
    memcpy(advice.contenders, measured, sizeof measured);
    advice.contender_count = sizeof measured / sizeof *measured;
    advice.verdict = VERDICT_PLAN;
    advice.best = 1;
    ck_assert_uint_eq(plans_alternative(&advice), 3);
    advice.contenders[1].ratio_high = 0.79;
    ck_assert_uint_eq(plans_alternative(&advice), 0);
    advice.best = 3;
    ck_assert_uint_eq(plans_alternative(&advice), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plans");
    TCase *candidates = tcase_create("candidates"), *plans = tcase_create("plans");
    tcase_add_checked_fixture(candidates, begin, end);
    tcase_add_test(candidates, the_function_in_which_blocks_die_is_found);
    tcase_add_test(candidates, recursion_counts_a_stack_once);
    tcase_add_loop_test(candidates, blocks_that_live_on_make_no_candidate, 0, 3);
    tcase_add_test(candidates, what_starts_threads_is_left_out);
    tcase_add_test(candidates, all_that_main_calls_is_looked_at);
    tcase_add_test(candidates, the_outermost_of_a_stack_that_was_cut_is_a_candidate);
    tcase_add_test(candidates, of_a_long_chain_both_ends_and_some_between_are_taken);
    tcase_add_test(candidates, files_of_one_name_are_told_apart_by_their_paths);
    tcase_add_test(candidates, a_file_that_was_loaded_twice_is_one);
    tcase_add_test(candidates, proof_orders_and_drops);
    suite_add_tcase(suite, candidates);
    tcase_add_checked_fixture(plans, begin, end);
    tcase_add_loop_test(plans, threads_make_thread_a_plan, 0, 2);
    tcase_add_test(plans, a_function_becomes_a_plan);
    tcase_add_loop_test(plans, what_is_seen_safe_has_a_twin_that_is_reset, 0, 4);
    tcase_add_test(plans, functions_beside_each_other_make_a_plan_together);
    tcase_add_test(plans, a_function_inside_of_another_adds_nothing);
    tcase_add_test(plans, of_functions_that_call_one_another_once_one_is_measured);
    tcase_add_test(plans, what_only_seems_to_die_inside_makes_no_plan);
    tcase_add_test(plans, what_is_called_too_often_makes_no_plan);
    tcase_add_test(plans, an_allocator_that_takes_no_time_leaves_nothing_to_gain);
    tcase_add_test(plans, a_fast_allocator_leaves_something_to_gain);
    tcase_add_test(plans, a_function_is_shown_where_the_process_gains_no_more);
    suite_add_tcase(suite, plans);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
