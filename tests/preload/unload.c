/*
 * Unloads a library that has marked scopes and loads another one, without marks, which gets the
 * same addresses and keeps a block: unload CASE MARKED KEEPING CLOSER. Its block must not lie in
 * the arena. Built four times: with MARKED, KEEPING and CLOSER for the libraries, plain for the
 * program.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <arenashim/scope.h>

#if defined(MARKED)

char *work(void);
char *work(void)
{
    ARENA_SCOPE("library")
        memset(malloc(64), 1, 64);
    memset(malloc(64), 1, 64); /* in the scope around, if there is one */
    return NULL;
}

/* Scopes that drop, by their names. */
void call_one(char *(*function)(void));
void call_two(char *(*function)(void));
void call_one(char *(*function)(void))
{
    if (function)
        function();
    memset(malloc(64), 1, 64);
}
void call_two(char *(*function)(void))
{
    if (function)
        function();
    memset(malloc(64), 2, 64);
}

#elif defined(KEEPING)

char *work(void);
char *work(void)
{
    static char *kept;
    if (!kept)
        kept = strcpy(malloc(64), "precious");
    return kept;
}

#elif defined(CLOSER)

/* By the C library's own function, past the shim's. */
int closes(void *handle);
int closes(void *handle)
{
    return ((int (*)(void *))dlsym(dlopen("libdl.so.2", RTLD_NOW), "dlclose"))(handle);
}

#else

static char **files;
static void *first, *second;
static int (*closes)(void *) = dlclose;

static void *load(const char *name, int flags)
{
    void *handle = dlopen(name, flags);
    if (!handle) {
        printf("%s\n", dlerror());
        exit(2);
    }
    return handle;
}

static char *work(void *handle)
{
    return ((char *(*)(void))dlsym(handle, "work"))();
}

static void exchange(void)
{
    uintptr_t address = ((struct link_map *)first)->l_addr;
    closes(first);
    second = load(files[1], RTLD_NOW);
    if (((struct link_map *)second)->l_addr != address)
        puts("elsewhere");
}

static void *exchange_in_thread(void *unused)
{
    exchange();
    return unused;
}

static void in_another_thread(void *(*body)(void *))
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, NULL) != 0)
        exit(2);
    pthread_join(thread, NULL);
}

static void before(void)
{
    work(first);
    exchange();
    ARENA_SCOPE("program")
        work(second);
}

static void inside(void)
{
    ARENA_SCOPE("program") {
        work(first);
        exchange();
        work(second);
    }
}

static void by_thread(void)
{
    ARENA_SCOPE("program") {
        work(first);
        in_another_thread(exchange_in_thread);
        work(second);
    }
}

static void in_a_pause(void)
{
    ARENA_SCOPE("program") {
        work(first);
        ARENA_SCOPE_PAUSED
        exchange();
        work(second);
    }
}

/* The end of the inner scope puts back what its begin found. */
static void in_an_inner_scope(void)
{
    ARENA_SCOPE("program") {
        work(first);
        ARENA_SCOPE("inner")
            exchange();
        work(second);
    }
}

static void by_a_library(void)
{
    closes = (int (*)(void *))dlsym(load(files[2], RTLD_NOW), "closes");
    inside();
}

static void *a_thread(void *unused)
{
    work(first);
    exchange();
    work(second);
    return unused;
}

static void *another_thread(void *unused)
{
    memset(malloc(4000), 'X', 4000);
    return unused;
}

/* The thread's whole body is a scope. */
static void thread(void)
{
    in_another_thread(a_thread);
    in_another_thread(another_thread);
}

static void call(const char *name, char *(*function)(void))
{
    ((void (*)(char *(*)(void)))dlsym(first, name))(function);
}

/* The library of named functions is loaded again, elsewhere. */
static void named_elsewhere(void)
{
    call("call_one", NULL);
    call("call_two", NULL);
    exchange();
    first = load(files[0], RTLD_NOW);
    call("call_one", NULL);
    call("call_two", (char *(*)(void))dlsym(second, "work"));
    call("call_one", NULL);
    call("call_two", NULL);
}

/* Many loads of one library, at addresses that change. */
static void many(void)
{
    for (int i = 0; i < 1500; i++) {
        work(first);
        closes(first);
        mmap(NULL, 4096 * (1 + (size_t)i % 3), i & 1 ? PROT_READ : PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        first = load(files[0], RTLD_NOW);
    }
    second = load(files[1], RTLD_NOW);
}

/* Libraries of ever new names, none of which takes part: CLOSER is a folder of them. */
static void strangers(void)
{
    char name[1000];
    ARENA_SCOPE("program")
        for (int i = 0; i < 520; i++) {
            snprintf(name, sizeof name, "%s/%d.so", files[2], i);
            void *library = load(name, RTLD_NOW);
            work(library);
            dlclose(library);
        }
    second = load(files[1], RTLD_NOW);
}

/* Threads that use the library come and go while another library does. */
static volatile int stop;

static void *use_and_exit(void *unused)
{
    for (int i = 0; i < 20; i++)
        work(first);
    return unused;
}

static void *come_and_go(void *unused)
{
    while (!stop)
        in_another_thread(use_and_exit);
    return unused;
}

static void crossing(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, come_and_go, NULL) != 0)
            exit(2);
    for (int i = 0; i < 1000; i++)
        dlclose(load(files[2], RTLD_NOW));
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    second = load(files[1], RTLD_NOW);
}

/* More libraries at once than the table holds: CLOSER is a folder of them. */
static void crowd(void)
{
    char name[1000];
    for (int i = 0; i < 520; i++) {
        snprintf(name, sizeof name, "%s/%d.so", files[2], i);
        work(load(name, RTLD_NOW));
    }
    second = load(files[1], RTLD_NOW);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {
        {"before", before},       {"inside", inside},
        {"by_thread", by_thread}, {"in_a_pause", in_a_pause},
        {"thread", thread},       {"in_an_inner_scope", in_an_inner_scope},
        {"many", many},           {"by_a_library", by_a_library},
        {"crowd", crowd},         {"strangers", strangers},
        {"crossing", crossing},   {"named_elsewhere", named_elsewhere},
    };
    if (argc != 5)
        return 2;
    files = argv + 2;
    first = load(files[0], RTLD_NOW);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (strcmp(cases[i].name, argv[1]) == 0)
            cases[i].run();
    ARENA_SCOPE("program") {
        memset(malloc(64), 'X', 64);
        memset(malloc(64), 'X', 64);
    }
    puts(work(second));
    return 0;
}

#endif
