/*
 * Wrapped calls in every situation that a thread can be in: one case per run. The functions named
 * w_* are wrapped; WRAPPED_RESET in the environment says that their scopes end by reset, so that
 * blocks are gone with their call.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "expect.h"
#include "interrupt.h"
#include "wrapped.h"

static int resets;

/* In the scope of a call. */
static void *drawn(size_t size, unsigned seed)
{
    void *block = opaque(malloc(size));
    fill(block, size, seed);
    EXPECT(arena_scope_active());
    return block;
}

/* Calls that begin, draw, and end. */
WRAPPED void w_plain(unsigned seed)
{
    void *block = drawn(40, seed), *other = drawn(200, seed + 1);
    EXPECT(filled(block, 40, seed) && filled(other, 200, seed + 1));
    free(block);
    free(other);
}

/* ---- recursion, errno ------------------------------------------------------------------------ */

WRAPPED void w_deep(unsigned depth)
{
    void *block = drawn(16 + depth % 64, depth);
    if (depth > 1)
        w_deep(depth - 1);
    EXPECT(filled(block, 16 + depth % 64, depth));
    free(block);
}

static void recursion(void)
{
    static const unsigned depths[] = {1, 10, 511, 512, 513, 600};
    for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++)
        w_deep(depths[i]);
    EXPECT(!arena_scope_active());
}

WRAPPED unsigned w_deepest(unsigned depth)
{
    void *block = opaque(malloc(16));
    unsigned calls = depth > 1 ? w_deepest(depth - 1) : 0;
    free(block);
    return calls + 1;
}

/* As deep as the stack allows without the wrapper. */
static void deep_recursion(void)
{
    EXPECT(w_deepest(100000) == 100000);
    EXPECT(!arena_scope_active());
}

WRAPPED void w_errno(void)
{
    EXPECT(errno == 77);
    errno = 88;
}

/* The first call of a thread takes the slow ways. */
static void *keeps_errno(void *unused)
{
    for (int i = 0; i < 3; i++) {
        errno = 77;
        w_errno();
        EXPECT(errno == 88);
    }
    w_plain(1);
    return unused;
}

static void keep_errno(void)
{
    pthread_t thread;
    keeps_errno(NULL);
    EXPECT(pthread_create(&thread, NULL, keeps_errno, NULL) == 0);
    pthread_join(thread, NULL);
}

/* ---- ends of threads and of the process ------------------------------------------------------ */

WRAPPED void w_exits(int depth)
{
    void *block = drawn(100, 5);
    if (depth > 0) {
        free(block);
        w_exits(depth - 1);
    }
    if (opaque_size(1))
        pthread_exit(block);
}

WRAPPED static void *w_start(void *depth)
{
    w_plain(3);
    w_exits((int)(intptr_t)depth);
    return NULL;
}

/* A thread whose start routine is wrapped; it is started in a wrapped call. */
WRAPPED static void w_run_thread(int depth)
{
    pthread_t thread;
    void *block;
    EXPECT(pthread_create(&thread, NULL, w_start, (void *)(intptr_t)depth) == 0);
    pthread_join(thread, &block);
    EXPECT(resets || filled(block, 100, 5)); /* it outlives the thread, too */
    if (!resets)
        free(block);
}

static void thread_exit(void)
{
    for (int i = 0; i < 100; i++)
        w_run_thread(i % 4);
}

static sem_t waits;

WRAPPED void w_waits(int depth)
{
    void *block = drawn(100, 6);
    if (depth > 0)
        w_waits(depth - 1);
    sem_post(&waits);
    while (opaque_size(1))
        pause();
    free(block);
}

static void *is_cancelled(void *depth)
{
    w_waits((int)(intptr_t)depth);
    return NULL;
}

static void cancel(void)
{
    sem_init(&waits, 0, 0);
    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        void *result;
        EXPECT(pthread_create(&thread, NULL, is_cancelled, (void *)(intptr_t)(i % 4)) == 0);
        sem_wait(&waits);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        EXPECT(result == PTHREAD_CANCELED);
    }
}

