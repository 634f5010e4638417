/*
 * What advise prints and writes of figures that are made up: the function "handle" of /made/run, in
 * which all but a tenth of the blocks die.
 */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "advise/folded.h"
#include "advise/json.h"
#include "advise/quote.h"
#include "advise/scope_file.h"
#include "advise/text.h"
#include "made.h"

#define RUN "/made/run"

static char run[] = "run", query[] = "--query=it's", file_name[] = "a;b",
            document[] = "document.xml";
static char path[] = RUN, handle_name[] = "ns::handle(char const*)", source[] = "/src/run.cc";
static char handle_spec[] = "run!_ZN2ns6handleEPKc", reason[100];
static char *program[] = {run, query, file_name, NULL};
static const struct wish wish = {.program = program, .path = RUN, .command = "arenashim"};
static struct advice advice;
static struct record *sampled, *proven;
static char *written;
static size_t length;

static void begin(void)
{
    sampled = made_record(WATCH_SAMPLE);
    uint32_t module = made_module(sampled, RUN);
    uint32_t root = made_frame(sampled, 0, module, 0x1000);
    uint32_t handle = made_frame(sampled, root, module, 0x2000);
    uint32_t leaf = made_frame(sampled, handle, module, 0x3000);
    made_calls(sampled, leaf, 1000);
    made_life(sampled, leaf, handle, LIFE_INSIDE, 800);
    made_life(sampled, leaf, 0, LIFE_OTHER, 50);

    proven = made_record(WATCH_PROVE);
    module = made_module(proven, RUN);
    leaf = made_frame(proven, made_frame(proven, 0, module, 0x2000), module, 0x3000);
    struct record_tally *function = &proven->tallies[0][made_function(proven, RUN, 0x2000)];
    function->activations = 7;
    function->threads = 1;
    function->calls = 1000;
    function->bytes = 100000;
    function->inside = 900;
    function->surviving = 3;
    function->most_bytes = 20480;
    made_life(proven, leaf, 0, LIFE_SURVIVED, 100);
    proven->threads[0].calls = 4000; /* it runs longer than the run that counts */

    advice = (struct advice){
        .wish = &wish,
        .sampled = sampled,
        .proven = proven,
        .share = 0.25,
        .plain = {{.cpu = 2}, {.cpu = 2}},
        .counted = {.calls = 2000, .bytes = 200000, .threads = 1},
        .candidate_count = 1,
        .candidates[0] = {.place = {path, 0x2000, handle_name, source, 42},
                          .spec = handle_spec,
                          .calls = 1000,
                          .inside = 800,
                          .proven = *function,
                          .is_proven = true,
                          .expected = 0.9},
        .contenders = {{.kind = PLAIN,
                        .name = "plain",
                        .options = "",
                        .rounds = 5,
                        .cpu = 2,
                        .ratio = 1,
                        .ratio_low = 1,
                        .ratio_high = 1,
                        .peak = 1 << 20,
                        .at_end = 1 << 19,
                        .faults = 100},
                       {.kind = PROCESS,
                        .name = "process",
                        .options = "--scope process",
                        .expected = 0.95,
                        .rounds = 5,
                        .cpu = 1.8,
                        .ratio = 0.9,
                        .ratio_low = 0.89,
                        .ratio_high = 0.91,
                        .peak = 2 << 20,
                        .faults = 200},
                       {.kind = FUNCTIONS,
                        .name = "run!ns::handle",
                        .options = "--scope 'run!_ZN2ns6handleEPKc' --capacity 64K",
                        .candidate_count = 1,
                        .capacity = 64 << 10,
                        .expected = 0.9,
                        .rounds = 5,
                        .cpu = 1.5,
                        .ratio = 0.75,
                        .ratio_low = 0.74,
                        .ratio_high = 0.76,
                        .peak = 3 << 20,
                        .at_end = 1 << 10,
                        .faults = 300}},
        .contender_count = 3,
        .verdict = VERDICT_PLAN,
        .best = 2,
    };
}

static void end(void)
{
    free(written);
    written = NULL;
    free(sampled);
    free(proven);
}

static const char *write_by(void (*function)(const struct advice *, FILE *))
{
    free(written);
    FILE *file = open_memstream(&written, &length);
    function(&advice, file);
    fclose(file);
    return written;
}

static void has(const char *text, const char *wanted)
{
    if (!strstr(text, wanted))
        ck_abort_msg("'%s' is not in:\n%s", wanted, text);
}

