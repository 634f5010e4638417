/*
 * Unit tests of thunk.h: registers, stack arguments and results of every class through the thunk,
 * with hosts that answer at once and hosts that need their slow forms; threads that end in a
 * wrapped call; longjmp; backtraces.
 */
#undef __EXCEPTIONS /* or pthread_cleanup_push would work at calls alone */
#include <check.h>
#include <complex.h>
#include <execinfo.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/track.h"
#include "fake_host.h"
#include "registers.h"
#include "scope/stack.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#if __has_attribute(noipa) /* not copied for a constant argument either */
#define FAR __attribute__((noipa))
#else
#define FAR __attribute__((noinline))
#endif

/* Loop tests run with each of these. */
enum { QUICK, SLOW, NO_SCOPE, SLOW_NO_SCOPE, HOSTS };

static void choose_host(int host)
{
    fake_slow = host == SLOW || host == SLOW_NO_SCOPE;
    fake_no_scope = host == NO_SCOPE || host == SLOW_NO_SCOPE;
    fake_stack_bytes = SIZE_MAX;
}

/* The slow form of enter opens no scope: the thunk passes the call on, and is gone. */
static bool passes_on(void)
{
    return fake_slow && fake_no_scope;
}

/* Of so many calls. */
static unsigned slow_forms(unsigned calls)
{
    if (passes_on())
        return calls;
    return fake_slow ? 2 * calls : 0;
}

/* As many scopes have been opened and closed since the last time. */
static void assert_scopes(unsigned count)
{
    ck_assert_uint_eq(fake_calls.left, fake_calls.entered);
    ck_assert_uint_eq(fake_calls.entered, fake_no_scope ? 0 : count);
    ck_assert_uint_eq(fake_calls.slow, slow_forms(count));
    memset(&fake_calls, 0, sizeof fake_calls);
}

/* ---- registers ------------------------------------------------------------------------------- */

WRAPPED(registers_target);

static void fill(struct registers *registers, unsigned seed)
{
    unsigned char *byte = (unsigned char *)registers;
    for (size_t i = 0; i < sizeof *registers; i++)
        byte[i] = (unsigned char)((seed = seed * 1103515245 + 12345) >> 16);
    registers_tame(registers, track_emulated() ? 0 : seed); /* Valgrind has no such flags */
}

static void fill_all(unsigned seed)
{
    registers_choose();
    memset(&registers_seen, 0, sizeof registers_seen);
    memset(&registers_out, 0, sizeof registers_out);
    fill(&registers_in, seed);
    fill(&registers_result, seed + 1);
}

static void assert_same(const char *differs)
{
    ck_assert_msg(!differs, "%s differs", differs);
}

static void assert_found_as_loaded(void)
{
    assert_same(registers_differ(&registers_seen, &registers_in));
    assert_same(registers_control_differs(&registers_seen, &registers_in));
    ck_assert(registers_x87_are(&registers_seen, NULL));
    ck_assert_uint_eq(registers_out.general[STACK_REGISTER], registers_in.general[STACK_REGISTER]);
    ck_assert_uint_eq(registers_out.general[FRAME_REGISTER], registers_in.general[FRAME_REGISTER]);
    if (fake_slow)
        ck_assert_uint_eq(fake_control, registers_control(&registers_in));
}

START_TEST(every_register_is_kept)
{
    choose_host(_i);
    for (unsigned seed = 0; seed < 100; seed++) {
        fill_all(seed);
        registers_call(wrapped_registers_target);
        assert_scopes(1);
        assert_found_as_loaded();
        assert_same(registers_differ(&registers_out, &registers_result));
        ck_assert(registers_x87_are(&registers_out, &registers_result));
    }
}
END_TEST

/* A compiler that knows the function keeps values in what the function does not use. */
START_TEST(registers_that_the_function_leaves_alone_stay)
{
    choose_host(_i);
    fill_all(1000);
    registers_keep = 1;
    registers_call(wrapped_registers_target);
    registers_keep = 0;
    assert_scopes(1);
    assert_found_as_loaded();
    assert_same(registers_differ(&registers_out, &registers_in));
    ck_assert(registers_x87_are(&registers_out, NULL));
}
END_TEST

