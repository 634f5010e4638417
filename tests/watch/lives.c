/* Blocks whose lives are known: the functions that draw and free them are named for what sampling
 * is to say. Built without inlining and tail calls; each case does what it does TIMES times. */
#include "expect.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMES 100
#define APART __attribute__((noinline))

static void *kept[TIMES];

APART static void *draw(size_t size)
{
    return opaque(malloc(size));
}

/* ---- who frees ------------------------------------------------------------------------------- */

APART static void callee(void)
{
    void *block = opaque(malloc(10));
    opaque(block);
    free(block);
}

APART static void by_callee(void)
{
    for (int i = 0; i < TIMES; i++)
        callee();
}

APART static void caller(void)
{
    void *block = draw(20);
    opaque(block);
    free(block);
}

APART static void by_caller(void)
{
    for (int i = 0; i < TIMES; i++)
        caller();
}

APART static void *pass(void)
{
    return opaque(draw(30));
}

APART static void release(void *block)
{
    free(block);
    opaque(NULL);
}

APART static void two_up(void)
{
    void *block = pass();
    release(block);
    opaque(NULL);
}

APART static void by_two_up(void)
{
    for (int i = 0; i < TIMES; i++)
        two_up();
}

APART static void *free_all(void *unused)
{
    for (int i = 0; i < TIMES; i++)
        free(kept[i]);
    return unused;
}

