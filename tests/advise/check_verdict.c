/*
 * Unit tests of advise/verdict.h, on figures that are made up.
 */
#include <check.h>
#include <stdlib.h>

#include "advise/verdict.h"

static const struct wish measuring = {.measure = true}, not_measuring = {.measure = false};
static struct advice advice;

/* A third of the time is in malloc, and all blocks die in one function. */
static void begin(void)
{
    advice = (struct advice){
        .wish = &measuring,
        .counted = {.calls = 1000},
        .share = 0.33,
        .candidates[0] = {.is_proven = true, .proven = {.inside = 1000}},
        .candidate_count = 1,
        .contenders[0] = {.kind = PLAIN,
                          .name = "plain",
                          .rounds = 5,
                          .cpu = 1,
                          .ratio = 1,
                          .ratio_low = 1,
                          .ratio_high = 1},
        .contender_count = 1,
    };
}

static void end(void)
{
    free(advice.reason);
}

static struct contender *add(enum contender_kind kind, const char *name, double low, double ratio,
                             double high)
{
    struct contender *contender = &advice.contenders[advice.contender_count++];
    *contender = (struct contender){
        .kind = kind,
        .name = name,
        .candidate_count = kind == FUNCTIONS || kind == RESET,
        .rounds = 5,
        .ratio = ratio,
        .ratio_low = low,
        .ratio_high = high,
    };
    return contender;
}

static bool is_open(void)
{
    for (size_t i = 1; i < advice.contender_count; i++)
        if (verdict_needs(&advice, i))
            return true;
    return false;
}

static void ends_in(enum verdict verdict, size_t best, const char *reason)
{
    verdict_reach(&advice);
    ck_assert_int_eq(advice.verdict, verdict);
    ck_assert_uint_eq(advice.best, best);
    if (reason)
        ck_assert_str_eq(advice.reason, reason);
    else
        ck_assert_ptr_null(advice.reason);
}

/* ---- yes ------------------------------------------------------------------------------------- */

START_TEST(the_fastest_is_recommended)
{
    add(PROCESS, "process", 0.85, 0.86, 0.87);
    add(FUNCTIONS, "f", 0.74, 0.75, 0.76);
    ck_assert(!is_open());
    ends_in(VERDICT_PLAN, 2, NULL);
}
END_TEST

START_TEST(at_a_tie_the_simplest_is)
{
    add(FUNCTIONS, "f", 0.74, 0.75, 0.77);
    add(THREAD, "thread", 0.75, 0.76, 0.78);
    add(FUNCTIONS, "f, g", 0.73, 0.74, 0.76)->candidate_count = 2;
    ck_assert(!is_open());
    ends_in(VERDICT_PLAN, 2, NULL);
}
END_TEST

START_TEST(what_may_be_a_tie_is_measured_again)
{
    add(PROCESS, "process", 0.75, 0.82, 0.84);
    add(FUNCTIONS, "f", 0.74, 0.75, 0.80);
    add(FUNCTIONS, "g", 0.85, 0.86, 0.87);
    ck_assert(verdict_needs(&advice, 1));
    ck_assert(verdict_needs(&advice, 2));
    ck_assert(!verdict_needs(&advice, 3));
    ends_in(VERDICT_PLAN, 1, NULL);
}
END_TEST

START_TEST(a_small_gain_is_looked_at_twice)
{
    struct contender *process = add(PROCESS, "process", 0.94, 0.95, 0.96);
    ck_assert(verdict_needs(&advice, 1));
    process->rounds = 10;
    ck_assert(!is_open());
    ends_in(VERDICT_PLAN, 1, NULL);
}
END_TEST

START_TEST(what_changes_the_output_is_left_out)
{
    add(PROCESS, "process", 0.30, 0.31, 0.32)->differed = 1;
    add(FUNCTIONS, "f", 0.74, 0.75, 0.76);
    ends_in(VERDICT_PLAN, 2, NULL);
}
END_TEST

START_TEST(peers_and_resets_are_never_recommended)
{
    add(PROCESS, "process", 0.85, 0.86, 0.87);
    add(PEER, "tcmalloc", 0.50, 0.51, 0.52);
    add(RESET, "reset:f", 0.60, 0.61, 0.62);
    add(RESET, "reset:g", 0.86, 0.86, 0.87);
    ends_in(VERDICT_PLAN, 1, NULL);
    ck_assert_uint_eq(advice.seen_safe, 3);
}
END_TEST

START_TEST(a_reset_that_is_no_faster_is_not_mentioned)
{
    add(FUNCTIONS, "f", 0.85, 0.86, 0.87);
    add(RESET, "reset:f", 0.84, 0.85, 0.86);
    ends_in(VERDICT_PLAN, 1, NULL);
    ck_assert_uint_eq(advice.seen_safe, 0);
}
END_TEST

/* ---- no -------------------------------------------------------------------------------------- */

