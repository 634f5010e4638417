/*
 * Unit tests of patch.h: functions of every kind (samples.S) are patched in this process and called
 * before and after, through a thunk that counts.
 */
#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../left_out.h"
#include "base/track.h"
#include "wrap/code.h"
#include "wrap/instruction.h"
#include "wrap/patch.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof(array)[0]))

typedef long any_function(long n, void (*helper)(void), const void *table, long count);

extern char __executable_start[], etext[];
extern void samples_helper(void);
extern void samples_thunk(void);
extern const void *const samples_table[];
extern uintptr_t samples_last;
extern long samples_calls;
#ifdef __x86_64__
extern uintptr_t samples_kept;
extern void samples_keep(uintptr_t function, uintptr_t value);
#endif

#define THUNK ((uintptr_t)&samples_thunk)

/* ---- samples --------------------------------------------------------------------------------- */

#include "samples.h"

#define DECLARE(name, what) extern const char name[], name##_end[];
ACCEPTED(DECLARE)
REFUSED(DECLARE)
DECLARE(spare, )
DECLARE(changed, )
DECLARE(twice, )
DECLARE(unwritable, )

#define LIST(name, what) {#name, name, name##_end, what},
static const struct sample {
    const char *name;
    const char *start, *end;
    size_t length;
} samples[] = {ACCEPTED(LIST)};

static const struct {
    const char *name;
    const char *start, *end;
    const char *reason;
} refused[] = {REFUSED(LIST)};

static struct patch_function function_of(const char *start, const char *end)
{
    return (struct patch_function){(uintptr_t)start,
                                   (size_t)(end - start),
                                   (uintptr_t)__executable_start,
                                   (uintptr_t)etext,
                                   0,
                                   0};
}

static const char *plan(const char *start, const char *end, struct patch *patch)
{
    struct patch_function known = function_of(start, end);
    errno = ERANGE;
    const char *reason = patch_plan(&known, patch);
    patch_planned();
    ck_assert_int_eq(errno, ERANGE);
    return reason;
}

static const char *apply(struct patch *patch, struct named_function *named)
{
    errno = ERANGE;
    const char *reason = patch_apply(patch, named, THUNK);
    ck_assert_int_eq(errno, ERANGE);
    return reason;
}

/* Samples see their return address: it is always this one. */
__attribute__((noinline)) static long call(const char *start, long n)
{
    any_function *volatile f = (any_function *)(uintptr_t)start;
    volatile long result = ENTER(f, n, samples_helper, samples_table, n > 0 ? n : 0);
    return result;
}

static const long arguments[] = {0, 1, 2, 3, 4, 5, 1000, -1, -2147483648L};

/* ---- tests ----------------------------------------------------------------------------------- */

START_TEST(a_function_does_what_it_did)
{
    const struct sample *sample = &samples[_i];
    struct patch patch;
    static struct named_function named[COUNT(samples)];

    const char *reason = plan(sample->start, sample->end, &patch);
    ck_assert_msg(!reason, "%s: %s", sample->name, reason);
    ck_assert_msg(patch.length == sample->length, "%s: %zu bytes", sample->name, patch.length);
    ck_assert(memcmp((const void *)patch.from, patch.before, patch_copied(&patch)) == 0);
    ck_assert_msg(patch.nops == BEGINS_WITH_NOPS(sample->name, patch.length), "%s", sample->name);

    long before[COUNT(arguments)];
    for (int i = 0; i < COUNT(arguments); i++)
        before[i] = call(sample->start, arguments[i]);
    ck_assert_ptr_null(apply(&patch, &named[_i]));
    for (int i = 0; i < COUNT(arguments); i++) {
        long n = arguments[i], calls = samples_calls;
        long after = call(sample->start, n);
        ck_assert_msg(after == before[i], "%s(%ld): %ld, was %ld", sample->name, n, after,
                      before[i]);
        bool recurses = strcmp(sample->name, "recursive") == 0;
        ck_assert_int_eq(samples_calls, calls + 1 + (recurses && n > 0 ? n : 0));
        ck_assert_uint_eq(samples_last, (uintptr_t)&named[_i]);
    }
}
END_TEST

START_TEST(a_function_is_refused_with_the_reason)
{
    struct patch patch;
    const char *reason = plan(refused[_i].start, refused[_i].end, &patch);
    ck_assert_msg(reason && strcmp(reason, refused[_i].reason) == 0, "%s: %s", refused[_i].name,
                  reason ? reason : "accepted");
}
END_TEST

