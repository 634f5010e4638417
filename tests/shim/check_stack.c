/*
 * Unit tests of stack.h: stacks that go on and stacks that end, made of pages; the stacks of the
 * first thread and of others; and how many system calls it takes. The program counts them.
 */
#include "harness.h"

#include <stdarg.h>
#include <sys/syscall.h>

#include "scope/stack.h"

enum { PAGE = 4096, BYTES = 256 };

static unsigned calls;

long syscall(long number, ...)
{
    va_list list;
    va_start(list, number);
    long a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long);
    long d = va_arg(list, long);
    va_end(list);
    static long (*next_syscall)(long, ...);
    if (!next_syscall)
        next_syscall = (long (*)(long, ...))(uintptr_t)dlsym(RTLD_NEXT, "syscall");
    calls++;
    return next_syscall(number, a, b, c, d);
}

static size_t ask(uintptr_t arguments, size_t bytes)
{
    struct named_function function = {.stack_bytes = bytes};
    errno = ENOTTY;
    calls = 0;
    size_t answer = named_stack_bytes(&function, arguments);
    require(errno == ENOTTY);
    return answer;
}

/* Pages of which the last has the given protection; -1: it is not there. */
static uintptr_t pages(int count, int last)
{
    unsigned char *start = mmap(NULL, (size_t)count * PAGE, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(start, MAP_FAILED);
    unsigned char *last_page = start + (count - 1) * PAGE;
    ck_assert_int_eq(last < 0 ? munmap(last_page, PAGE) : mprotect(last_page, PAGE, last), 0);
    return (uintptr_t)start;
}

static void ask_in_pages(void)
{
    for (int last = -1; last <= PROT_READ; last++) {
        uintptr_t end = pages(3, last) + 2 * PAGE;
        for (size_t space = 0; space <= 2 * BYTES; space += 8) {
            size_t answer = ask(end - space, BYTES);
            if (space >= BYTES) {
                ck_assert_uint_eq(answer, BYTES);
                ck_assert_uint_eq(calls, 0);
            } else {
                ck_assert_uint_eq(answer, last == PROT_READ ? BYTES : space / 16 * 16);
                ck_assert_uint_ge(calls, 1);
            }
            ck_assert_uint_eq(ask(end - space, 0), 0);
            ck_assert_uint_eq(calls, 0);
        }
        ck_assert_uint_eq(ask(end - PAGE, PAGE), PAGE);
        ck_assert_uint_ge(ask(end - 2 * PAGE + 8, 4 * PAGE), 2 * PAGE - 16);
    }
}

static void *in_pages(void *unused)
{
    ask_in_pages();
    return unused;
}

static void run_thread(void *(*body)(void *))
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, body, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

START_TEST(a_stack_of_pages)
{
    ask_in_pages();
    run_thread(in_pages);
}
END_TEST

static void ask_twice(void)
{
    uintptr_t end = pages(2, PROT_READ) + PAGE;
    ck_assert_uint_eq(ask(end - 64, BYTES), BYTES);
    ck_assert_int_eq(munmap((void *)end, PAGE), 0);
    ck_assert_uint_eq(ask(end - 64, BYTES), 64);
}

static void *twice(void *unused)
{
    ask_twice();
    return unused;
}

/* What lay behind a stack that is not the thread's own may be gone. */
START_TEST(nothing_is_remembered_of_others)
{
    ask_twice();
    run_thread(twice);
}
END_TEST

/* At each place of the lowest page of the stack, twice. Returns the system calls of the second
 * time. */
static unsigned ask_from(void *here)
{
    unsigned again = 0;
    uintptr_t start = (uintptr_t)here & ~(uintptr_t)15;
    for (uintptr_t at = start; at < start + PAGE; at += 16) {
        ck_assert_uint_eq(ask(at, BYTES), BYTES);
        ck_assert_uint_eq(ask(at, BYTES), BYTES);
        again += calls;
    }
    return again;
}

static unsigned deep(size_t depth)
{
    return ask_from(__builtin_alloca(depth));
}

static unsigned on_stack(void)
{
    unsigned again = 0;
    for (size_t depth = 2 * PAGE; depth <= 128 * KIB; depth *= 2)
        again += deep(depth);
    return again;
}

START_TEST(the_first_stack)
{
    ck_assert_uint_eq(on_stack(), 0);
}
END_TEST

static void *on_own_stack(void *unused)
{
    ck_assert_uint_eq(deep(64 * KIB), 0);
    ck_assert_uint_eq(on_stack(), 0);
    return unused;
}

START_TEST(stacks_of_threads)
{
    run_thread(on_own_stack);
}
END_TEST

static Suite *stack_suite(void)
{
    Suite *suite = suite_create("stack");
    TCase *tcase = tcase_create("stack");
    tcase_add_test(tcase, a_stack_of_pages);
    tcase_add_test(tcase, nothing_is_remembered_of_others);
    tcase_add_test(tcase, the_first_stack);
    tcase_add_test(tcase, stacks_of_threads);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(int argc, char **argv)
{
    static const struct fresh cases[] = {{NULL, NULL}};
    return run_suite(stack_suite, cases, argc, argv);
}