#define MEASURED "process, the best that was measured, takes 0.99 of plain's CPU time"

START_TEST(too_little_time_is_no)
{
    advice.share = 0.031;
    add(PROCESS, "process", 0.98, 0.99, 1.0);
    ck_assert(!is_open());
    ends_in(VERDICT_NONE, 0, "allocation takes 3.1% of the CPU time; " MEASURED);
}
END_TEST

START_TEST(what_is_over_soon_is_no)
{
    advice.contenders[0].cpu = 0.002;
    advice.share = 0.031;
    add(PROCESS, "process", 1.09, 1.1, 1.11);
    ends_in(VERDICT_NONE, 0,
            "it is over before the shim's start has paid; process, the best that was measured, "
            "takes 1.10 of plain's CPU time");
}
END_TEST

START_TEST(blocks_that_last_are_no)
{
    advice.candidates[0].proven.inside = 99;
    add(PROCESS, "process", 0.98, 0.99, 1.0);
    ends_in(VERDICT_NONE, 0, "what is drawn outlives every function below main; " MEASURED);
}
END_TEST

/* All that the function gains goes into finding it. */
START_TEST(a_program_too_short_for_its_function_is_no)
{
    advice.candidates[0].proven.activations = 10;
    add(PROCESS, "process", 0.98, 0.99, 1.0);
    ends_in(VERDICT_NONE, 0, "it is over before the shim's start has paid; " MEASURED);
}
END_TEST

START_TEST(calls_that_are_too_many_are_no)
{
    advice.candidates[0].proven.activations = 500;
    add(PROCESS, "process", 0.98, 0.99, 1.0);
    ends_in(VERDICT_NONE, 0,
            "the blocks that die early are spread over functions called too often; " MEASURED);
}
END_TEST

START_TEST(what_does_not_gain_is_no)
{
    add(PROCESS, "process", 0.98, 0.99, 1.0);
    add(FUNCTIONS, "f", 1.0, 1.01, 1.02);
    ends_in(VERDICT_NONE, 0, MEASURED);
}
END_TEST

START_TEST(little_gain_is_no)
{
    add(FUNCTIONS, "f", 0.972, 0.98, 0.985);
    ck_assert(!is_open());
    ends_in(VERDICT_NONE, 0, "f, the best that was measured, takes 0.98 of plain's CPU time");
}
END_TEST

START_TEST(changed_output_alone_is_no)
{
    add(FUNCTIONS, "f", 0.5, 0.5, 0.5)->differed = 5;
    ends_in(VERDICT_NONE, 0, "nothing that leaves its output and exit status alone was measured");
}
END_TEST

START_TEST(no_allocation_is_no)
{
    advice.counted.calls = 0;
    advice.wish = &not_measuring;
    ends_in(VERDICT_NONE, 0, "it makes no allocation that the shim sees");
}
END_TEST

START_TEST(a_reset_alone_may_pay)
{
    add(FUNCTIONS, "f", 0.98, 0.99, 1.0);
    add(RESET, "reset:f", 0.8, 0.81, 0.82);
    ends_in(VERDICT_NONE, 0, "f, the best that was measured, takes 0.99 of plain's CPU time");
    ck_assert_uint_eq(advice.seen_safe, 2);
}
END_TEST

/* ---- uncertain ------------------------------------------------------------------------------- */

START_TEST(a_gain_that_is_not_sure_is_uncertain)
{
    add(FUNCTIONS, "f", 0.946, 0.965, 0.994);
    ck_assert(is_open());
    ends_in(VERDICT_UNCERTAIN, 0,
            "f takes between 0.95 and 0.99 of plain's CPU time, as far as 5 rounds tell");
}
END_TEST

START_TEST(a_wide_spread_is_uncertain)
{
    add(FUNCTIONS, "f", 0.9, 0.96, 1.05);
    ck_assert(is_open());
    ends_in(VERDICT_UNCERTAIN, 0,
            "f takes between 0.90 and 1.05 of plain's CPU time, as far as 5 rounds tell");
}
END_TEST

START_TEST(where_little_can_be_gained_noise_is_none)
{
    advice.share = 0.01;
    add(PROCESS, "process", 0.9, 0.99, 1.05);
    ck_assert(!is_open());
    ends_in(VERDICT_NONE, 0, "allocation takes 1.0% of the CPU time; " MEASURED);
}
END_TEST

START_TEST(an_unclear_one_does_not_matter_beside_a_faster)
{
    add(FUNCTIONS, "f", 0.74, 0.75, 0.76);
    add(PROCESS, "process", 0.9, 0.96, 1.05);
    ck_assert(!is_open());
    ends_in(VERDICT_PLAN, 1, NULL);
}
END_TEST

START_TEST(few_rounds_are_uncertain)
{
    add(FUNCTIONS, "f", 0.74, 0.75, 0.76)->rounds = 4;
    ends_in(VERDICT_UNCERTAIN, 1, "4 rounds of measuring are few");
}
END_TEST