static void *late;

static void at_end(void)
{
    EXPECT(resets || filled(late, 30, 7));
    free(opaque(malloc(60)));
    w_plain(2);
    puts("handler");
    fflush(stdout);
}

WRAPPED static void w_ends(int depth, void (*end)(int))
{
    late = drawn(30, 7);
    if (depth > 0)
        w_ends(depth - 1, end);
    end(expect_failures);
}

static void call_exit(void)
{
    atexit(at_end);
    w_ends(1, exit);
}

static void call_quick_exit(void)
{
    at_quick_exit(at_end);
    w_ends(1, quick_exit);
}

/* ---- longjmp --------------------------------------------------------------------------------- */

static sigjmp_buf target;

WRAPPED void w_jumps(int depth)
{
    drawn(300, (unsigned)depth);
    if (depth > 0)
        w_jumps(depth - 1);
    siglongjmp(target, 1);
}

static void jump_out(void)
{
    for (volatile int i = 0; i < 1000; i++) {
        if (sigsetjmp(target, 0) == 0)
            w_jumps(0);
        w_plain(1);
        EXPECT(!arena_scope_active()); /* the begin of w_plain has closed what was left */
    }
}

static void jump_out_of_many(void)
{
    for (volatile int i = 0; i < 50; i++) {
        if (sigsetjmp(target, 0) == 0)
            w_jumps(i % 20);
        w_plain(1);
        EXPECT(!arena_scope_active());
    }
}

/* The next end above closes them: of a wrapped call, or of a mark. */
WRAPPED void w_is_jumped_to(void)
{
    void *volatile block = drawn(50, 1);
    if (sigsetjmp(target, 0) == 0)
        w_jumps(2);
    EXPECT(filled(block, 50, 1));
    free(block);
}

static void jump_to_a_call(void)
{
    for (volatile int i = 0; i < 50; i++) {
        w_is_jumped_to();
        EXPECT(!arena_scope_active());
        ARENA_SCOPE("mark") {
            void *volatile block = drawn(50, 2);
            if (sigsetjmp(target, 0) == 0)
                w_jumps(2);
            EXPECT(filled(block, 50, 2));
        }
        EXPECT(!arena_scope_active());
    }
}

/* Marks in the calls that are left. */
WRAPPED void w_marks_and_jumps(void)
{
    arena_scope_begin(NULL);
    drawn(70, 3);
    arena_scope_pause();
    w_jumps(0);
}

static void jump_out_of_marks(void)
{
    for (volatile int i = 0; i < 50; i++) {
        if (sigsetjmp(target, 0) == 0)
            w_marks_and_jumps();
        ARENA_SCOPE("next")
            drawn(20, 4);
        EXPECT(!arena_scope_active());
    }
}

/* ---- signal stacks --------------------------------------------------------------------------- */

static int handler_jumps;

WRAPPED void w_handles(int jumps)
{
    w_plain(8);
    void *block = drawn(60, 9);
    if (jumps)
        siglongjmp(target, 1);
    free(block);
}

static void handle(int signal)
{
    (void)signal;
    w_handles(handler_jumps);
}

WRAPPED void w_raises(void)
{
    void *block = drawn(80, 10);
    raise(SIGUSR1);
    EXPECT(filled(block, 80, 10));
    free(block);
}

#define STACK_BYTES ((size_t)128 << 10)

static void *on_signal_stack(void *memory)
{
    stack_t stack = {.ss_sp = memory, .ss_size = STACK_BYTES};
    EXPECT(sigaltstack(&stack, NULL) == 0);
    w_plain(11);
    for (volatile int i = 0; i < 100; i++) {
        if (sigsetjmp(target, 1) == 0)
            w_raises();
        w_plain(12);
        EXPECT(!arena_scope_active());
    }
    return NULL;
}

