/*
 * What the unit tests of the shim share. They link the convenience library, in which nothing is
 * interposed: the t_* functions below put its fast and slow paths together as interpose.c does,
 * and a test says by an address from where such a call seems to come.
 *
 * Tests run with and without Check's fork mode (CK_FORK=no). A test that needs settings of its
 * own, or a process that it may ruin, runs one of the program's `fresh` cases: the program
 * executes itself with the case's name and an argument.
 */
#ifndef TESTS_SHIM_HARNESS_H
#define TESTS_SHIM_HARNESS_H

#define ARENASHIM_BUILDING
#include <arenashim/scope.h>

#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../left_out.h"
#include "base/compiler.h"
#include "base/page.h"
#include "base/text.h"
#include "base/track.h"
#include "engine/block.h"
#include "next/next.h"
#include "process/start.h"
#include "report/stats.h"
#include "scope/close.h"
#include "scope/open.h"
#include "settings/config.h"
#include "thread/misuse.h"
#include "thread/thread.h"

#define UNUSED __attribute__((unused))
#define CALL __attribute__((unused, noinline)) /* as a call of the real function is */
#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

/* Assertion for any thread, signal handler and process: Check's own leave a test by a jump, which
 * must not cross threads, and cost too much for millions. */
#define require(condition) ((condition) ? (void)0 : require_failed(#condition, __FILE__, __LINE__))

__attribute__((noreturn, cold)) UNUSED static void require_failed(const char *condition,
                                                                  const char *file, int line)
{
    dprintf(STDERR_FILENO, "%s:%d: not so: %s\n", file, line, condition);
    abort();
}

__attribute__((constructor)) UNUSED static void ask_for_page(void)
{
    page_ask();
}

#if SANITIZED
/* Requests that nobody can serve return NULL here too. */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}
#endif

/* ---- where calls come from ------------------------------------------------------------------- */

/* An address in this program, which begins the scopes, and one in a module that begins none. */
UNUSED static uintptr_t marked_caller(void)
{
    return (uintptr_t)&require_failed;
}

UNUSED static uintptr_t other_caller(void)
{
    return (uintptr_t)dlsym(RTLD_DEFAULT, "lfind"); /* not one that a sanitizer intercepts */
}

/* ---- the allocation family ------------------------------------------------------------------- */

UNUSED static void *t_request(const struct request *request)
{
    return hot.cursor ? block_serve(request) : BLOCK_PASS;
}

/* The fast paths. */
CALL static void *t_take(size_t size, uintptr_t caller)
{
    size_t total;
    if ((ptrdiff_t)size < 0)
        return NULL;
    void *block = drop_take(size, &total, caller);
    if (!block && hot.cursor)
        block = retain_take(total, size);
    return block || !hot.cursor ? block : retain_take_any(size);
}

CALL static void *t_malloc_from(uintptr_t caller, size_t size)
{
    void *block = t_take(size, caller);
    if (block)
        return block;
    struct request request = {.size = size, .caller = caller};
    block = t_request(&request);
    return block == BLOCK_PASS ? fixed.next.malloc(size) : block;
}

CALL static void *t_malloc(size_t size)
{
    return t_malloc_from(marked_caller(), size);
}

CALL static void *t_calloc(size_t count, size_t size)
{
    struct request request = {.zeroed = true, .caller = marked_caller()};
    if (__builtin_mul_overflow(count, size, &request.size))
        request.size = SIZE_MAX;
    size_t total;
    void *block = request.size == SIZE_MAX ? NULL : drop_take(request.size, &total, request.caller);
    if (block) {
        drop_zero(block, total - BLOCK_HEADER);
        return block;
    }
    block = t_take(request.size, request.caller);
    if (block)
        return memset(block, 0, block_usable(block));
    block = t_request(&request);
    return block == BLOCK_PASS ? fixed.next.calloc(count, size) : block;
}

