/*
 * Signals that interrupt a test program: after every instruction, or by a timer. _exit(77) where
 * that is not to be had.
 */
#ifndef TESTS_PRELOAD_INTERRUPT_H
#define TESTS_PRELOAD_INTERRUPT_H

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

/* Between these comes SIGTRAP after each instruction, by the processor's trap flag. The red zone
 * below the stack pointer is the compiler's. */
#ifdef __x86_64__
#define STEP(change)                                                                               \
    __asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\t" change "\n\tpopfq\n\t"                 \
                     "lea 128(%%rsp), %%rsp"                                                       \
                     :                                                                             \
                     :                                                                             \
                     : "memory", "cc")
#define STEP_ON() STEP("orq $0x100, (%%rsp)")
#define STEP_OFF() STEP("andq $~0x100, (%%rsp)")
#else
#define STEP_ON() _exit(77)
#define STEP_OFF() ((void)0)
#endif

static inline void on_signal(int number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigaction(number, &action, NULL);
}

/* SIG_UNBLOCK lets the calling thread's alarms come in, SIG_BLOCK makes them wait. */
static inline void mask_alarms(int how)
{
    sigset_t alarms;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    pthread_sigmask(how, &alarms, NULL);
}

/* SIGALRM every `interval` nanoseconds, until timer_delete; blocked as yet. */
static inline timer_t start_alarms(void (*handler)(int), long interval)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    struct itimerspec often = {{0, interval}, {0, interval}};
    on_signal(SIGALRM, handler, 0);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
        _exit(77);
    mask_alarms(SIG_BLOCK);
    timer_settime(timer, 0, &often, NULL);
    return timer;
}

#endif