/* The signal stack lies below the thread's, then above. */
static void signal_stacks(void)
{
    char *memory =
        mmap(NULL, 3 * STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    for (size_t place = 0; place <= 2; place += 2) {
        pthread_t thread;
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setstack(&attributes, memory + STACK_BYTES, STACK_BYTES);
        EXPECT(pthread_create(&thread, &attributes, on_signal_stack,
                              memory + place * STACK_BYTES) == 0);
        pthread_join(thread, NULL);
    }
}

static void jump_off_signal_stacks(void)
{
    handler_jumps = 1;
    signal_stacks();
}

/* ---- little room ----------------------------------------------------------------------------- */

static char *room;
static int calls_in_handler;

static void handle_in_room(int signal)
{
    (void)signal;
    if (calls_in_handler)
        w_plain(15);
}

/* How much of a signal stack a handler takes. */
static size_t used_room(int calls)
{
    enum { SIZE = 16384, PATTERN = 0x77 };
    memset(room, PATTERN, SIZE);
    stack_t stack = {.ss_sp = room, .ss_size = SIZE};
    EXPECT(sigaltstack(&stack, NULL) == 0);
    calls_in_handler = calls;
    raise(SIGUSR1);
    size_t unused = 0;
    while (unused < SIZE && room[unused] == PATTERN)
        unused++;
    return SIZE - unused;
}

static void *measure_room(void *unused)
{
    size_t alone = used_room(0);
    EXPECT(used_room(1) - alone <= 4096); /* the first call of its thread takes most */
    return unused;
}

static void signal_room(void)
{
    room = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct sigaction action = {.sa_handler = handle_in_room, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, measure_room, NULL) == 0);
    pthread_join(thread, NULL);
}

/* Returns how much of the stack a level takes. */
WRAPPED size_t w_level(unsigned depth, uintptr_t above)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    __asm__ volatile("" : "+r"(here));
    if (depth == 0) {
        free(drawn(40, 16));
        return above - here;
    }
    size_t result = w_level(depth - 1, here);
    __asm__ volatile("" : "+r"(result)); /* no tail call */
    return result;
}

/* The wrapper's own part, as the manual says it, and what arguments are copied. */
#ifdef __aarch64__
#define WRAPPER_ROOM 176
#else
#define WRAPPER_ROOM 72
#endif

static void level_room(void)
{
    const char *given = getenv("ARENASHIM_STACK");
    size_t copied = given ? strtoul(given, NULL, 10) : 256;
    size_t own = 16 + 48; /* of w_level, at most */
    EXPECT(w_level(1, 0) > 0);
    EXPECT(w_level(100, 0) <= copied + WRAPPER_ROOM + own);
}

/* ---- contexts -------------------------------------------------------------------------------- */

enum { CONTEXTS = 3 };
static ucontext_t main_context, contexts[CONTEXTS];
static int finished;

static void yield(int self)
{
    swapcontext(&contexts[self], &main_context);
}

/* A call that drops is no scope here. */
WRAPPED void w_yields(int self, int depth)
{
    EXPECT(arena_scope_active() == !resets);
    void *block = opaque(malloc(100));
    fill(block, 100, (unsigned)self);
    yield(self);
    EXPECT(filled(block, 100, (unsigned)self));
    if (depth > 0)
        w_yields(self, depth - 1);
    yield(self);
    EXPECT(filled(block, 100, (unsigned)self));
    free(block);
}

/* The entry of a context. */
WRAPPED void w_entry(int self)
{
    w_yields(self, self);
    finished++;
    swapcontext(&contexts[self], &main_context);
}

static void start_context(int i, char *stack)
{
    getcontext(&contexts[i]);
    contexts[i].uc_stack = (stack_t){.ss_sp = stack, .ss_size = STACK_BYTES};
    contexts[i].uc_link = &main_context;
    makecontext(&contexts[i], (void (*)(void))w_entry, 1, i);
}