START_TEST(the_size_may_be_unknown)
{
    const struct sample *sample = &samples[_i];
    struct patch known, unknown;
    ck_assert_ptr_null(plan(sample->start, sample->end, &known));
    struct patch_function function = function_of(sample->start, sample->start);
    ck_assert_ptr_null(patch_plan(&function, &unknown));
    ck_assert_uint_eq(unknown.length, known.length);
}
END_TEST

START_TEST(a_loop_is_found_behind_a_return)
{
    struct patch patch;
    struct patch_function function = function_of(loop_at_entry_late, loop_at_entry_late);
    ck_assert_str_eq(patch_plan(&function, &patch), LOOP);
}
END_TEST

#ifdef __x86_64__ /* elsewhere instructions are of one length, and lie at multiples of it */
/* A page, behind which nothing can be read, with room for code. */
static unsigned char *page_of_traps(size_t bytes)
{
    unsigned char *page =
        mmap(NULL, bytes + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(page != MAP_FAILED);
    memset(page, 0xcc, bytes);
    ck_assert_int_eq(mprotect(page + bytes, 4096, PROT_NONE), 0);
    return page;
}

START_TEST(nothing_is_read_behind_the_segment)
{
    size_t whole = (size_t)(spare_end - spare);
    for (size_t kept = 1; kept <= whole; kept++) {
        unsigned char *text = page_of_traps(4096);
        unsigned char *start = text + 4096 - kept;
        memcpy(start, spare, kept);
        if (kept == whole) {
            start -= 32;
            memcpy(start, spare, kept);
            /* A call and a prefix of what is not there; below, a branch. */
            memcpy(text + 4092, "\xe8\x0f\x1f\x48", 4);
        }
        struct patch patch;
        struct patch_function function = {(uintptr_t)start,       0, (uintptr_t)text,
                                          (uintptr_t)text + 4096, 0, 0};
        patch_planned();
        /* Two instructions make up the bytes that are overwritten. */
        ck_assert((patch_plan(&function, &patch) == NULL) == (kept >= whole - 1));
        function.size = kept;
        patch_planned();
        if (kept == whole)
            memcpy(text + 4091, "\x0f\x85", 2);
        ck_assert((patch_plan(&function, &patch) == NULL) == (kept >= whole - 1));
        munmap(text, 8192);
    }
}
END_TEST

START_TEST(long_branches_are_found_wherever_they_lie)
{
    static const unsigned char code[] = {0x31, 0xc0, 0x48, 0x8d, 0x04, 0x3f, 0xc3};
    enum { TEXT = 4096, SIZE = sizeof code, OVERWRITTEN = 6 };
    unsigned char *text = page_of_traps(TEXT);
    unsigned char *start = text + 1024;
    memcpy(start, code, SIZE);
    struct patch_function function = {(uintptr_t)start,       SIZE, (uintptr_t)text,
                                      (uintptr_t)text + TEXT, 0,    0};
    for (size_t at = 0; at + 5 <= TEXT; at++) {
        if (at + 200 > 1024 && at < 1024 + 200)
            continue;
        for (int goes = 0; goes <= OVERWRITTEN; goes++) {
            struct patch patch;
            patch_planned();
            int32_t distance = (int32_t)(start + goes - (text + at + 5));
            text[at] = at % 2 ? 0xe9 : 0xe8;
            memcpy(text + at + 1, &distance, sizeof distance);
            bool refuses = goes > 0 && goes < OVERWRITTEN;
            ck_assert_msg((patch_plan(&function, &patch) != NULL) == refuses, "%zu to %d", at,
                          goes);
        }
        memset(text + at, 0xcc, 5);
    }
    munmap(text, TEXT + 4096);
}
END_TEST

START_TEST(each_segment_is_looked_through)
{
    static const unsigned char code[] = {0x31, 0xc0, 0x48, 0x8d, 0x04, 0x3f, 0xc3};
    for (int branches = 0; branches <= 1; branches++) {
        unsigned char *text = page_of_traps(4096);
        memcpy(text, code, sizeof code);
        if (branches) /* jmp to the second instruction */
            memcpy(text + 1000, "\xe9\x15\xfc\xff\xff", 5);
        struct patch patch;
        struct patch_function function = {(uintptr_t)text,        sizeof code, (uintptr_t)text,
                                          (uintptr_t)text + 4096, 0,           0};
        ck_assert((patch_plan(&function, &patch) != NULL) == branches);
    }
}
END_TEST

#endif

START_TEST(code_that_changed_is_left_alone)
{
    struct patch patch;
    struct named_function named = {.target = 1};
    ck_assert_ptr_null(plan(changed, changed_end, &patch));
    static const unsigned char other[] = OTHER_CODE;
    ck_assert(code_write((uintptr_t)changed, other, sizeof other));
    ck_assert_str_eq(apply(&patch, &named), "its code has changed meanwhile");
    ck_assert_uint_eq(named.target, 1);
    ck_assert_int_eq(call(changed, 0), 9);
    ck_assert(code_write((uintptr_t)changed, patch.before, sizeof other));
}
END_TEST

START_TEST(a_function_can_be_patched_twice)
{
    static struct named_function first, second;
    struct patch patch;
    ck_assert_ptr_null(plan(twice, twice_end, &patch));
    ck_assert_ptr_null(apply(&patch, &first));
    struct patch_function function = function_of(twice, twice_end);
    function.size = JUMP_BYTES;
    ck_assert_ptr_null(patch_plan(&function, &patch));
    ck_assert_ptr_null(apply(&patch, &second));
    samples_calls = 0;
    ck_assert_int_eq(call(twice, 1), 12);
    ck_assert_int_eq(samples_calls, 2);
    ck_assert_uint_eq(samples_last, (uintptr_t)&first);
}
END_TEST

START_TEST(a_stub_goes_to_the_thunk)
{
    static struct named_function named;
    named.target = (uintptr_t)spare;
    errno = ERANGE;
    uintptr_t stub = patch_stub(&named, THUNK);
    ck_assert_int_eq(errno, ERANGE);
    ck_assert_uint_ne(stub, 0);
    samples_calls = 0;
    ck_assert_int_eq(call((const char *)stub, 5), 8);
    ck_assert_int_eq(samples_calls, 1);
    ck_assert_uint_eq(samples_last, (uintptr_t)&named);
#ifdef __x86_64__
    samples_keep(stub, 0x123456789abcdef0);
    ck_assert_uint_eq(samples_kept, 0x123456789abcdef0);
#endif
}
END_TEST

/* As where /proc is not mounted, or code cannot be written by it. */
START_TEST(without_a_way_to_write_code_nothing_changes)
{
    static struct named_function named;
    struct patch patch;
    ck_assert_ptr_null(plan(unwritable, unwritable_end, &patch));
    struct rlimit files, none;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    none = (struct rlimit){0, files.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    const char *reason = apply(&patch, &named);
    named.target = (uintptr_t)spare;
    uintptr_t stub = patch_stub(&named, THUNK);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);

    ck_assert_str_eq(reason, "code cannot be changed through /proc/thread-self/mem");
    ck_assert(memcmp(unwritable, patch.before, patch.length) == 0);
    ck_assert_uint_ne(stub, 0);
    samples_calls = 0;
    ck_assert_int_eq(call((const char *)stub, 5), 8);
    ck_assert_int_eq(samples_calls, 1);
    ck_assert_int_eq(call(unwritable, 1), 15);
}
END_TEST

/* ---- elsewhere, and many --------------------------------------------------------------------- */

#define STRIDE 32

/* A segment with a copy of `spare` each STRIDE bytes. */
static char *make_text(uintptr_t address, size_t count)
{
    char *text = mmap((void *)address, count * STRIDE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(text != MAP_FAILED);
    memset(text, 0xcc, count * STRIDE);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * STRIDE, spare, (size_t)(spare_end - spare));
    ck_assert_int_eq(mprotect(text, count * STRIDE, PROT_READ | PROT_EXEC), 0);
    return text;
}

static void patch_text(char *text, size_t count, struct named_function *named)
{
    for (size_t i = 0; i < count; i++) {
        struct patch patch;
        struct patch_function function = {(uintptr_t)text + i * STRIDE,
                                          (size_t)(spare_end - spare),
                                          (uintptr_t)text,
                                          (uintptr_t)text + count * STRIDE,
                                          0,
                                          0};
        ck_assert_ptr_null(patch_plan(&function, &patch));
        ck_assert_ptr_null(apply(&patch, &named[i]));
    }
    patch_planned();
}

static bool writable_code_is_mapped(void)
{
    char line[4500];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "r");
    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof line, maps))
        found |= strstr(line, " rwx") != NULL;
    fclose(maps);
    return found;
}

