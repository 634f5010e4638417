/*
 * What libc and the loader keep of modules, of threads and of functions to call at the end. Also
 * built as the library libkept.so (with -DLIBRARY), which the test loads.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef LIBRARY

#include <stdlib.h>
#include <string.h>

/* Too large for the static thread-local block: each thread's is made at its first use. */
#define LIBRARY_TLS 20000
static __thread char block[LIBRARY_TLS] = "thread-local";
static char *kept;

char *library_block(void);
const char *library_kept(void);

char *library_block(void)
{
    return block;
}

/* A module that does not participate keeps what it draws. */
__attribute__((constructor)) static void on_load(void)
{
    kept = malloc(100);
    strcpy(kept, "drawn by the constructor");
}

__attribute__((destructor)) static void on_unload(void)
{
    free(kept);
}

const char *library_kept(void)
{
    return kept;
}

#else

#include "keeps.h"

/* ---- modules --------------------------------------------------------------------------------- */

typedef char *block_function(void);
typedef const char *kept_function(void);

static void *open_library(const char *name)
{
    void *handle = dlopen(name, RTLD_NOW);
    EXPECT(handle != NULL);
    return handle;
}

static block_function *find_block(void *handle)
{
    return (block_function *)(uintptr_t)dlsym(handle, "library_block");
}

static void *library;

static void dlopen_first(void)
{
    library = open_library(keeps_path("libkept.so"));
    EXPECT(dlsym(library, "library_kept") != NULL);
}

static int count_module(struct dl_phdr_info *info, size_t size, void *count)
{
    (void)info, (void)size;
    ++*(int *)count;
    return 0;
}

static void dlopen_again(void)
{
    Dl_info where;
    struct link_map *map = NULL;
    int count = 0;
    kept_function *kept = (kept_function *)(uintptr_t)dlsym(library, "library_kept");
    EXPECT(kept && strcmp(kept(), "drawn by the constructor") == 0);
    EXPECT(dladdr((void *)(uintptr_t)kept, &where) && strstr(where.dli_fname, "libkept.so"));
    EXPECT(dlinfo(library, RTLD_DI_LINKMAP, &map) == 0 && strstr(map->l_name, "libkept.so"));
    EXPECT(dl_iterate_phdr(count_module, &count) == 0 && count > 2);
    EXPECT(open_library(keeps_path("libkept.so")) == library && dlclose(library) == 0);
    EXPECT(dlclose(library) == 0);
    library = open_library("libm.so.6");
    EXPECT(dlsym(library, "cos") != NULL && dlclose(library) == 0);
}

static void dlerror_first(void)
{
    EXPECT(dlopen("no such library", RTLD_NOW) == NULL);
    EXPECT(dlsym(RTLD_DEFAULT, "no_such_function_1") == NULL);
}

static void dlerror_again(void)
{
    EXPECT(dlsym(RTLD_DEFAULT, "no_such_function_2") == NULL);
    const char *error = dlerror();
    EXPECT(error && strstr(error, "no_such_function_2") && dlerror() == NULL);
}

/* The error itself is a thread's own. */
static pthread_t mistaken;

static void dlerror_pending_first(void)
{
    mistaken = pthread_self();
    EXPECT(dlopen("no such library", RTLD_NOW) == NULL);
}

static void dlerror_pending_again(void)
{
    const char *error = dlerror();
    if (pthread_equal(mistaken, pthread_self()))
        EXPECT(error && strstr(error, "no such library"));
    else
        EXPECT(!error);
}

static void *lazy_library;
static char *lazy;
static block_function *get_lazy;

static void lazy_tls_first(void)
{
    lazy_library = open_library(keeps_path("libkept.so"));
    get_lazy = find_block(lazy_library);
    lazy = get_lazy();
    EXPECT(strcmp(lazy, "thread-local") == 0);
    strcpy(lazy, "written in the scope");
}

static void *lazy_thread(void *unused)
{
    EXPECT(strcmp(get_lazy(), "thread-local") == 0);
    return unused;
}

static void lazy_tls_again(void)
{
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, lazy_thread, NULL) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
    EXPECT(strcmp(get_lazy(), get_lazy() == lazy ? "written in the scope" : "thread-local") == 0);
    for (size_t i = 100; i < 20000; i++)
        EXPECT(get_lazy()[i] == 0);
}

/* ---- threads --------------------------------------------------------------------------------- */

static pthread_t worker;
static pthread_barrier_t meeting;