/* Stack arguments of every length, with every alignment of the stack that can be. */
START_TEST(stack_arguments_are_copied)
{
    choose_host(_i);
    for (size_t bytes = 0; bytes <= STACK_BYTES; bytes += 16)
        for (registers_skew = 0; registers_skew < 64; registers_skew += REGISTERS_SKEW) {
            fill_all((unsigned)(bytes + registers_skew));
            named_registers_target.stack_bytes = bytes;
            registers_call(wrapped_registers_target);
            assert_found_as_loaded();
            ck_assert(!memcmp(registers_seen.stack, registers_in.stack, bytes));
        }
    registers_skew = 0;
    named_registers_target.stack_bytes = 256;
}
END_TEST

static FAR void call_deeper(size_t depth)
{
    void *space = __builtin_alloca(depth + 1);
    __asm__ volatile("" : : "r"(space) : "memory");
    registers_call(wrapped_registers_target);
    __asm__ volatile("" : : "r"(space) : "memory");
}

/* Where the arguments may reach into the next page the host says how many there are; nowhere else
 * is it asked. */
START_TEST(the_host_is_asked_at_the_end_of_a_page)
{
    choose_host(_i);
    unsigned limited = 0;
    for (size_t depth = 0; depth < 4096 + 64; depth += 64) {
        fill_all((unsigned)depth);
        fake_asked = 0;
        fake_stack_bytes = 64;
        call_deeper(depth);
        fake_stack_bytes = SIZE_MAX;
        assert_found_as_loaded();
        uintptr_t arguments = registers_in.general[STACK_REGISTER];
        bool next_page = (arguments - 8) / 4096 != (arguments + 255) / 4096;
        ck_assert_uint_eq(fake_asked, next_page && !passes_on());
        bool cut = next_page && !passes_on();
        ck_assert(!memcmp(registers_seen.stack, registers_in.stack, cut ? 64 : 256));
        ck_assert((memcmp(registers_seen.stack, registers_in.stack, 256) != 0) == cut);
        limited += next_page;
    }
    ck_assert_uint_ge(limited, 4);
}
END_TEST

static unsigned small_calls;
static FAR void on_small_stack(void)
{
    small_calls++;
}
WRAPPED(on_small_stack);

