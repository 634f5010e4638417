/* A function that ends in a jump to malloc: the return address is not in its own module. */
#include <pthread.h>
#include <signal.h>

#include "expect.h"

#define STACK_BYTES ((size_t)1 << 16)

__attribute__((noinline)) void *w_tail(size_t size)
{
    return malloc(size);
}

static void on_signal(int signal)
{
    (void)signal;
    free(opaque(w_tail(100)));
}

/* The same on a signal stack that lies above the thread's, inside a wrapped call of the latter. */
__attribute__((noinline)) void w_outer(void *signal_stack)
{
    stack_t stack = {.ss_size = STACK_BYTES, .ss_sp = signal_stack};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    sigaltstack(&stack, NULL);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    free(opaque(malloc(10)));
}

static void *on_signal_stack(void *signal_stack)
{
    w_outer(signal_stack);
    return NULL;
}

int main(void)
{
    char signal_stack[STACK_BYTES];
    pthread_t thread;
    for (int i = 0; i < 98; i++)
        free(opaque(w_tail(100)));
    pthread_create(&thread, NULL, on_signal_stack, signal_stack);
    pthread_join(thread, NULL);
    puts("works");
    return 0;
}