static void *work(void *argument)
{
    EXPECT(strcmp(strerror(4711), "Unknown error 4711") == 0);
    void *own = opaque(malloc(100));
    pthread_barrier_wait(&meeting);
    free(own);
    printf("worker %d\n", *(int *)argument);
    return argument;
}

static int identity = 1;

static void pthread_create_first(void)
{
    EXPECT(pthread_barrier_init(&meeting, NULL, 2) == 0);
    EXPECT(pthread_create(&worker, NULL, work, &identity) == 0);
}

static void pthread_create_again(void)
{
    void *result = NULL;
    pthread_barrier_wait(&meeting);
    EXPECT(pthread_join(worker, &result) == 0 && result == &identity);
    for (int i = 0; i < 20; i++) { /* the stacks are used again */
        EXPECT(pthread_create(&worker, NULL, work, &identity) == 0);
        pthread_barrier_wait(&meeting);
        EXPECT(pthread_join(worker, NULL) == 0);
    }
}

/* Of a thread that lives on, whose blocks the loader makes when it uses the library. */
static void *used_library;
static block_function *get_used;
static pthread_t user;
static pthread_barrier_t use;

static void *wait_and_work(void *unused)
{
    pthread_barrier_wait(&use);
    EXPECT(strcmp(get_used(), "thread-local") == 0);
    pthread_barrier_wait(&use);
    for (size_t i = 100; i < 20000; i++)
        EXPECT(get_used()[i] == 0);
    return unused;
}

static void tls_of_threads_first(void)
{
    EXPECT(pthread_barrier_init(&use, NULL, 2) == 0);
    EXPECT(pthread_create(&user, NULL, wait_and_work, NULL) == 0);
    used_library = open_library(keeps_path("libkept.so"));
    get_used = find_block(used_library);
    pthread_barrier_wait(&use);
}

static void tls_of_threads_again(void)
{
    pthread_barrier_wait(&use);
    EXPECT(pthread_join(user, NULL) == 0 && dlclose(used_library) == 0);
}

/* The first 32 keys lie in the thread's descriptor, the others in blocks made at the first use. */
#define KEYS 100
static pthread_key_t keys[KEYS];
static int destroyed;

static void destroy(void *value)
{
    EXPECT(value != NULL);
    destroyed++;
}

static void set_keys(void)
{
    for (int i = 0; i < KEYS; i++)
        EXPECT(pthread_setspecific(keys[i], &keys[i]) == 0);
}

static void expect_keys(void)
{
    for (int i = 0; i < KEYS; i++)
        EXPECT(pthread_getspecific(keys[i]) == &keys[i]);
}

static void *keys_in_scope(void *unused)
{
    ARENA_SCOPE("keys") {
        EXPECT(opaque(malloc(10)) != NULL);
        set_keys();
    }
    overwrite_arena();
    expect_keys();
    return unused;
}

static void pthread_key_first(void)
{
    for (int i = 0; i < KEYS; i++)
        EXPECT(pthread_key_create(&keys[i], destroy) == 0);
    set_keys();
}

static void pthread_key_again(void)
{
    pthread_t thread;
    int before = destroyed;
    if (before == 0)
        expect_keys();
    EXPECT(pthread_create(&thread, NULL, keys_in_scope, NULL) == 0);
    EXPECT(pthread_join(thread, NULL) == 0 && destroyed == before + KEYS);
    set_keys();
    expect_keys();
}

/* libc's copy of a set of processors, in the attributes. */
static pthread_attr_t attributes;
static cpu_set_t processors;

static void pthread_attr_first(void)
{
    EXPECT(sched_getaffinity(0, sizeof processors, &processors) == 0);
    EXPECT(pthread_attr_init(&attributes) == 0);
    EXPECT(pthread_attr_setaffinity_np(&attributes, sizeof processors, &processors) == 0);
}

static void pthread_attr_again(void)
{
    cpu_set_t got;
    pthread_attr_t own;
    EXPECT(pthread_attr_getaffinity_np(&attributes, sizeof got, &got) == 0);
    EXPECT(CPU_EQUAL(&got, &processors) && pthread_attr_destroy(&attributes) == 0);
    EXPECT(pthread_getattr_np(pthread_self(), &own) == 0 && pthread_attr_destroy(&own) == 0);
}

/* The first cancellation loads the unwinder. */
static pthread_barrier_t waiting;