START_TEST(thousands_share_their_memory)
{
    enum { MANY = 3000 };
    static struct named_function named[MANY];
    char *text = make_text(0, MANY);
    patch_text(text, MANY, named);
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_int_eq(call(text + i * STRIDE, (long)i), (long)i + 3);
        ck_assert_uint_eq(samples_last, (uintptr_t)&named[i]);
        ck_assert(i == 0 || named[i].target - named[i - 1].target < 288 ||
                  named[i].target % 4096 < 288);
    }
    ck_assert(track_emulated() || !writable_code_is_mapped());
}
END_TEST

static const uintptr_t far[] = {(uintptr_t)1 << 20, (uintptr_t)1 << 33, (uintptr_t)0x7e0000000000,
                                (uintptr_t)0x300000000000};

START_TEST(code_may_lie_anywhere)
{
    enum { FEW = 8 };
    static struct named_function named[COUNT(far)][FEW];
    for (int place = 0; place < COUNT(far); place++) {
        char *text = make_text(far[place], FEW);
        patch_text(text, FEW, named[place]);
        for (size_t i = 0; i < FEW; i++) {
            ck_assert_int_eq(call(text + i * STRIDE, 1), 4);
            ck_assert_uint_eq(samples_last, (uintptr_t)&named[place][i]);
        }
    }
}
END_TEST