CALL static void *t_memalign(size_t alignment, size_t size)
{
    struct request request = {.size = size, .alignment = alignment, .caller = marked_caller()};
    void *block = drop_take_aligned(size, alignment, request.caller);
    if (block)
        return block;
    block = t_request(&request);
    return block == BLOCK_PASS ? fixed.next.memalign(alignment, size) : block;
}

CALL static void t_free(void *block)
{
    if (!block_is_for_fast_paths(block))
        fixed.outside.free(block);
    else if (!block_release(block))
        block_free(block);
}

CALL static void *t_realloc_from(uintptr_t caller, void *block, size_t size)
{
    if (!block)
        return t_malloc_from(caller, size);
    /* Where blocks are checked a tail call goes to a function that finds the caller by itself. */
    if (!block_is_for_fast_paths(block) && !block_is_ours(block))
        return fixed.outside.realloc(block, size);
    if (block_is_for_fast_paths(block) && drop_resize_newest(block, size, caller))
        return block;
    if (size > 0)
        return block_resize(block, size, caller);
    t_free(block);
    return NULL;
}

CALL static void *t_realloc(void *block, size_t size)
{
    return t_realloc_from(marked_caller(), block, size);
}

CALL static size_t t_usable(void *block)
{
    return block_is_ours(block) ? block_usable(block) : fixed.next.malloc_usable_size(block);
}

/* ---- random numbers -------------------------------------------------------------------------- */

UNUSED static uint64_t model_random; /* not 0 */

/* Below `bound`; xorshift64, so that a seed gives the same run everywhere. */
UNUSED static size_t below(size_t bound)
{
    model_random ^= model_random << 13;
    model_random ^= model_random >> 7;
    model_random ^= model_random << 17;
    return model_random % bound;
}

/* ---- routing --------------------------------------------------------------------------------- */

/* What the entry points call for pointers that are not for the fast paths, as start_shim sets it;
 * after a change of the next allocator, too. */
UNUSED static void settle_outside(void)
{
    fixed.outside.free = fixed.next.free;
    fixed.outside.realloc = fixed.next.realloc;
    fixed.outside.malloc_usable_size = fixed.next.malloc_usable_size;
    if (fixed.checked)
        block_checked_outside(&fixed.outside);
}

/* Makes scopes route, once in a process. The convenience library lies in this program, which is
 * therefore, for the shim, the shim itself. Under a checker, which leaves addresses unused, slots
 * are larger than the limit. */
UNUSED static void routing_start(size_t capacity, size_t limit, size_t align)
{
    next_resolve();
#if SANITIZED
    /* What lies behind a program that contains the sanitizer is an allocator it does not watch. */
    fixed.next =
        (struct next_allocator){malloc,     free,          calloc,         realloc,
                                memalign,   aligned_alloc, posix_memalign, malloc_usable_size,
                                malloc_trim};
#endif
    config_read(&fixed.config);
    fixed.config.capacity = capacity;
    fixed.config.capacity_is_set = true;
    fixed.config.limit = track_active() ? 64 * MIB : limit;
    fixed.config.align = align;
    require(start_routing());
    fixed.config.limit = limit;
    settle_outside();
    static struct module_cache cache;
    modules_find(&cache, marked_caller())->excluded = false;
}

/* ---- scopes ---------------------------------------------------------------------------------- */

#define SITE(text) (&(const arena_scope_site){(text), __FILE__, __LINE__, 0})

UNUSED static arena_scope_token begin(const char *label)
{
    arena_scope_site site = {label, "harness", 1, 0};
    arena_scope_token token = arena_scope_begin(&site);
    require(token.id != 0);
    return token;
}

/* The statistics of the sites with this label, of all threads. */
UNUSED static struct site_stats site_named(const char *label)
{
    struct site_stats sum = {0};
    for (size_t i = 0; i < sites_count(); i++)
        if (strcmp(sites_at(i)->label, label) == 0 && stats_of_site(i, &sum))
            break;
    return sum;
}

/* Everything that has been counted so far. Static: it is large. One thread at a time. */
UNUSED static const struct stats *stats_now(void)
{
    static struct stats stats;
    stats_collect(&stats, false);
    return &stats;
}