static void has_no(const char *text, const char *unwanted)
{
    if (strstr(text, unwanted))
        ck_abort_msg("'%s' is in:\n%s", unwanted, text);
}

/* ---- text ------------------------------------------------------------------------------------ */

START_TEST(the_text_has_all_figures)
{
    const char *text = write_by(text_advice);
    has(text, "run: 2000 calls for memory, 200000 bytes, in 2.00 s of CPU time, of which malloc, "
              "free and realloc take 25.0%\n");
    has(text, "          7   1000   25.0%        90.0%   20K     10.0%     25.0%  "
              "run!ns::handle(char const*) (run.cc:42)\n");
    has(text, "Of the calls in ns::handle(char const*) 10.0% outlive it");
    has(text, "  100.0%  run!+0x3000 < run!+0x2000\n");
    has(text, " 2.00         -         -      -      -     100  1.0M    512K  plain\n"
              " 1.80      5.0%     10.0%   9.0%  11.0%     200  2.0M       -  process\n"
              " 1.50     10.0%     25.0%  24.0%  26.0%     300  3.0M    1.0K  run!ns::handle\n");
    has(text, "run!ns::handle takes 25.0% less CPU time than the plain program (between 24.0% and "
              "26.0% at 90% confidence, 5 rounds; expected: 10.0%).\n");
    has(text, "\n    arenashim run --scope 'run!_ZN2ns6handleEPKc' --capacity 64K -- run "
              "'--query=it'\\''s' 'a;b'\n");
    has(text,
        "    ARENA_SCOPE_HERE(\"ns::handle\");   in ns::handle(char const*), /src/run.cc:42\n");
    has_no(text, "About as much");
    has_no(text, "seen safe");
}
END_TEST

START_TEST(without_source_lines_in_c_there_are_no_marks)
{
    static char rust[] = "/src/run.rs";
    advice.candidates[0].place.file = _i == 0 ? NULL : rust;
    has_no(write_by(text_advice), "ARENA_SCOPE_HERE");
}
END_TEST

START_TEST(a_function_that_gains_as_much_stands_below_the_process)
{
    advice.best = 1;
    advice.contenders[1].ratio_high = 0.8;
    has(write_by(text_advice),
        "\nAbout as much gains run!ns::handle alone (25.0%):\n\n"
        "    arenashim run --scope 'run!_ZN2ns6handleEPKc' --capacity 64K -- run ");
    advice.contenders[1].at_end = 4 << 20;
    has(write_by(text_advice),
        "\nAbout as much gains run!ns::handle alone (25.0%), and holds 1.0K at "
        "the end, not 4.0M:\n");
}
END_TEST

START_TEST(a_no_has_its_reason_and_no_survivors)
{
    advice.verdict = VERDICT_NONE;
    advice.best = 0;
    advice.reason = strcpy(reason, "allocation takes 3.0% of the CPU time");
    const char *text = write_by(text_advice);
    has(text, "\nNo scope pays here: allocation takes 3.0% of the CPU time.\n");
    has_no(text, "outlive");
    has_no(text, "arenashim run");
}
END_TEST

START_TEST(without_measuring_the_best_expected_is_shown)
{
    for (size_t i = 0; i < advice.contender_count; i++)
        advice.contenders[i].rounds = 0, advice.contenders[i].ratio = 0;
    advice.verdict = VERDICT_UNCERTAIN;
    advice.reason = strcpy(reason, "nothing was measured");
    const char *text = write_by(text_advice);
    has(text, "\nNo verdict: nothing was measured.\n\nThe best that is expected is run!ns::handle "
              "(10.0%):\n\n    arenashim run --scope ");
    has_no(text, "FAULTS");
}
END_TEST

START_TEST(what_is_seen_safe_is_named_as_what_it_is)
{
    advice.contenders[3] = advice.contenders[2];
    advice.contenders[3].kind = RESET;
    advice.contenders[3].ratio = 0.7;
    advice.contenders[3].options = "--scope 'reset:run!handle'";
    advice.contender_count = 4;
    advice.seen_safe = 3;
    const char *text = write_by(text_advice);
    has(text, "(30.0%). That is seen safe in 7 activations of this run, not proven");
    has(text, "    arenashim run --scope 'reset:run!handle' -- run ");
}
END_TEST

