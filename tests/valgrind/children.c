/* Forked children, of which each does one thing wrong, or none: children CASE. */
#include <arenashim/scope.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_barrier_t barrier;

/* What only this thread knows is no leak of a child in which it does not exist. */
static void *hold(void *unused)
{
    char *volatile block = malloc(100);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    free(block);
    return unused;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    int *volatile stale = NULL;
    arena_scope_token token;
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, hold, NULL);
    pthread_barrier_wait(&barrier);
    ARENA_SCOPE("query") {
        stale = malloc(sizeof *stale);
        *stale = 5;
    }
    pid_t child = fork();
    if (child == 0) {
        if (strcmp(name, "stale") == 0 || strcmp(name, "killed") == 0)
            printf("%d\n", *stale);
        if (strcmp(name, "killed") == 0)
            raise(SIGKILL);
        token = arena_scope_begin(NULL);
        free(malloc(10));
        if (strcmp(name, "left_open") != 0)
            arena_scope_end(token);
        if (strcmp(name, "misuse") == 0)
            arena_scope_end(token);
        exit(0);
    }
    waitpid(child, NULL, 0);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    return 0;
}
