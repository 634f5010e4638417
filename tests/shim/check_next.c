/*
 * Unit tests of next.h: requests that come while the next allocator is being looked up, as from a
 * dlsym that allocates. This program has such a dlsym.
 */
#include "harness.h"

#include "next/next.h"

/* The version of what was there from the beginning. */
#ifdef __aarch64__
#define OLDEST_GLIBC "GLIBC_2.17"
#else
#define OLDEST_GLIBC "GLIBC_2.2.5"
#endif

static void (*in_dlsym)(void);
static const char *absent = "";

#if !SANITIZED /* whose own start looks symbols up before anything else runs */
/* The C library's, after what the case wants done first. */
void *dlsym(void *handle, const char *name)
{
    typedef void *look_up(void *, const char *);
    look_up *real = (look_up *)dlvsym(RTLD_NEXT, "dlsym", OLDEST_GLIBC);
    if (in_dlsym) {
        void (*body)(void) = in_dlsym;
        in_dlsym = NULL;
        body();
    }
    return strcmp(name, absent) != 0 ? real(handle, name) : NULL;
}
#endif

static unsigned char *early[4];

static void allocate_early(void)
{
    early[0] = next_first_malloc(100);
    early[1] = next_first_calloc(10, 10);
    early[2] = next_first_memalign(256, 50);
    early[3] = next_first_aligned_alloc(64, 50);
    require(early[0] && early[1] && early[2] && early[3]);
    require(is_aligned(early[0], 16) && is_aligned(early[2], 256) && is_aligned(early[3], 64));
    require(holds_only(early[1], 100, 0));
    memset(early[0], 0xa5, 100);
    void *other = NULL;
    require(next_first_posix_memalign(&other, 128, 10) == 0 && is_aligned(other, 128));
    next_first_free(other);
    early[0] = next_first_realloc(early[0], 200);
    require(early[0] && holds_only(early[0], 100, 0xa5));
    require(next_first_malloc_usable_size(early[0]) == 200);
    /* What cannot be had changes nothing. */
    errno = 0;
    require(!next_first_malloc(SIZE_MAX) && errno == ENOMEM);
    require(!next_first_calloc(SIZE_MAX, 2) && !next_first_malloc(1 << 20));
    other = early;
    require(next_first_posix_memalign(&other, 16, 1 << 20) == ENOMEM && other == early);
    require(!next_first_realloc(early[0], 1 << 20) && holds_only(early[0], 100, 0xa5));
}

static void early_blocks(void)
{
    in_dlsym = allocate_early;
    next_resolve();
    require(early[0] != NULL);
    /* The table knows them from then on. */
    require(fixed.next.malloc_usable_size(early[0]) == 200);
    unsigned char *moved = fixed.next.realloc(early[0], 150);
    require(moved && moved != early[0] && holds_only(moved, 100, 0xa5));
    moved = fixed.next.realloc(moved, 5000);
    require(moved && holds_only(moved, 100, 0xa5) && fixed.next.malloc_usable_size(moved) >= 5000);
    fixed.next.free(moved);
    require(fixed.next.realloc(early[1], 0) == NULL);
    for (size_t i = 0; i < COUNT(early); i++)
        fixed.next.free(early[i]);
}

/* A C library without it. */
static void no_trim(void)
{
    absent = "malloc_trim";
    require(fixed.next.malloc_trim(0) == 0);
    void *block = fixed.next.malloc(10);
    require(block != NULL);
    fixed.next.free(block);
    require(fixed.next.malloc_trim(0) == 0);
}

/* The first call of the process, whichever it is, looks the others up. */
static void first_call(void)
{
    void *block = NULL;
    switch (*fresh_argument) {
    case 'm':
        block = fixed.next.malloc(10);
        break;
    case 'c':
        block = fixed.next.calloc(2, 10);
        break;
    case 'r':
        block = fixed.next.realloc(NULL, 10);
        break;
    case 'a':
        block = fixed.next.memalign(64, 10);
        break;
    case 'A':
        block = fixed.next.aligned_alloc(64, 64);
        break;
    case 'p':
        require(fixed.next.posix_memalign(&block, 64, 10) == 0);
        break;
    case 'f':
        fixed.next.free(NULL);
        block = fixed.next.malloc(10);
        break;
    case 'u':
        require(fixed.next.malloc_usable_size(NULL) == 0);
        block = fixed.next.malloc(10);
        break;
    }
    require(block && fixed.next.malloc != next_first_malloc);
    fixed.next.free(block);
}

START_TEST(blocks_of_the_look_up_stay_good)
{
    ck_assert_fresh("early_blocks");
}
END_TEST

START_TEST(any_call_may_be_the_first)
{
    char which[] = {"mcraApfu"[_i], '\0'};
    ck_assert_int_eq(run_fresh_with("first_call", which), 0);
}
END_TEST

START_TEST(a_c_library_need_not_trim)
{
    ck_assert_fresh("no_trim");
}
END_TEST

static Suite *next_suite(void)
{
    Suite *suite = suite_create("next");
    TCase *tcase = tcase_create("next");
    if (!SANITIZED) {
        tcase_add_test(tcase, blocks_of_the_look_up_stay_good);
        tcase_add_test(tcase, a_c_library_need_not_trim);
    }
    tcase_add_loop_test(tcase, any_call_may_be_the_first, 0, 8);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(int argc, char **argv)
{
    static const struct fresh cases[] = {{"early_blocks", early_blocks},
                                         {"first_call", first_call},
                                         {"no_trim", no_trim},
                                         {NULL, NULL}};
    return run_suite(next_suite, cases, argc, argv);
}
