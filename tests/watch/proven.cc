// Draws and frees known numbers of blocks in functions that are proven: one case per argument.
#include <csetjmp>
#include <cstdlib>
#include <cstring>
#include <pthread.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define FUNCTION extern "C" __attribute__((noinline, noclone, noipa))

static void *volatile kept;
static jmp_buf back;
static ucontext_t here, there;

FUNCTION void *factory(size_t size)
{
    return malloc(size);
}

FUNCTION void caller()
{
    free(factory(10));
}

FUNCTION void two_up()
{
    caller();
    void *block = factory(6);
    free(block);
}

FUNCTION void callee(void *block)
{
    free(block);
}

// Frees what the turn before has drawn.
FUNCTION void turn()
{
    free(kept);
    kept = malloc(20);
}

FUNCTION void forget()
{
    kept = malloc(24);
}

FUNCTION int itself(int depth)
{
    void *block = malloc(8);
    int sum = depth > 0 ? itself(depth - 1) + 1 : 0;
    free(block);
    return sum;
}

FUNCTION int pong(int depth);

FUNCTION int ping(int depth)
{
    void *block = malloc(8);
    int sum = depth > 0 ? pong(depth - 1) + 1 : 0;
    free(block);
    return sum;
}

FUNCTION int pong(int depth)
{
    void *block = malloc(4);
    int sum = depth > 0 ? ping(depth - 1) + 1 : 0;
    free(block);
    return sum;
}

FUNCTION void grow()
{
    void *block = malloc(16);
    for (size_t size = 32; size <= 4096; size *= 2)
        block = realloc(block, size);
    free(block);
}

FUNCTION void jump()
{
    kept = malloc(30);
    longjmp(back, 1);
}

FUNCTION void after()
{
    kept = realloc(kept, 0);
}

FUNCTION void thrower()
{
    void *block = malloc(12);
    if (kept == nullptr)
        throw 1;
    free(block);
}

FUNCTION void catcher()
{
    try {
        thrower();
    } catch (int) {
    }
}

FUNCTION void *free_it(void *block)
{
    free(block);
    return nullptr;
}

FUNCTION void hand_over()
{
    pthread_t thread;
    void *block = malloc(40);
    pthread_create(&thread, nullptr, free_it, block);
    pthread_join(thread, nullptr);
}

FUNCTION void *leave_thread(void *argument)
{
    kept = malloc(50);
    if (argument)
        pthread_exit(argument);
    return nullptr;
}

FUNCTION void often()
{
    free(malloc(1));
}

FUNCTION void *work(void *argument)
{
    for (int i = 0; i < 10000; i++) {
        caller();
        grow();
    }
    return argument;
}

FUNCTION void split()
{
    void *before = malloc(60);
    pid_t child = fork();
    void *behind = malloc(70);
    free(before);
    free(behind);
    if (child == 0)
        return;
    waitpid(child, nullptr, 0);
}

FUNCTION void suspended()
{
    void *block = malloc(80);
    swapcontext(&there, &here);
    free(block);
}

static void coroutine()
{
    suspended();
    swapcontext(&there, &here);
}

static void run_coroutine(char *stack)
{
    getcontext(&there);
    there.uc_stack.ss_sp = stack;
    there.uc_stack.ss_size = 65536;
    there.uc_link = nullptr;
    makecontext(&there, coroutine, 0);
    swapcontext(&here, &there);
    caller();
    swapcontext(&here, &there);
}

static void run_threads(int count, void *(*function)(void *))
{
    pthread_t threads[64];
    for (int i = 0; i < count; i++)
        pthread_create(&threads[i], nullptr, function, &threads[i]);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], nullptr);
}

// Each function begins once inside of the other one.
FUNCTION void inner(int depth);

FUNCTION void outer(int depth)
{
    void *block = malloc(3);
    if (depth > 0)
        inner(depth - 1);
    free(block);
}

FUNCTION void inner(int depth)
{
    void *block = malloc(5);
    if (depth > 0)
        outer(depth - 1);
    free(block);
}

static void run(const char *name, int i)
{
    static char stack[65536];
    if (strcmp(name, "simple") == 0) {
        caller();
        callee(factory(10));
        turn();
        grow();
    } else if (strcmp(name, "two_up") == 0) {
        two_up();
    } else if (strcmp(name, "never") == 0) {
        forget();
    } else if (strcmp(name, "recursion") == 0) {
        itself(9);
        ping(9);
    } else if (strcmp(name, "nested") == 0) {
        if (i % 2 == 0)
            outer(1);
        else
            inner(1);
    } else if (strcmp(name, "jump") == 0) {
        if (setjmp(back) == 0)
            jump();
        after();
    } else if (strcmp(name, "thrown") == 0) {
        catcher();
    } else if (strcmp(name, "foreign") == 0) {
        hand_over();
    } else if (strcmp(name, "exit") == 0) {
        run_threads(1, leave_thread);
    } else if (strcmp(name, "coroutine") == 0) {
        run_coroutine(stack);
    }
}

static void *leave_first(void *argument)
{
    pthread_exit(argument);
}

int main(int argc, char **argv)
{
    // What the C library allocates for a first thread, and for its end.
    run_threads(1, leave_first);
    const char *name = argc > 1 ? argv[1] : "";
    for (volatile int i = 0; i < 100; i = i + 1)
        run(name, i);
    if (strcmp(name, "often") == 0)
        for (int i = atoi(getenv("OFTEN")); i > 0; i--)
            often();
    if (strcmp(name, "once") == 0)
        work(nullptr);
    if (strcmp(name, "threads") == 0)
        run_threads(8, work);
    if (strcmp(name, "many_threads") == 0)
        for (int i = 0; i < 10; i++)
            run_threads(64, leave_thread);
    if (strcmp(name, "fork") == 0)
        split();
    return 0;
}