/* Contexts take turns inside their calls, and so does the thread itself. */
static void contexts_take_turns(void)
{
    char *memory = mmap(NULL, CONTEXTS * STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int round = 0; round < 20; round++) {
        finished = 0;
        for (int i = 0; i < CONTEXTS; i++)
            start_context(i, memory + (size_t)i * STACK_BYTES);
        for (int turn = 0; finished < CONTEXTS; turn++) {
            int i = turn % CONTEXTS;
            if (turn < 2 * (i + 1) * CONTEXTS + CONTEXTS)
                swapcontext(&main_context, &contexts[i]);
            w_plain(13);
        }
    }
}

/* One context at a time: scopes nest as on one stack. */
static void one_context(void)
{
    char *memory =
        mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int round = 0; round < 20; round++) {
        finished = 0;
        start_context(0, memory);
        while (!finished)
            swapcontext(&main_context, &contexts[0]);
    }
    w_plain(14);
}

/* ---- other stacks inside a call -------------------------------------------------------------- */

/* Draws where a handler or a coroutine runs: from the scope around when this is none. */
WRAPPED void w_elsewhere(void)
{
    void *block = drawn(200, 17);
    EXPECT(filled(block, 200, 17));
    free(block);
}

static void handle_elsewhere(int signal)
{
    (void)signal;
    w_elsewhere();
}

static void enter_elsewhere(int self)
{
    w_elsewhere();
    yield(self);
    w_elsewhere();
}

/* What it has drawn stays, whatever comes and goes on other stacks. */
WRAPPED void w_stays(char *memory)
{
    void *block = drawn(64, 18);
    for (int i = 0; i < 10; i++) {
        raise(SIGUSR1);
        getcontext(&contexts[0]);
        contexts[0].uc_stack = (stack_t){.ss_sp = memory, .ss_size = STACK_BYTES};
        contexts[0].uc_link = &main_context;
        makecontext(&contexts[0], (void (*)(void))enter_elsewhere, 1, 0);
        swapcontext(&main_context, &contexts[0]);
        w_plain(19);
        swapcontext(&main_context, &contexts[0]);
        EXPECT(arena_scope_active() && filled(block, 64, 18));
    }
    free(block);
}

static void *stays(void *memory)
{
    enum { AUTODISARM = 1U << 31 };
    stack_t stack = {
        .ss_sp = (char *)memory + STACK_BYTES, .ss_size = STACK_BYTES, .ss_flags = (int)AUTODISARM};
    EXPECT(sigaltstack(&stack, NULL) == 0);
    w_stays(memory);
    return NULL;
}

/* Below the thread's own stack and above it: static memory, and pages that lie higher than those of
 * a thread that is started later. The first thread's stack lies above both. */
