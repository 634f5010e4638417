// Unit tests of the thunk's personality routine: C++ exceptions and pthread_exit out of wrapped
// functions, with hosts that answer at once and hosts that need their slow forms.
#include <check.h>
#include <pthread.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "fake_host.h"

#define FAR __attribute__((noinline))

static std::string story; // of destructors and scopes

struct noted {
    char name;
    ~noted()
    {
        story += name;
        story += static_cast<char>('0' + fake_open());
    }
};

extern "C" {
FAR int thrower(int value)
{
    noted local{'t'};
    if (value >= 0)
        throw value;
    return value;
}
WRAPPED(thrower);

FAR int rethrower(int value)
{
    noted local{'r'};
    try {
        return wrapped_thrower(value);
    } catch (int) {
        story += 'c';
        story += static_cast<char>('0' + fake_open());
        throw;
    }
}
WRAPPED(rethrower);

FAR int catcher(int value)
{
    noted local{'k'};
    try {
        wrapped_thrower(value);
    } catch (int caught) {
        return caught + 1;
    }
    return 0;
}
WRAPPED(catcher);

FAR double passer(double a, double b, double c, double d, double e, double f, double g, double h,
                  double i, int depth);
WRAPPED(passer);
double passer(double a, double b, double c, double d, double e, double f, double g, double h,
              double i, int depth)
{
    noted local{'p'};
    if (depth == 0)
        throw std::runtime_error(std::to_string(a + b + c + d + e + f + g + h + i));
    return wrapped_passer(a, b, c, d, e, f, g, h, i, depth - 1) + 1;
}

FAR void leaver(void)
{
    noted local{'l'};
    pthread_exit(nullptr);
}
WRAPPED(leaver);
}

static void choose_host(int host)
{
    fake_slow = host != 0;
    std::memset(&fake_calls, 0, sizeof fake_calls);
    story.clear();
}

static void assert_closed(unsigned scopes)
{
    ck_assert_uint_eq(fake_calls.entered, scopes);
    ck_assert_uint_eq(fake_calls.left, scopes);
    ck_assert_uint_eq(fake_calls.slow, fake_slow ? 2 * scopes : 0);
}

START_TEST(nothing_thrown)
{
    choose_host(_i);
    ck_assert_int_eq(wrapped_rethrower(-3), -3);
    ck_assert_str_eq(story.c_str(), "t2r1");
    assert_closed(2);
}
END_TEST

START_TEST(caught_by_the_caller)
{
    choose_host(_i);
    int caught = 0;
    try {
        wrapped_thrower(7);
    } catch (int value) {
        caught = value;
        ck_assert_uint_eq(fake_open(), 0);
    }
    ck_assert_int_eq(caught, 7);
    ck_assert_str_eq(story.c_str(), "t1");
    assert_closed(1);
}
END_TEST

START_TEST(caught_in_between)
{
    choose_host(_i);
    ck_assert_int_eq(wrapped_catcher(7), 8);
    ck_assert_str_eq(story.c_str(), "t2k1");
    assert_closed(2);
}
END_TEST

START_TEST(rethrown)
{
    choose_host(_i);
    int caught = 0;
    try {
        wrapped_rethrower(9);
    } catch (int value) {
        caught = value;
    }
    ck_assert_int_eq(caught, 9);
    ck_assert_str_eq(story.c_str(), "t2c1r1");
    assert_closed(2);
}
END_TEST

START_TEST(through_many_with_stack_arguments)
{
    choose_host(_i);
    std::string caught;
    try {
        wrapped_passer(1, 2, 3, 4, 5, 6, 7, 8, 9, 4);
    } catch (const std::exception &exception) {
        caught = exception.what();
    }
    ck_assert_str_eq(caught.c_str(), "45.000000");
    ck_assert_str_eq(story.c_str(), "p5p4p3p2p1");
    assert_closed(5);
}
END_TEST

START_TEST(again_and_again)
{
    choose_host(_i);
    for (int n = 0; n < 1000; n++)
        ck_assert_int_eq(wrapped_catcher(n), n + 1);
    assert_closed(2000);
}
END_TEST

static void *leaving_thread(void *calls)
{
    struct note_calls {
        void *calls;
        ~note_calls()
        {
            std::memcpy(calls, &fake_calls, sizeof fake_calls);
        }
    } outer{calls};
    wrapped_leaver();
    return calls;
}

START_TEST(pthread_exit_runs_destructors)
{
    choose_host(_i);
    pthread_t thread;
    struct fake_calls at_end = {};
    void *result = &thread;
    ck_assert_int_eq(pthread_create(&thread, nullptr, leaving_thread, &at_end), 0);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    ck_assert_ptr_eq(result, nullptr);
    ck_assert_str_eq(story.c_str(), "l1");
    fake_calls = at_end;
    assert_closed(1);
}
END_TEST

int main()
{
    Suite *suite = suite_create("unwind");
    TCase *tcase = tcase_create("unwind");
    tcase_add_loop_test(tcase, nothing_thrown, 0, 2);
    tcase_add_loop_test(tcase, caught_by_the_caller, 0, 2);
    tcase_add_loop_test(tcase, caught_in_between, 0, 2);
    tcase_add_loop_test(tcase, rethrown, 0, 2);
    tcase_add_loop_test(tcase, through_many_with_stack_arguments, 0, 2);
    tcase_add_loop_test(tcase, again_and_again, 0, 2);
    tcase_add_loop_test(tcase, pthread_exit_runs_destructors, 0, 2);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