START_TEST(without_memory_near_it_a_function_stays)
{
    char *text = make_text((uintptr_t)0x200000000000, 1);
    struct patch patch;
    struct named_function named = {.target = 1};
    struct patch_function function = {(uintptr_t)text,          0, (uintptr_t)text,
                                      (uintptr_t)text + STRIDE, 0, 0};
    ck_assert_ptr_null(patch_plan(&function, &patch));
    struct rlimit all, none;
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &all), 0);
    none = (struct rlimit){0, all.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &none), 0);
    const char *reason = apply(&patch, &named);
    patch_planned();
    struct patch again;
    const char *refusal = patch_plan(&function, &again);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &all), 0);
    ck_assert_str_eq(refusal, "there is no memory to look for branches to it");
    ck_assert_str_eq(reason, "there is no memory near it");
    ck_assert_uint_eq(named.target, 1);
    ck_assert_int_eq(call(text, 1), 4);
}
END_TEST

/* From far away branches become longer and still lead to the same place; distances cannot. */
START_TEST(a_copy_may_lie_far_away)
{
    const struct sample *sample = &samples[_i];
    struct patch patch;
    unsigned char copy[PATCH_COPY_MAX], *place;
    ck_assert_ptr_null(plan(sample->start, sample->end, &patch));
    place = mmap((void *)0x100000000000, PATCH_COPY_MAX, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(place != MAP_FAILED);
    size_t length = patch_copy(&patch, (uintptr_t)place, copy);
    ck_assert_uint_le(length, PATCH_COPY_MAX);
    bool has_distance = false;
    for (size_t done = 0; done < patch_copied(&patch);) {
        struct instruction instruction;
        ck_assert(instruction_decode(&instruction, patch.before + done, patch_copied(&patch) - done,
                                     patch.from + done));
        has_distance |= TIED_TO_ITS_PLACE(instruction);
        done += instruction.length;
    }
    ck_assert_msg((length == 0) == has_distance, "%s: %zu", sample->name, length);
    if (length != 0) {
        memcpy(place, copy, length);
        ck_assert_int_eq(mprotect(place, PATCH_COPY_MAX, PROT_READ | PROT_EXEC), 0);
        for (int i = 0; i < COUNT(arguments); i++)
            ck_assert_msg(call((const char *)place, arguments[i]) ==
                              call(sample->start, arguments[i]),
                          "%s(%ld)", sample->name, arguments[i]);
    }
    munmap(place, PATCH_COPY_MAX);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("patch");
    TCase *one = tcase_create("one");
    tcase_add_loop_test(one, a_copy_may_lie_far_away, 0, COUNT(samples));
    tcase_add_loop_test(one, the_size_may_be_unknown, 0, COUNT(samples));
    tcase_add_loop_test(one, a_function_does_what_it_did, 0, COUNT(samples));
    tcase_add_loop_test(one, a_function_is_refused_with_the_reason, 0, COUNT(refused));
    tcase_add_test(one, a_loop_is_found_behind_a_return);
#ifdef __x86_64__
    tcase_add_test(one, each_segment_is_looked_through);
    tcase_add_test(one, long_branches_are_found_wherever_they_lie);
    tcase_add_test(one, nothing_is_read_behind_the_segment);
#endif
    tcase_add_test(one, code_that_changed_is_left_alone);
    tcase_add_test(one, a_function_can_be_patched_twice);
    tcase_add_test(one, a_stub_goes_to_the_thunk);
    tcase_add_test(one, without_a_way_to_write_code_nothing_changes);
    suite_add_tcase(suite, one);

    TCase *many = tcase_create("elsewhere, and many");
    tcase_add_test(many, thousands_share_their_memory);
    tcase_add_test(many, code_may_lie_anywhere);
    if (!emulated("without memory near it")) /* which takes more address space than the limit */
        tcase_add_test(many, without_memory_near_it_a_function_stays);
    suite_add_tcase(suite, many);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