static void other_stacks(void)
{
    static char below[2 * STACK_BYTES];
    char *above =
        mmap(NULL, 2 * STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct sigaction action = {.sa_handler = handle_elsewhere, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        stays(below);
        EXPECT(pthread_create(&thread, NULL, stays, i ? above : below) == 0);
        pthread_join(thread, NULL);
    }
}

/* ---- fork ------------------------------------------------------------------------------------ */

static void expect_success(pid_t child)
{
    int status = 1;
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
}

WRAPPED pid_t w_forks(void)
{
    void *block = drawn(90, 15);
    pid_t child = fork();
    EXPECT(filled(block, 90, 15));
    w_plain(16);
    free(block);
    return child;
}

WRAPPED void w_executes(void)
{
    drawn(90, 17);
    execl("/bin/true", "true", (char *)NULL);
    _exit(1);
}

WRAPPED void w_vforks(void)
{
    void *block = drawn(90, 18);
    pid_t child = vfork();
    if (child == 0)
        w_executes();
    expect_success(child);
    EXPECT(filled(block, 90, 18));
    free(block);
}

static void forks(void)
{
    for (int i = 0; i < 10; i++) {
        pid_t child = w_forks();
        if (child == 0)
            exit(expect_failures > 0);
        expect_success(child);
    }
}

/* What the child leaves open, the parent closes. */
static void vforks(void)
{
    for (int i = 0; i < 10; i++) {
        w_vforks();
        EXPECT(!arena_scope_active());
    }
}

/* ---- libraries ------------------------------------------------------------------------------- */

WRAPPED void w_loads(const char *name)
{
    void *block = drawn(90, 19), *library = dlopen(name, RTLD_NOW);
    EXPECT(library != NULL);
    if (library) {
        int (*looped)(int) = (int (*)(int))(uintptr_t)dlsym(library, "p_looped");
        int (*inside)(const char *) = (int (*)(const char *))(uintptr_t)dlsym(library, "p_inside");
        EXPECT(looped && looped(3) == 42);
        EXPECT(inside && inside("text") != 0);
        dlclose(library);
    }
    EXPECT(filled(block, 90, 19));
    free(block);
}

static void loads(void)
{
    for (int i = 0; i < 5; i++)
        w_loads(getenv("PLUGIN"));
}

/* ---- backtraces ------------------------------------------------------------------------------ */

/* Not wrapped; gdb stops here. */
__attribute__((noinline)) void stop_here(void)
{
    __asm__ volatile("");
}

WRAPPED void w_trace(int a, int b, int c, int d, int e, int f, int g, int h)
{
    void *frames[20];
    void *block = drawn(10, (unsigned)(a + b + c + d + e + f + g + h));
    stop_here();
    backtrace_symbols_fd(frames, backtrace(frames, 20), 1);
    free(block);
}

WRAPPED void w_inner(void)
{
    w_trace(1, 2, 3, 4, 5, 6, 7, 8);
    __asm__ volatile("");
}

__attribute__((noinline)) void not_wrapped(void)
{
    w_inner();
    __asm__ volatile("");
}

static void traces(void)
{
    not_wrapped();
    __asm__ volatile("");
}

/* ---- signals --------------------------------------------------------------------------------- */

static unsigned long handled;

WRAPPED void w_in_handler(void)
{
    void *block = drawn(33, 21);
    EXPECT(filled(block, 33, 21));
    free(block);
}

/* Its own block, too, in whatever scope it has interrupted. */
static void count_signal(int signal)
{
    (void)signal;
    int saved = errno;
    void *block = opaque(malloc(44));
    fill(block, 44, 22);
    w_in_handler();
    EXPECT(filled(block, 44, 22));
    free(block);
    __atomic_fetch_add(&handled, 1, __ATOMIC_RELAXED);
    errno = saved;
}

WRAPPED void *w_nested(unsigned seed)
{
    void *block = drawn(25, seed);
    w_plain(seed);
    return block;
}

WRAPPED void w_nests(unsigned seed)
{
    void *block = drawn(20, seed), *inner = w_nested(seed + 3);
    EXPECT(filled(block, 20, seed) && (resets || filled(inner, 25, seed + 3)));
    free(block);
    if (!resets)
        free(inner);
}

static void *calls_a_lot(void *unused)
{
    w_nests(0);
    mask_alarms(SIG_UNBLOCK);
    for (unsigned i = 0; i < 100000; i++)
        w_nests(i);
    mask_alarms(SIG_BLOCK);
    return unused;
}

/* 100,000 times three calls in each of four threads, with a signal every 100 microseconds. */
static void timer_signals(void)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    timer_t timer = start_alarms(count_signal, 100000);
    for (int i = 0; i < THREADS; i++)
        EXPECT(pthread_create(&threads[i], NULL, calls_a_lot, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    timer_delete(timer);
    printf("%lu\n", handled);
}

/* A signal after each instruction; what the handler drew stays for a while. */
static void *kept[64];

static void step(int signal)
{
    void **place = &kept[handled % 64];
    if (*place && !resets) {
        EXPECT(filled(*place, 44, 23));
        free(*place);
    }
    *place = opaque(malloc(44));
    fill(*place, 44, 23);
    w_in_handler();
    handled++;
    (void)signal;
}

WRAPPED void w_stepped(unsigned seed)
{
    void *block = drawn(300, seed), *inner;
    STEP_ON();
    inner = w_nested(seed + 3);
    ARENA_SCOPE("mark")
        w_nests(seed);
    STEP_OFF();
    EXPECT(filled(block, 300, seed) && (resets || filled(inner, 25, seed + 3)));
    free(block);
    if (!resets)
        free(inner);
}

static void every_instruction(void)
{
    on_signal(SIGTRAP, step, 0);
    w_nests(0);
    w_in_handler();
    for (unsigned i = 0; i < 8; i++)
        w_stepped(i);
    printf("%lu\n", handled);
}

/* ---- many ------------------------------------------------------------------------------------ */

#define TEN(X, n) X(n##0) X(n##1) X(n##2) X(n##3) X(n##4) X(n##5) X(n##6) X(n##7) X(n##8) X(n##9)
#define FIFTY(X) TEN(X, 1) TEN(X, 2) TEN(X, 3) TEN(X, 4) TEN(X, 5)
#define DEFINE(n)                                                                                  \
    WRAPPED void w_many_##n(unsigned seed)                                                         \
    {                                                                                              \
        void *block = drawn(30 + seed % 100, seed + n);                                            \
        EXPECT(filled(block, 30 + seed % 100, seed + n));                                          \
        free(block);                                                                               \
    }
#define NAME(n) w_many_##n,

FIFTY(DEFINE)
static void (*const many[])(unsigned seed) = {FIFTY(NAME)};

static pthread_barrier_t all_there;

static void *calls_many(void *unused)
{
    pthread_barrier_wait(&all_there);
    for (unsigned i = 0; i < 200; i++)
        for (size_t k = 0; k < sizeof many / sizeof many[0]; k++)
            many[k](i);
    return unused;
}

/* Each of 64 threads calls each of 50 functions 200 times; the first calls come at once. */
static void many_threads(void)
{
    enum { THREADS = 64 };
    pthread_t threads[THREADS];
    pthread_barrier_init(&all_there, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        EXPECT(pthread_create(&threads[i], NULL, calls_many, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* ---- what begins and ends at random ---------------------------------------------------------- */

/* Blocks that are alive. `dies` is the depth of the scope whose end drops the block, 0: none. */
enum { BLOCKS = 400, DEPTH = 12 };
struct model {
    struct {
        unsigned char *block;
        size_t size;
        unsigned seed, dies;
    } blocks[BLOCKS];
    unsigned count, depth, random;
    unsigned resetting[DEPTH + 2]; /* by depth: that depth in a scope that resets, else 0 */
    unsigned scopes[2];            /* of w_model_retain and w_model_reset */
};

static unsigned any(struct model *model, unsigned below)
{
    model->random = model->random * 1103515245 + 12345;
    return (model->random >> 8) % below;
}

static void take(struct model *model, unsigned i)
{
    EXPECT(filled(model->blocks[i].block, model->blocks[i].size, model->blocks[i].seed));
    model->blocks[i] = model->blocks[--model->count];
}

static void model_draw(struct model *model)
{
    if (model->count == BLOCKS)
        return;
    unsigned i = model->count++, seed = any(model, 256);
    size_t size = any(model, 60) ? any(model, 400) + 1 : any(model, 50000) + 1;
    unsigned char *block = any(model, 4) ? malloc(size) : calloc(1, size);
    fill(opaque(block), size, seed);
    model->blocks[i].block = block;
    model->blocks[i].size = size;
    model->blocks[i].seed = seed;
    model->blocks[i].dies = model->resetting[model->depth];
}

static void model_free(struct model *model)
{
    if (model->count == 0)
        return;
    unsigned i = any(model, model->count);
    void *block = model->blocks[i].block;
    take(model, i);
    free(block);
}

static void model_resize(struct model *model)
{
    if (model->count == 0)
        return;
    unsigned i = any(model, model->count), seed = model->blocks[i].seed;
    size_t size = any(model, 600) + 1, old = model->blocks[i].size;
    unsigned char *block = realloc(model->blocks[i].block, size);
    EXPECT(filled(block, old < size ? old : size, seed));
    fill(opaque(block), size, seed);
    model->blocks[i].block = block;
    model->blocks[i].size = size;
    /* Where it is now depends; the inner of the two scopes ends first. */
    if (model->resetting[model->depth])
        model->blocks[i].dies = model->resetting[model->depth];
}

static void model_step(struct model *model);

static void model_enter(struct model *model, int resetting)
{
    model->depth++;
    model->resetting[model->depth] = resetting ? model->depth : 0;
    for (unsigned steps = any(model, 6); steps > 0; steps--)
        model_step(model);
    for (unsigned i = model->count; i-- > 0;)
        if (model->blocks[i].dies >= model->depth)
            take(model, i);
    model->depth--;
}

WRAPPED void w_model_retain(struct model *model)
{
    model->scopes[0]++;
    model_enter(model, 0);
}

WRAPPED void w_model_reset(struct model *model)
{
    model->scopes[1]++;
    model_enter(model, 1);
}

static void model_pause(struct model *model)
{
    unsigned depth = model->depth, resetting = model->resetting[depth];
    ARENA_SCOPE_PAUSED
    {
        model->resetting[depth] = 0;
        for (unsigned steps = any(model, 6); steps > 0; steps--)
            if (any(model, 2))
                model_draw(model);
            else
                model_free(model);
        model->resetting[depth] = resetting;
    }
}

static void model_step(struct model *model)
{
    unsigned what = any(model, 20);
    if (what < 3 && model->depth < DEPTH)
        w_model_retain(model);
    else if (what < 5 && model->depth < DEPTH)
        w_model_reset(model);
    else if (what < 7 && model->depth < DEPTH)
        ARENA_SCOPE("mark")
            model_enter(model, !getenv("MARKS_RETAIN"));
    else if (what < 8 && model->depth > 0)
        model_pause(model);
    else if (what < 14)
        model_draw(model);
    else if (what < 18)
        model_free(model);
    else
        model_resize(model);
}

static unsigned total[2];

static void *models(void *seed)
{
    static __thread struct model model;
    model.random = (unsigned)(uintptr_t)seed;
    for (unsigned i = 0; i < 20000; i++)
        model_step(&model);
    while (model.count > 0)
        model_free(&model);
    for (int i = 0; i < 2; i++)
        __atomic_fetch_add(&total[i], model.scopes[i], __ATOMIC_RELAXED);
    return NULL;
}

static void at_random(void)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    const char *given = getenv("SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : 1;
    for (unsigned i = 0; i < THREADS; i++)
        EXPECT(pthread_create(&threads[i], NULL, models, (void *)(uintptr_t)(seed * 10 + i)) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("%u %u\n", total[0], total[1]);
}

static const struct test_case cases[] = {
    {"recursion", recursion},
    {"deep_recursion", deep_recursion},
    {"keep_errno", keep_errno},
    {"thread_exit", thread_exit},
    {"cancel", cancel},
    {"call_exit", call_exit},
    {"call_quick_exit", call_quick_exit},
    {"jump_out", jump_out},
    {"jump_out_of_many", jump_out_of_many},
    {"jump_to_a_call", jump_to_a_call},
    {"jump_out_of_marks", jump_out_of_marks},
    {"signal_stacks", signal_stacks},
    {"jump_off_signal_stacks", jump_off_signal_stacks},
    {"signal_room", signal_room},
    {"level_room", level_room},
    {"contexts_take_turns", contexts_take_turns},
    {"one_context", one_context},
    {"other_stacks", other_stacks},
    {"forks", forks},
    {"vforks", vforks},
    {"loads", loads},
    {"traces", traces},
    {"timer_signals", timer_signals},
    {"every_instruction", every_instruction},
    {"many_threads", many_threads},
    {"at_random", at_random},
};

int main(int argc, char **argv)
{
    resets = getenv("WRAPPED_RESET") != NULL;
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}