START_TEST(what_is_not_known_of_stacks_is_said)
{
    has_no(write_by(text_advice), "of the stacks");
    sampled->every = 2;
    sampled->threads[0].sampled = 1000;
    sampled->cut = 200;
    sampled->cut_module = 1;
    sampled->too_deep = 300;
    sampled->dropped = 500;
    has(write_by(text_advice),
        "\nOne call in 2 was sampled.\n"
        "10.0% of the stacks end in code without unwind information, as in run.\n"
        "15.0% of the stacks have more than 512 frames, and are left out.\n"
        "25.0% of the stacks are left out, since there was no room for them.\n");
    sampled->cut_module = 0;
    has(write_by(text_advice), " without unwind information, made at run time.\n");
}
END_TEST

START_TEST(who_holds_less_memory_is_said)
{
    advice.leanest = 2;
    has(write_by(text_advice), "\nrun!ns::handle holds 1.0K at the end, plain 512K.\n");
    advice.best = 1;
    advice.contenders[2].peak = 512 << 10;
    advice.contenders[2].at_end = 0;
    has(write_by(text_advice), "\nrun!ns::handle holds 512K at its peak, plain 1.0M.\n\n"
                               "    arenashim run --scope 'run!_ZN2ns6handleEPKc' ");
}
END_TEST

START_TEST(of_many_arguments_the_first_are_shown)
{
    static char *many[1000];
    struct wish other = wish;
    for (size_t i = 0; i + 1 < sizeof many / sizeof *many; i++)
        many[i] = document;
    other.program = many;
    advice.wish = &other;
    const char *text = write_by(text_advice);
    has(text, " document.xml ...\n");
    ck_assert_uint_lt(length, 3000);
    has(write_by(scope_file_write), " document.xml ...\n");
    ck_assert_uint_lt(length, 2000);
}
END_TEST

/* ---- files ----------------------------------------------------------------------------------- */

START_TEST(the_scope_file_has_specs_and_evidence)
{
    ck_assert_str_eq(
        write_by(scope_file_write),
        "# Found by arenashim advise for: run '--query=it'\\''s' 'a;b'\n"
        "# CPU time: 0.750 of the plain program's (0.740 to 0.760 at 90% confidence, 5 "
        "rounds; expected: 0.900)\n"
        "# Options: --scope 'run!_ZN2ns6handleEPKc' --capacity 64K\n"
        "\n"
        "# ns::handle(char const*), /src/run.cc:42\n"
        "# 7 activations, by 1 threads; 1000 calls inside, 100000 bytes\n"
        "# 90.0% of these calls died inside; 3 activations ended with a block alive; "
        "most at once: 20480 bytes\n"
        "run!_ZN2ns6handleEPKc\n");
}
END_TEST

START_TEST(a_scope_file_without_a_plan_is_comments)
{
    advice.verdict = VERDICT_NONE;
    advice.reason = strcpy(reason, "one line\nand another");
    ck_assert_str_eq(write_by(scope_file_write),
                     "# Found by arenashim advise for: run '--query=it'\\''s' 'a;b'\n"
                     "# No scope pays here: one line and another\n");
}
END_TEST

START_TEST(folded_stacks_mark_what_is_inside)
{
    ck_assert_str_eq(write_by(folded_write), "run!+0x1000;run!+0x2000;run!+0x3000_[i] 80000\n"
                                             "run!+0x1000;run!+0x2000;run!+0x3000 5000\n"
                                             "run!+0x1000;run!+0x2000;run!+0x3000 15000\n");
}
END_TEST

