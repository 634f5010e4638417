/* A program to look into: it stops in `stop_here`, in known scopes of two threads. */
#include <pthread.h>

#include "expect.h"

static pthread_barrier_t both;
void *first, *second, *third, *aligned, *stale, *outside, *last, *worker_block, *large, *gone;

__attribute__((noinline)) static void stop_here(void)
{
    __asm__ volatile("" : : : "memory");
}

static void *wait_in_scope(void *argument)
{
    ARENA_SCOPE("worker") {
        worker_block = opaque(malloc(1000));
        pthread_barrier_wait(&both);
        pthread_barrier_wait(&both);
    }
    return argument;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    (void)argv;
    pthread_barrier_init(&both, NULL, 2);
    outside = opaque(malloc(10));
    ARENA_SCOPE("outer") {
        first = opaque(malloc(100));
        opaque(malloc(2000));
        second = opaque(malloc(200));
        ARENA_SCOPE("done") {
            stale = opaque(malloc(5000));
            for (int i = 0; i < 625; i++)
                ((size_t *)stale)[i] = 48; /* looks like a header */
        }
        free(first);
        if (getenv("LARGE")) {
            large = opaque(malloc(150000));
            gone = opaque(malloc(100000));
            free(gone);
        }
        pthread_create(&thread, NULL, wait_in_scope, NULL);
        pthread_barrier_wait(&both);
        ARENA_SCOPE("inner") {
            third = opaque(malloc(50));
            aligned = opaque(aligned_alloc(1024, 300));
            last = opaque(malloc(1));
            ARENA_SCOPE_PAUSED
            stop_here();
            stop_here();
            opaque(malloc(24));
        }
        if (argc > 1)
            abort();
        pthread_barrier_wait(&both);
        pthread_join(thread, NULL);
    }
    puts("works");
    return 0;
}