static void *be_cancelled(void *unused)
{
    pthread_barrier_wait(&waiting);
    pause();
    return unused;
}

static void cancel(void)
{
    pthread_t thread;
    void *result = NULL;
    EXPECT(pthread_create(&thread, NULL, be_cancelled, NULL) == 0);
    pthread_barrier_wait(&waiting);
    EXPECT(pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0);
    EXPECT(result == PTHREAD_CANCELED);
}

static void pthread_cancel_first(void)
{
    EXPECT(pthread_barrier_init(&waiting, NULL, 2) == 0);
    cancel();
}

static void pthread_cancel_again(void)
{
    cancel();
    cancel();
}

/* ---- functions called later ------------------------------------------------------------------ */

static int exits;

static void at_exit(void)
{
    exits++;
}

static void on_exit_with(int status, void *argument)
{
    (void)status;
    *(int *)argument += 100;
}

static void say_exits(void)
{
    printf("%d at exit\n", exits);
}

/* The table has room for 32 and grows by blocks. */
static void atexit_first(void)
{
    EXPECT(atexit(say_exits) == 0);
    for (int i = 0; i < 50; i++)
        EXPECT(atexit(at_exit) == 0 && on_exit(on_exit_with, &exits) == 0);
}

static void atexit_again(void)
{
    for (int i = 0; i < 50; i++)
        EXPECT(atexit(at_exit) == 0);
}

static int quick_exits;

static void at_quick(void)
{
    quick_exits++;
}

/* Runs last. */
static void judge_quick_exit(void)
{
    _exit(quick_exits == 100 ? 3 : 4);
}

static void at_quick_exit_first(void)
{
    EXPECT(at_quick_exit(judge_quick_exit) == 0);
    for (int i = 0; i < 50; i++)
        EXPECT(at_quick_exit(at_quick) == 0);
}

static void at_quick_exit_again(void)
{
    for (int i = 0; i < 50; i++)
        EXPECT(at_quick_exit(at_quick) == 0);
    pid_t child = fork();
    if (child == 0)
        quick_exit(5);
    int status = 0;
    EXPECT(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3);
}

static int prepared, forked;

static void prepare(void)
{
    prepared++;
}

static void forked_here(void)
{
    forked++;
}

static void pthread_atfork_first(void)
{
    for (int i = 0; i < 60; i++)
        EXPECT(pthread_atfork(prepare, forked_here, forked_here) == 0);
}

static void pthread_atfork_again(void)
{
    for (int i = 0; i < 60; i++)
        EXPECT(pthread_atfork(prepare, forked_here, forked_here) == 0);
    pid_t child = fork();
    if (child == 0)
        _exit(prepared == 120 && forked == 120 ? 3 : 4);
    int status = 0;
    EXPECT(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3);
    EXPECT(prepared == 120 && forked == 120);
}

/* ---- the stack ------------------------------------------------------------------------------- */

static void *frames[20];
static int frames_count;
static char **symbols;

static void backtrace_first(void)
{
    frames_count = backtrace(frames, 20);
    symbols = backtrace_symbols(frames, frames_count);
    EXPECT(frames_count > 1 && symbols != NULL);
}

static void backtrace_again(void)
{
    void *now[20];
    int count = backtrace(now, 20);
    EXPECT(count > 1 && strstr(symbols[0], "loader"));
    free(symbols);
    symbols = backtrace_symbols(now, count);
    EXPECT(symbols && strstr(symbols[0], "loader"));
    free(symbols);
}

static const struct keep cases[] = {
    {"dlopen", dlopen_first, dlopen_again},
    {"dlerror", dlerror_first, dlerror_again},
    {"lazy_tls", lazy_tls_first, lazy_tls_again},
    {"tls_of_threads", tls_of_threads_first, tls_of_threads_again},
    {"pthread_create", pthread_create_first, pthread_create_again},
    {"pthread_key", pthread_key_first, pthread_key_again},
    {"pthread_attr", pthread_attr_first, pthread_attr_again},
    {"pthread_cancel", pthread_cancel_first, pthread_cancel_again},
    {"atexit", atexit_first, atexit_again},
    {"at_quick_exit", at_quick_exit_first, at_quick_exit_again},
    {"pthread_atfork", pthread_atfork_first, pthread_atfork_again},
    {"backtrace", backtrace_first, backtrace_again},
    {"dlerror_pending", dlerror_pending_first, dlerror_pending_again}, /* the last error */
};
KEEPS_MAIN(cases)

#endif