/* ---- contents -------------------------------------------------------------------------------- */

UNUSED static bool holds_only(const void *block, size_t size, unsigned char byte)
{
    const unsigned char *bytes = block;
    return size == 0 || (bytes[0] == byte && memcmp(bytes, bytes + 1, size - 1) == 0);
}

UNUSED static bool is_aligned(const void *block, size_t alignment)
{
    return (uintptr_t)block % alignment == 0;
}

/* Keeps a checker from reporting what a test does wrong on purpose. */
UNUSED static void checker_silence(bool silent)
{
#ifdef HAVE_VALGRIND_MEMCHECK_H
    if (silent)
        VALGRIND_DISABLE_ERROR_REPORTING;
    else
        VALGRIND_ENABLE_ERROR_REPORTING;
#else
    (void)silent;
#endif
}

/* Whether there is a page of memory behind the address. */
UNUSED static bool is_resident(uintptr_t address)
{
    unsigned char resident;
    return mincore((void *)(address & ~(uintptr_t)4095), 4096, &resident) == 0 && (resident & 1);
}

/* Whether the kernel lets this process read the byte there. */
UNUSED static bool is_readable(uintptr_t address)
{
    int ends[2];
    require(pipe(ends) == 0);
    checker_silence(true); /* it need not know that we may read there */
    bool readable = write(ends[1], (const void *)address, 1) == 1;
    checker_silence(false);
    close(ends[0]);
    close(ends[1]);
    return readable;
}

/* ---- what is written to stderr --------------------------------------------------------------- */

struct capture {
    int saved, file;
    char text[16384];
};

UNUSED static void capture_start(struct capture *capture)
{
    fflush(stderr);
    capture->saved = dup(STDERR_FILENO);
    capture->file = memfd_create("stderr", MFD_CLOEXEC);
    require(capture->saved >= 0 && capture->file >= 0);
    require(dup2(capture->file, STDERR_FILENO) == STDERR_FILENO);
    text_note_stderr();
}

/* Returns what has been written since. */
UNUSED static const char *capture_end(struct capture *capture)
{
    dup2(capture->saved, STDERR_FILENO);
    text_note_stderr();
    close(capture->saved);
    ssize_t length = pread(capture->file, capture->text, sizeof capture->text - 1, 0);
    require(length >= 0);
    capture->text[length] = '\0';
    char *emulators = strstr(capture->text, "qemu: uncaught target signal");
    if (emulators)
        *emulators = '\0';
    close(capture->file);
    return capture->text;
}

/* ---- threads and processes ------------------------------------------------------------------- */

UNUSED static void *in_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    void *result;
    require(pthread_create(&thread, NULL, body, argument) == 0);
    require(pthread_join(thread, &result) == 0);
    return result;
}

/* A case that runs in a process of its own, which has not started routing. */
struct fresh {
    const char *name;
    void (*body)(void);
};

/* What a fresh case has been given. */
static const char *fresh_argument;

/* Runs a fresh case and returns its wait status. */
UNUSED static int run_fresh_with(const char *name, const char *argument)
{
    char program[PATH_MAX] = "";
    require(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
    pid_t child = fork();
    require(child >= 0);
    if (child == 0) {
        execl(program, program, name, argument, (char *)NULL);
        _exit(127);
    }
    int status;
    while (waitpid(child, &status, 0) != child)
        require(errno == EINTR);
    return status;
}

UNUSED static int run_fresh(const char *name)
{
    return run_fresh_with(name, "");
}

#define ck_assert_fresh(name) ck_assert_int_eq(run_fresh(name), 0)

/* The tail of every main. `argc` and `argv` are the program's, `cases` ends with a NULL name. */
UNUSED static int run_suite(Suite *(*make)(void), const struct fresh *cases, int argc, char **argv)
{
    if (argc == 3) {
        fresh_argument = argv[2];
        while (cases->name && strcmp(cases->name, argv[1]) != 0)
            cases++;
        require(cases->name);
        cases->body();
        return EXIT_SUCCESS;
    }
    SRunner *runner = srunner_create(make());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