START_TEST(json_has_all_figures)
{
    json_t *json = json_loads(write_by(json_advice), 0, NULL);
    const char *verdict, *kind, *options, *scopes, *capacity, *function, *file, *offset;
    double expected, measured, share;
    int activations, calls, inside, line, count;
    ck_assert_ptr_nonnull(json);
    ck_assert_int_eq(json_unpack(json, "{s:s, s:{s:s, s:s, s:{s:s, s:s}, s:f, s:f}, s:{s:f, s:i}}",
                                 "verdict", &verdict, "recommended", "kind", &kind, "options",
                                 &options, "environment", "ARENASHIM_SCOPES", &scopes,
                                 "ARENASHIM_CAPACITY", &capacity, "expected_ratio", &expected,
                                 "measured_ratio", &measured, "plain", "allocation_share", &share,
                                 "calls", &count),
                     0);
    ck_assert_str_eq(verdict, "plan");
    ck_assert_str_eq(kind, "functions");
    ck_assert_str_eq(options, "--scope 'run!_ZN2ns6handleEPKc' --capacity 64K");
    ck_assert_str_eq(scopes, "run!_ZN2ns6handleEPKc");
    ck_assert_str_eq(capacity, "65536");
    ck_assert(expected == 0.9 && measured == 0.75 && share == 0.25 && count == 2000);
    ck_assert_int_eq(json_unpack(json_array_get(json_object_get(json, "candidates"), 0),
                                 "{s:s, s:s, s:i, s:s, s:{s:i, s:i, s:i}}", "function", &function,
                                 "file", &file, "line", &line, "offset", &offset, "proven",
                                 "activations", &activations, "calls", &calls, "died_inside",
                                 &inside),
                     0);
    ck_assert_str_eq(function, "ns::handle(char const*)");
    ck_assert_str_eq(file, "/src/run.cc");
    ck_assert_str_eq(offset, "0x2000");
    ck_assert(line == 42 && activations == 7 && calls == 1000 && inside == 900);
    ck_assert_uint_eq(json_array_size(json_object_get(json, "contenders")), 3);
    ck_assert(json_is_null(json_object_get(json, "seen_safe")));
    json_decref(json);
}
END_TEST

START_TEST(json_of_a_no_recommends_null)
{
    advice.verdict = VERDICT_NONE;
    advice.reason = strcpy(reason, "bytes that are not \xff UTF-8");
    json_t *json = json_loads(write_by(json_advice), 0, NULL);
    ck_assert(json_is_null(json_object_get(json, "recommended")));
    ck_assert_str_eq(json_string_value(json_object_get(json, "verdict")), "none");
    ck_assert_str_eq(json_string_value(json_object_get(json, "reason")),
                     "bytes that are not ? UTF-8");
    json_decref(json);
}
END_TEST

/* Names are the program's, and may be anything. */
START_TEST(no_name_reaches_the_terminal_as_a_command)
{
    static char evil[] = "/made/\033[31m\nrun", name[] = "\033c", spec[] = "\033[31m\nrun!x";
    advice.candidates[0].place.module = evil;
    advice.candidates[0].place.name = name;
    advice.candidates[0].spec = spec;
    ck_assert_ptr_null(strchr(write_by(text_advice), '\033'));
    has_no(write_by(scope_file_write), "\nrun!x");
}
END_TEST

START_TEST(words_are_quoted_for_shells)
{
    static const char *const words[][2] = {
        {"a", "a"},
        {"", "''"},
        {"a b", "'a b'"},
        {"it's", "'it'\\''s'"},
        {"$HOME", "'$HOME'"},
        {"--x=/y.z", "--x=/y.z"},
        {"m!+0x1", "'m!+0x1'"},
        {"a\nb", "'a'$'\\012''b'"},
        {"\033[31m", "''$'\\033''[31m'"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char *quoted = quote_word(words[i][0]);
        ck_assert_str_eq(quoted, words[i][1]);
        free(quoted);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("output");
    TCase *cases = tcase_create("output");
    tcase_add_checked_fixture(cases, begin, end);
    tcase_add_test(cases, the_text_has_all_figures);
    tcase_add_loop_test(cases, without_source_lines_in_c_there_are_no_marks, 0, 2);
    tcase_add_test(cases, a_function_that_gains_as_much_stands_below_the_process);
    tcase_add_test(cases, a_no_has_its_reason_and_no_survivors);
    tcase_add_test(cases, without_measuring_the_best_expected_is_shown);
    tcase_add_test(cases, what_is_seen_safe_is_named_as_what_it_is);
    tcase_add_test(cases, what_is_not_known_of_stacks_is_said);
    tcase_add_test(cases, who_holds_less_memory_is_said);
    tcase_add_test(cases, of_many_arguments_the_first_are_shown);
    tcase_add_test(cases, the_scope_file_has_specs_and_evidence);
    tcase_add_test(cases, a_scope_file_without_a_plan_is_comments);
    tcase_add_test(cases, folded_stacks_mark_what_is_inside);
    tcase_add_test(cases, json_has_all_figures);
    tcase_add_test(cases, json_of_a_no_recommends_null);
    tcase_add_test(cases, no_name_reaches_the_terminal_as_a_command);
    tcase_add_test(cases, words_are_quoted_for_shells);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