START_TEST(without_measuring_the_best_expected_is_named)
{
    advice.wish = &not_measuring;
    add(PROCESS, "process", 0, 0, 0)->expected = 0.9;
    add(FUNCTIONS, "f", 0, 0, 0)->expected = 0.8;
    add(RESET, "reset:f", 0, 0, 0)->expected = 0.7;
    ends_in(VERDICT_UNCERTAIN, 2, "nothing was measured");
}
END_TEST

/* What is busy takes all the CPU time there is until its time is over. */
START_TEST(runs_that_are_ended_are_no_measure_of_time)
{
    advice.is_timed_out = true;
    add(PROCESS, "process", 0, 0, 0)->expected = 0.9;
    add(FUNCTIONS, "f", 0, 0, 0)->expected = 0.8;
    add(FUNCTIONS, "g", 0, 0, 0)->expected = 0.7;
    advice.contenders[3].differed = 1;
    ends_in(
        VERDICT_UNCERTAIN, 2,
        "runs that are ended after a time take CPU time as they get it, whatever they do in it, "
        "so that no gain can be measured");
}
END_TEST

START_TEST(without_measuring_a_loss_is_not_named)
{
    advice.wish = &not_measuring;
    add(PROCESS, "process", 0, 0, 0)->expected = 1.01;
    ends_in(VERDICT_UNCERTAIN, 0, "nothing was measured");
}
END_TEST

START_TEST(without_measuring_a_share_that_is_little_is_no)
{
    advice.wish = &not_measuring;
    advice.share = 0.01;
    add(PROCESS, "process", 0, 0, 0)->expected = 0.99;
    ends_in(VERDICT_NONE, 0, "allocation takes 1.0% of the CPU time");
}
END_TEST

/* ---- memory ---------------------------------------------------------------------------------- */

START_TEST(who_holds_clearly_less_is_known)
{
    advice.contenders[0].at_end = 100;
    add(PROCESS, "process", 0.98, 0.99, 1.0)->at_end = 79;
    add(FUNCTIONS, "f", 0.98, 0.99, 1.0)->at_end = 70;
    add(RESET, "reset:f", 0.98, 0.99, 1.0)->at_end = 60;
    verdict_reach(&advice);
    ck_assert_uint_eq(advice.leanest, 2);
}
END_TEST

START_TEST(by_its_peak_where_its_end_is_not_seen)
{
    advice.contenders[0].peak = 100;
    add(PROCESS, "process", 0.98, 0.99, 1.0)->peak = 81;
    verdict_reach(&advice);
    ck_assert_uint_eq(advice.leanest, 0);
    advice.contenders[1].peak = 80;
    free(advice.reason);
    verdict_reach(&advice);
    ck_assert_uint_eq(advice.leanest, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("verdict");
    TCase *cases = tcase_create("verdict");
    tcase_add_checked_fixture(cases, begin, end);
    tcase_add_test(cases, the_fastest_is_recommended);
    tcase_add_test(cases, at_a_tie_the_simplest_is);
    tcase_add_test(cases, what_may_be_a_tie_is_measured_again);
    tcase_add_test(cases, a_small_gain_is_looked_at_twice);
    tcase_add_test(cases, what_changes_the_output_is_left_out);
    tcase_add_test(cases, peers_and_resets_are_never_recommended);
    tcase_add_test(cases, a_reset_that_is_no_faster_is_not_mentioned);
    tcase_add_test(cases, too_little_time_is_no);
    tcase_add_test(cases, what_is_over_soon_is_no);
    tcase_add_test(cases, blocks_that_last_are_no);
    tcase_add_test(cases, a_program_too_short_for_its_function_is_no);
    tcase_add_test(cases, calls_that_are_too_many_are_no);
    tcase_add_test(cases, what_does_not_gain_is_no);
    tcase_add_test(cases, little_gain_is_no);
    tcase_add_test(cases, changed_output_alone_is_no);
    tcase_add_test(cases, no_allocation_is_no);
    tcase_add_test(cases, a_reset_alone_may_pay);
    tcase_add_test(cases, a_gain_that_is_not_sure_is_uncertain);
    tcase_add_test(cases, a_wide_spread_is_uncertain);
    tcase_add_test(cases, where_little_can_be_gained_noise_is_none);
    tcase_add_test(cases, who_holds_clearly_less_is_known);
    tcase_add_test(cases, by_its_peak_where_its_end_is_not_seen);
    tcase_add_test(cases, an_unclear_one_does_not_matter_beside_a_faster);
    tcase_add_test(cases, few_rounds_are_uncertain);
    tcase_add_test(cases, without_measuring_the_best_expected_is_named);
    tcase_add_test(cases, without_measuring_a_loss_is_not_named);
    tcase_add_test(cases, runs_that_are_ended_are_no_measure_of_time);
    tcase_add_test(cases, without_measuring_a_share_that_is_little_is_no);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
