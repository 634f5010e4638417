/*
 * A program to look at while it runs: watched WHAT; it ends with its standard input.
 *
 * still    the main thread waits in two scopes, another one in one that has drawn, a third outside
 * fork     a child, whose PID is printed, waits in the scope that its parent has begun
 * busy     two threads open scopes as fast as they can, others come and go
 */
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"

static volatile bool done;
static pthread_barrier_t ready;

static void wait_for_end(void)
{
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
}

static void *wait_in_scope(void *argument)
{
    ARENA_SCOPE("worker") {
        fill(opaque(malloc(5000)), 5000, 1);
        pthread_barrier_wait(&ready);
        wait_for_end();
    }
    return argument;
}

static void *wait_outside(void *argument)
{
    prctl(PR_SET_NAME, "over\x1b[31m\xe9");
    ARENA_SCOPE("over")
        for (int i = 0; i < 10; i++)
            opaque(malloc(100));
    pthread_barrier_wait(&ready);
    wait_for_end();
    return argument;
}

static void still(void)
{
    pthread_t threads[2];
    pthread_barrier_init(&ready, NULL, 3);
    pthread_create(&threads[0], NULL, wait_in_scope, NULL);
    pthread_create(&threads[1], NULL, wait_outside, NULL);
    ARENA_SCOPE("outer \xc3\xa4\n\xc2\x9b\xe2\x80\xae\xe9") {
        opaque(malloc(1000));
        ARENA_SCOPE("inner") {
            for (int i = 0; i < 3; i++)
                opaque(malloc(2000));
            pthread_barrier_wait(&ready);
            puts("ready");
            fflush(stdout);
            ARENA_SCOPE_PAUSED
            wait_for_end();
        }
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

static void *turn(void *argument)
{
    while (!done)
        ARENA_SCOPE("turn")
            for (int i = 0; i < 8; i++)
                opaque(malloc(64));
    return argument;
}

static void *come_and_go(void *argument)
{
    ARENA_SCOPE("short")
        opaque(malloc(64));
    return argument;
}

static void *make_threads(void *argument)
{
    while (!done) {
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
            pthread_create(&threads[i], NULL, come_and_go, NULL);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
    }
    return argument;
}

static void busy(void)
{
    pthread_t threads[3];
    pthread_create(&threads[0], NULL, turn, NULL);
    pthread_create(&threads[1], NULL, turn, NULL);
    pthread_create(&threads[2], NULL, make_threads, NULL);
    puts("ready");
    fflush(stdout);
    wait_for_end();
    done = true;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

static void child(void)
{
    ARENA_SCOPE("forked") {
        pid_t pid = fork();
        if (pid == 0) {
            opaque(malloc(100));
            printf("%d\n", (int)getpid());
            fflush(stdout);
        }
        wait_for_end();
        if (pid == 0)
            _exit(0);
        waitpid(pid, NULL, 0);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "busy") == 0)
        busy();
    else if (argc > 1 && strcmp(argv[1], "fork") == 0)
        child();
    else
        still();
    return expect_failures > 0;
}
