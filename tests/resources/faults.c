/*
 * A program that does everything for which the shim calls the system: scopes, growth, threads that
 * come and go, forks, keep, statistics. It prints the same sum and exits with 7, whether its calls
 * are routed or not.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"

static unsigned long sum;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void add(unsigned long number)
{
    pthread_mutex_lock(&lock);
    sum += number;
    pthread_mutex_unlock(&lock);
}

/* Draws zeroed blocks of `size` bytes, fills them, and looks again when all are there. */
static void draw(int blocks, size_t size, unsigned seed)
{
    unsigned char *drawn[64];
    for (int i = 0; i < blocks; i++) {
        drawn[i] = opaque(calloc(1, size));
        EXPECT(drawn[i] && zeroed(drawn[i], size));
        fill(drawn[i], size, seed + (unsigned)i);
    }
    for (int i = 0; i < blocks; i++) {
        EXPECT(filled(drawn[i], size, seed + (unsigned)i));
        add(drawn[i][size - 1]);
    }
    for (int i = blocks - 1; i >= 0; i -= 2)
        free(drawn[i]);
}

static void resize(void)
{
    ARENA_SCOPE("resize") {
        unsigned char *block = NULL;
        for (size_t size = 1000; size < 40000; size *= 3) {
            block = opaque(realloc(block, size));
            EXPECT(block && (size == 1000 || filled(block, size / 3, 1)));
            fill(block, size, 1);
        }
        block = opaque(realloc(block, 100));
        EXPECT(filled(block, 100, 1));
        void *aligned = NULL;
        EXPECT(posix_memalign(&aligned, 256, 1000) == 0 && (uintptr_t)aligned % 256 == 0);
        fill(aligned, 1000, 2);
        EXPECT(filled(aligned, 1000, 2) && filled(block, 100, 1));
        add(block[99]);
        /* Where scopes retain the first moves with its pages: the second is in its way. */
        unsigned char *first = opaque(malloc(5000000)), *second = opaque(malloc(5000000));
        fill(first, 5000000, 4);
        fill(second, 5000000, 5);
        first = opaque(realloc(first, 8000000));
        EXPECT(first && filled(first, 5000000, 4) && filled(second, 5000000, 5));
        fill(first, 8000000, 6);
        EXPECT(filled(second, 5000000, 5));
        add(first[7999999]);
    }
}

/* Twice: what the first scope wrote must not shine through in the second. */
static void grow(void)
{
    for (unsigned round = 0; round < 2; round++)
        ARENA_SCOPE("grow") {
            draw(12, 2 << 10, round);
            ARENA_SCOPE("inner") {
                draw(3, 2 << 10, round);
            }
            draw(5, 1000, round);
        }
}

static void keep(void)
{
    unsigned char *kept = NULL;
    ARENA_SCOPE("keep") {
        unsigned char *block = opaque(malloc(5000));
        fill(block, 5000, 3);
        kept = opaque(arena_scope_keep(block));
    }
    draw(3, 5000, 4);
    EXPECT(kept && filled(kept, 5000, 3));
    add(kept[4999]);
    free(kept);
}

static void *work(void *argument)
{
    for (int round = 0; round < 2; round++)
        ARENA_SCOPE("work")
            draw(10, 900, (unsigned)(uintptr_t)argument);
    return argument;
}

/* Exits with the scope open. */
static void *leave(void *argument)
{
    arena_scope_begin(NULL);
    draw(10, 900, (unsigned)(uintptr_t)argument);
    return argument;
}

static void run(int threads, void *(*body)(void *))
{
    pthread_t all[8];
    for (uintptr_t i = 0; i < (uintptr_t)threads; i++)
        EXPECT(pthread_create(&all[i], NULL, body, (void *)i) == 0);
    for (int i = 0; i < threads; i++)
        pthread_join(all[i], NULL);
}

static pthread_barrier_t barrier;

static void *wait_in_scope(void *argument)
{
    ARENA_SCOPE("waiting") {
        draw(5, 900, 5);
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
        draw(5, 900, 6);
    }
    return argument;
}

/* Forks in a scope while another thread has one. The first child leaves without much ado, the
 * second as a program does. */
static void fork_in_scope(void)
{
    pthread_t other;
    pthread_barrier_init(&barrier, NULL, 2);
    EXPECT(pthread_create(&other, NULL, wait_in_scope, NULL) == 0);
    pthread_barrier_wait(&barrier);
    for (int round = 0; round < 2; round++)
        ARENA_SCOPE("forking") {
            unsigned char *block = opaque(malloc(1000));
            fill(block, 1000, 1);
            pid_t child = fork();
            if (child == 0) {
                draw(5, 2000, 2);
                EXPECT(filled(block, 1000, 1));
                run(2, work);
                grow();
                if (round == 0)
                    _exit(expect_failures > 0);
                exit(expect_failures > 0);
            }
            int status = 1;
            EXPECT(child > 0 && waitpid(child, &status, 0) == child && status == 0);
            EXPECT(filled(block, 1000, 1));
        }
    pthread_barrier_wait(&barrier);
    pthread_join(other, NULL);
}

static void print_statistics(void)
{
    int file = open("/dev/null", O_WRONLY);
    arenashim_stats_print(file);
    close(file);
}

int main(void)
{
    ARENA_SCOPE("first")
        draw(10, 500, 1);
    resize();
    grow();
    keep();
    run(1, work);
    run(1, leave);
    run(4, work);
    fork_in_scope();
    grow();
    malloc_trim(0);
    grow();
    print_statistics();
    printf("sum %lu\n", sum);
    return fflush(stdout) == 0 && expect_failures == 0 ? 7 : 1;
}