APART static void by_other(void)
{
    pthread_t thread;
    for (int i = 0; i < TIMES; i++)
        kept[i] = draw(40);
    EXPECT(pthread_create(&thread, NULL, free_all, NULL) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
}

/* The trap: the turn that frees is not the one that drew, and looks like it. */
APART static void turn(void)
{
    free(kept[0]);
    kept[0] = opaque(malloc(50));
}

APART static void by_next_turn(void)
{
    for (int i = 0; i <= TIMES; i++)
        turn();
}

/* Not so where the turns lie at different places on the stack. */
APART static void shift(size_t bytes)
{
    opaque(__builtin_alloca(bytes));
    turn();
    opaque(NULL);
}

APART static void by_shifted_turn(void)
{
    for (int i = 0; i <= TIMES; i++)
        shift(opaque_size(16) << i % 2 * 6); /* one call, which GCC 14 would make two of a choice */
}

APART static void first(void)
{
    kept[0] = opaque(malloc(55));
}

APART static void second(void)
{
    free(kept[0]);
    opaque(NULL);
}

/* Two functions come to lie at the same place, called from the same. */
APART static void by_turns(void)
{
    static void (*const functions[])(void) = {first, second};
    for (int i = 0; i < 2 * TIMES; i++)
        functions[i % 2]();
}

APART static void *factory(void)
{
    return opaque(malloc(60));
}

APART static void never(void)
{
    for (int i = 0; i < TIMES; i++)
        kept[i] = factory();
}

/* ---- recursion ------------------------------------------------------------------------------- */

/* The block that each call draws its caller frees; so all but the last die in this function. */
APART static void *descend(int depth)
{
    void *own = draw(70);
    if (depth > 1)
        free(descend(depth - 1));
    return opaque(own);
}

APART static void recursion(void)
{
    free(descend(TIMES));
    opaque(NULL);
}

APART static void too_deep(int depth, void *outer)
{
    if (depth > 0)
        too_deep(depth - 1, outer);
    else
        free(outer);
    free(opaque(malloc(80)));
    opaque(NULL);
}

APART static void deep(void)
{
    too_deep(599, draw(90));
    opaque(NULL);
}

/* ---- resizing, forks, libraries, threads ----------------------------------------------------- */

APART static void *grow(void *block)
{
    return opaque(realloc(block, 100000));
}

APART static void resizer(void)
{
    char *block = draw(100);
    fill(block, 100, 1);
    block = grow(block);
    EXPECT(filled(block, 100, 1));
    free(block);
}

APART static void resized(void)
{
    for (int i = 0; i < TIMES; i++)
        resizer();
}

APART static void forked(void)
{
    void *block = draw(110);
    pid_t child = fork();
    free(block);
    callee();
    if (child == 0)
        _exit(0);
    int status;
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
}

APART static void *from_library(const char *path)
{
    void *library = dlopen(path, RTLD_NOW);
    EXPECT(library != NULL);
    void *(*make)(void) = (void *(*)(void))dlsym(library, "library_make");
    void *block = make();
    EXPECT(dlclose(library) == 0);
    EXPECT(dlopen(path, RTLD_NOW | RTLD_NOLOAD) == NULL);
    return block;
}

/* The second comes to where the first was, as likely as not. */
APART static void unloaded(void)
{
    free(from_library(getenv("LIBRARY_1")));
    free(from_library(getenv("LIBRARY_2")));
    opaque(NULL);
}

static pthread_key_t key;

APART static void *small_thread(void *unused)
{
    pthread_setspecific(key, draw(120));
    callee();
    return unused;
}

APART static void at_exit_of_thread(void *block)
{
    free(block);
    opaque(NULL);
}

APART static void threads(void)
{
    pthread_attr_t small;
    pthread_key_create(&key, at_exit_of_thread);
    pthread_attr_init(&small);
    EXPECT(pthread_attr_setstacksize(&small, (size_t)PTHREAD_STACK_MIN) == 0);
    for (int i = 0; i < TIMES; i++) {
        pthread_t thread;
        EXPECT(pthread_create(&thread, &small, small_thread, NULL) == 0);
        pthread_join(thread, NULL);
    }
}

/* ---- signal handlers ------------------------------------------------------------------------- */

static volatile sig_atomic_t handled;

APART static void handler(int signal)
{
    (void)signal;
    char *block = opaque(malloc(130));
    fill(block, 130, 3);
    handled++;
    EXPECT(filled(block, 130, 3));
    free(block);
}

static void on_signal(int signal, int flags)
{
    static char stack[16384]; /* AArch64 takes 5 KiB of it to note what is interrupted */
    const stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    EXPECT(sigaltstack(&other, NULL) == 0);
    EXPECT(sigaction(signal, &action, NULL) == 0);
}

APART static void raised(void)
{
    on_signal(SIGUSR1, SA_ONSTACK);
    for (int i = 0; i < TIMES; i++)
        EXPECT(raise(SIGUSR1) == 0);
}

/* What is interrupted at any place, the watching itself among them. */
APART static void interrupted(void)
{
    const struct itimerval often = {{0, 200}, {0, 200}};
    on_signal(SIGALRM, SA_RESTART);
    EXPECT(setitimer(ITIMER_REAL, &often, NULL) == 0);
    for (unsigned i = 0; handled < 300; i++) {
        unsigned char *block = draw(140);
        fill(block, 140, i);
        EXPECT(filled(block, 140, i));
        free(block);
    }
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
}

static volatile sig_atomic_t forks;

APART static void forking_handler(int signal)
{
    (void)signal;
    if (forks == TIMES)
        return;
    pid_t child = fork();
    if (child == 0) {
        free(opaque(malloc(150)));
        _exit(0);
    }
    int status;
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
    forks++;
}

APART static void forking(void)
{
    const struct itimerval often = {{0, 200}, {0, 200}};
    struct sigaction action = {.sa_handler = forking_handler, .sa_flags = SA_RESTART};
    EXPECT(sigaction(SIGALRM, &action, NULL) == 0);
    EXPECT(setitimer(ITIMER_REAL, &often, NULL) == 0);
    while (forks < TIMES)
        free(draw(160));
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
}

/* ---- code without unwind information --------------------------------------------------------- */

/* sub rsp, 8; mov edi, 170; mov rax, malloc; call rax; add rsp, 8; ret */
APART static void generated(void)
{
#ifdef __x86_64__
    unsigned char code[] = {0x48, 0x83, 0xec, 8, 0xbf, 170, 0,    0,    0,    0x48, 0xb8, 0, 0,
                            0,    0,    0,    0, 0,    0,   0xff, 0xd0, 0x48, 0x83, 0xc4, 8, 0xc3};
    void *(*target)(size_t) = malloc;
    memcpy(code + 11, &target, sizeof target);
    void *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT(page != MAP_FAILED);
    memcpy(page, code, sizeof code);
    void *(*run)(void) = (void *(*)(void))page;
    for (int i = 0; i < TIMES; i++)
        free(run());
#endif
}

/* Each child makes as few calls as the others. */
APART static void children(void)
{
    for (int i = 0; i < 2 * TIMES; i++) {
        pid_t child = fork();
        if (child == 0) {
            for (int j = 0; j < 20; j++)
                callee();
            _exit(0);
        }
        int status;
        EXPECT(waitpid(child, &status, 0) == child && status == 0);
    }
}

/* ---- many ------------------------------------------------------------------------------------ */

/* Strict alternations, which a fixed step would meet. */
APART static void many(void)
{
    for (int i = 0; i < 100 * TIMES; i++) {
        callee();
        caller();
        callee();
        two_up();
    }
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"callee", by_callee},    {"caller", by_caller},
        {"two_up", by_two_up},    {"other", by_other},
        {"turn", by_next_turn},   {"shifted", by_shifted_turn},
        {"by_turns", by_turns},   {"never", never},
        {"recursion", recursion}, {"deep", deep},
        {"resized", resized},     {"forked", forked},
        {"unloaded", unloaded},   {"threads", threads},
        {"raised", raised},       {"interrupted", interrupted},
        {"forking", forking},     {"generated", generated},
        {"children", children},   {"many", many},
    };
    return run_case(cases, sizeof cases / sizeof *cases, argc, argv);
}