/* A coroutine's first call: behind the return address, or a little later, the stack ends. */
START_TEST(the_stack_may_end)
{
    enum { PAGE = 4096, PAGES = 16 };
    choose_host(_i);
    fake_stack_function = named_stack_bytes;
    for (int behind = -1; behind <= PROT_READ; behind++) {
        char *stack = mmap(NULL, (PAGES + 1) * PAGE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ck_assert_ptr_ne(stack, MAP_FAILED);
        char *end = stack + PAGES * PAGE;
        ck_assert_int_eq(behind < 0 ? munmap(end, PAGE) : mprotect(end, PAGE, behind), 0);
        fake_asked = small_calls = 0;
        for (size_t space = 0; space <= 512; space += REGISTERS_SKEW)
            registers_call_on(end - space, wrapped_on_small_stack);
        ck_assert_uint_eq(small_calls, 512 / REGISTERS_SKEW + 1);
        ck_assert_uint_eq(fake_asked, passes_on() ? 0 : 256 / REGISTERS_SKEW);
        assert_scopes(512 / REGISTERS_SKEW + 1);
        munmap(stack, PAGES * PAGE);
    }
    fake_stack_function = NULL;
}
END_TEST

/* ---- classes of arguments and results -------------------------------------------------------- */

struct pair_of_doubles {
    double a, b;
};
struct mixed {
    long a;
    double b;
};
struct large {
    long values[9];
};

static FAR long nine(long a, long b, long c, long d, long e, long f, long g, long h, long i)
{
    return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i;
}
WRAPPED(nine);

static FAR double twelve_doubles(double a, double b, double c, double d, double e, double f,
                                 double g, double h, double i, double j, double k, double l)
{
    return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * j + 11 * k +
           12 * l;
}
WRAPPED(twelve_doubles);

static FAR double sum(int count, ...)
{
    va_list list;
    double all = 0;
    va_start(list, count);
    for (int i = 0; i < count; i++)
        all = 3 * all + (i % 2 ? va_arg(list, double) : va_arg(list, int));
    va_end(list);
    return all;
}
WRAPPED(sum);

static FAR struct large turned(struct large in, long factor)
{
    struct large out;
    for (size_t i = 0; i < COUNT(in.values); i++)
        out.values[i] = factor * in.values[COUNT(in.values) - 1 - i];
    return out;
}
WRAPPED(turned);

static FAR struct pair_of_doubles swapped(struct pair_of_doubles in)
{
    return (struct pair_of_doubles){in.b, in.a};
}
WRAPPED(swapped);

static FAR struct mixed doubled(struct mixed in)
{
    return (struct mixed){2 * in.a, 2 * in.b};
}
WRAPPED(doubled);

static FAR __int128 product(__int128 a, __int128 b)
{
    return a * b;
}
WRAPPED(product);

static FAR long double third(long double a, int ignored, long double b)
{
    return (a + b) / 3 + ignored;
}
WRAPPED(third);

static FAR _Complex long double squared(_Complex long double z)
{
    return z * z;
}
WRAPPED(squared);

static FAR _Complex double conjugate(_Complex double z)
{
    return conj(z);
}
WRAPPED(conjugate);

static FAR _Complex float conjugate_float(_Complex float z)
{
    return conjf(z);
}
WRAPPED(conjugate_float);

static unsigned wrapped_depth;
static long factorial(long n);
WRAPPED(factorial);
static FAR long factorial(long n)
{
    if (fake_open() > wrapped_depth)
        wrapped_depth = fake_open();
    return n ? n * wrapped_factorial(n - 1) : 1;
}

static FAR long fall(long n, long a, long b, long c, long d, long e, long f, long g)
{
    return nine(n, a, b, c, d, e, f, g, 9); /* a tail call where options allow it */
}
WRAPPED(fall);

START_TEST(every_class_of_argument_and_result)
{
    choose_host(_i);
    ck_assert_int_eq(wrapped_nine(1, 2, 3, 4, 5, 6, 7, 8, 9), 285);
    ck_assert(wrapped_twelve_doubles(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12) == 650);
    ck_assert(wrapped_sum(0) == 0);
    ck_assert(
        wrapped_sum(16, 1, 2.5, 3, 4.5, 5, 6.5, 7, 8.5, 9, 10.5, 11, 12.5, 13, 14.5, 15, 16.5) ==
        sum(16, 1, 2.5, 3, 4.5, 5, 6.5, 7, 8.5, 9, 10.5, 11, 12.5, 13, 14.5, 15, 16.5));
    struct large large = {{1, 2, 3, 4, 5, 6, 7, 8, 9}};
    struct large back = wrapped_turned(large, 10);
    ck_assert_int_eq(back.values[0], 90);
    ck_assert_int_eq(back.values[8], 10);
    struct pair_of_doubles pair = wrapped_swapped((struct pair_of_doubles){1.5, 2.5});
    ck_assert(pair.a == 2.5 && pair.b == 1.5);
    struct mixed mixed = wrapped_doubled((struct mixed){3, 4.5});
    ck_assert(mixed.a == 6 && mixed.b == 9);
    __int128 big = (__int128)1 << 70;
    ck_assert(wrapped_product(big + 3, 5) == 5 * big + 15);
    ck_assert(wrapped_third(1, 2, 3) == third(1, 2, 3));
    ck_assert(wrapped_squared(2.0L + 3.0L * I) == -5.0L + 12.0L * I);
    ck_assert(wrapped_conjugate(2.0 + 3.0 * I) == 2.0 - 3.0 * I);
    ck_assert(wrapped_conjugate_float(2.0F + 3.0F * I) == 2.0F - 3.0F * I);
    ck_assert_int_eq(wrapped_fall(1, 2, 3, 4, 5, 6, 7, 8), 285);
    assert_scopes(13);
    wrapped_depth = 0;
    ck_assert_int_eq(wrapped_factorial(20), 2432902008176640000);
    ck_assert_uint_eq(wrapped_depth, fake_no_scope ? 0 : 21);
    assert_scopes(21);
}
END_TEST

#ifdef __x86_64__
#define LONG_VECTORS(name, type, size, cpu)                                                        \
    typedef double type __attribute__((vector_size(size)));                                        \
    /* The ninth lies on the stack, aligned to its size. */                                        \
    __attribute__((target(cpu))) static FAR type name(type a, type b, type c, type d, type e,      \
                                                      type f, type g, type h, type i)              \
    {                                                                                              \
        return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i;                  \
    }                                                                                              \
    __attribute__((target(cpu))) extern __typeof__(name) wrapped_##name;                           \
    WRAPPED(name);                                                                                 \
    __attribute__((target(cpu))) static FAR bool name##_works(void)                                \
    {                                                                                              \
        volatile double one = 1;                                                                   \
        type v = {0};                                                                              \
        for (size_t n = 0; n < (size) / sizeof(double); n++)                                       \
            v[n] = one + (double)n;                                                                \
        named_##name.stack_bytes = 1024; /* clang passes all of them there */                      \
        type result = wrapped_##name(v, v, v, v, v, v, v, v, v);                                   \
        for (size_t n = 0; n < (size) / sizeof(double); n++)                                       \
            if (result[n] != 45 * (one + (double)n))                                               \
                return false;                                                                      \
        return true;                                                                               \
    }

LONG_VECTORS(nine_ymm, ymm, 32, "avx")
LONG_VECTORS(nine_zmm, zmm, 64, "avx512f")

START_TEST(vectors)
{
    choose_host(_i);
    unsigned tested = 0;
    if (__builtin_cpu_supports("avx")) {
        ck_assert(nine_ymm_works());
        tested++;
    }
    if (__builtin_cpu_supports("avx512f")) {
        ck_assert(nine_zmm_works());
        tested++;
    }
    assert_scopes(tested);
}
END_TEST
#endif

/* ---- ways out -------------------------------------------------------------------------------- */

static FAR void end_thread(int depth);
WRAPPED(end_thread);
static pthread_barrier_t reached;

static FAR void end_thread(int depth)
{
    if (depth > 0) {
        wrapped_end_thread(depth - 1);
    } else if (depth == 0) {
        pthread_exit(&reached);
    } else {
        pthread_barrier_wait(&reached);
        for (;;)
            pause();
    }
    __asm__ volatile(""); /* no tail call */
}

static void check_at_exit(void *open)
{
    struct fake_calls *at_end = open;
    *at_end = fake_calls;
}

static void *thread_body(void *depth)
{
    struct fake_calls *at_end = depth;
    pthread_cleanup_push(check_at_exit, at_end);
    wrapped_end_thread((int)at_end->entered);
    pthread_cleanup_pop(0);
    return NULL;
}

START_TEST(pthread_exit_closes)
{
    choose_host(_i);
    pthread_t thread;
    struct fake_calls at_end = {.entered = 3};
    void *result;
    ck_assert_int_eq(pthread_create(&thread, NULL, thread_body, &at_end), 0);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    ck_assert_ptr_eq(result, &reached);
    ck_assert_uint_eq(at_end.entered, fake_no_scope ? 0 : 4);
    ck_assert_uint_eq(at_end.left, at_end.entered);
    ck_assert_uint_eq(at_end.slow, slow_forms(4));
}
END_TEST

static FAR void wait_cancelled(bool at_any_time)
{
    if (at_any_time)
        pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    end_thread(-1);
}
WRAPPED(wait_cancelled);

static void *cancelled_body(void *at_end)
{
    pthread_cleanup_push(check_at_exit, at_end);
    wrapped_wait_cancelled(((struct fake_calls *)at_end)->entered != 0);
    pthread_cleanup_pop(0);
    return NULL;
}

START_TEST(pthread_cancel_closes)
{
    choose_host(_i);
    for (unsigned at_any_time = 0; at_any_time < 2; at_any_time++) {
        pthread_t thread;
        struct fake_calls at_end = {.entered = at_any_time};
        void *result;
        pthread_barrier_init(&reached, NULL, 2);
        ck_assert_int_eq(pthread_create(&thread, NULL, cancelled_body, &at_end), 0);
        pthread_barrier_wait(&reached);
        ck_assert_int_eq(pthread_cancel(thread), 0);
        ck_assert_int_eq(pthread_join(thread, &result), 0);
        ck_assert_ptr_eq(result, PTHREAD_CANCELED);
        ck_assert_uint_eq(at_end.entered, !fake_no_scope);
        ck_assert_uint_eq(at_end.left, at_end.entered);
    }
}
END_TEST

static void *calling_body(void *at_end)
{
    pthread_cleanup_push(check_at_exit, at_end);
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    pthread_barrier_wait(&reached);
    for (;;)
        wrapped_nine(1, 2, 3, 4, 5, 6, 7, 8, 9);
    pthread_cleanup_pop(0);
    return NULL;
}

/* Any instruction of the wrapper may be the last. When the host was at work, its counts are off. */
START_TEST(a_cancelled_call_unwinds_from_anywhere)
{
    choose_host(_i);
    for (long n = 0; n < 50; n++) {
        pthread_t thread;
        struct fake_calls at_end = {.slow = ~0U};
        void *result;
        pthread_barrier_init(&reached, NULL, 2);
        ck_assert_int_eq(pthread_create(&thread, NULL, calling_body, &at_end), 0);
        pthread_barrier_wait(&reached);
        nanosleep(&(struct timespec){.tv_nsec = n * 7919 % 50000}, NULL);
        ck_assert_int_eq(pthread_cancel(thread), 0);
        ck_assert_int_eq(pthread_join(thread, &result), 0);
        ck_assert_ptr_eq(result, PTHREAD_CANCELED);
        ck_assert_uint_ne(at_end.slow, ~0U);
        ck_assert_int_le(abs((int)(at_end.entered - at_end.left)), 1);
    }
}
END_TEST

static jmp_buf place;
static FAR void jump(void)
{
    longjmp(place, 1);
}
WRAPPED(jump);

/* Nothing runs: the shim notices later. */
START_TEST(longjmp_passes)
{
    choose_host(_i);
    if (!setjmp(place))
        wrapped_jump();
    ck_assert_uint_eq(fake_calls.left, 0);
    ck_assert_uint_eq(fake_calls.entered, !fake_no_scope);
    memset(&fake_calls, 0, sizeof fake_calls);
    ck_assert_int_eq(wrapped_nine(1, 2, 3, 4, 5, 6, 7, 8, 9), 285);
    assert_scopes(1);
}
END_TEST

/* ---- backtraces ------------------------------------------------------------------------------ */

static void *frames[64];
static int frame_count;

static FAR void trace(void)
{
    frame_count = backtrace(frames, (int)COUNT(frames));
    __asm__ volatile("");
}
WRAPPED(trace);

static bool trace_holds(const void *function, size_t size)
{
    for (int i = 0; i < frame_count; i++)
        if ((uintptr_t)frames[i] - (uintptr_t)function < size)
            return true;
    return false;
}

static FAR void outermost(void (*function)(void))
{
    function();
    __asm__ volatile("");
}

START_TEST(backtraces_pass)
{
    choose_host(_i);
    outermost(trace);
    int plain = frame_count;
    outermost(wrapped_trace);
    ck_assert_int_eq(frame_count, passes_on() ? plain : plain + 1);
    ck_assert(trace_holds(outermost, 64));
    if (fake_slow) {
        /* From within both slow forms, which a signal may interrupt. */
        fake_in_slow_form = trace;
        outermost(wrapped_trace);
        fake_in_slow_form = NULL;
        ck_assert_int_ge(frame_count, passes_on() ? plain : plain + 1);
        ck_assert(trace_holds(outermost, 64));
    }
}
END_TEST

/* Not every test looks at the counts; without Check's fork mode the next one would find them. */
static void forget_calls(void)
{
    memset(&fake_calls, 0, sizeof fake_calls);
}

static Suite *thunk_suite(void)
{
    Suite *suite = suite_create("thunk");
    TCase *tcase = tcase_create("thunk");
    tcase_add_checked_fixture(tcase, forget_calls, NULL);
    tcase_add_loop_test(tcase, every_register_is_kept, 0, HOSTS);
    tcase_add_loop_test(tcase, registers_that_the_function_leaves_alone_stay, 0, HOSTS);
    tcase_add_loop_test(tcase, stack_arguments_are_copied, 0, HOSTS);
    tcase_add_loop_test(tcase, the_host_is_asked_at_the_end_of_a_page, 0, HOSTS);
    tcase_add_loop_test(tcase, the_stack_may_end, 0, HOSTS);
    tcase_add_loop_test(tcase, every_class_of_argument_and_result, 0, HOSTS);
#ifdef __x86_64__
    tcase_add_loop_test(tcase, vectors, 0, HOSTS);
#endif
    tcase_add_loop_test(tcase, pthread_exit_closes, 0, HOSTS);
    tcase_add_loop_test(tcase, pthread_cancel_closes, 0, HOSTS);
    tcase_add_loop_test(tcase, a_cancelled_call_unwinds_from_anywhere, 0, HOSTS);
    tcase_add_loop_test(tcase, longjmp_passes, 0, HOSTS);
    tcase_add_loop_test(tcase, backtraces_pass, 0, HOSTS);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(thunk_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
