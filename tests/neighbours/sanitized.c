/* A host program for the sanitizers: sanitized CASE. */
#include <pthread.h>

#include "expect.h"

static void *work(void *argument)
{
    for (unsigned i = 0; i < 50; i++) {
        ARENA_SCOPE("work") {
            unsigned char *first = opaque(malloc(100));
            unsigned char *second = opaque(calloc(10, 10));
            EXPECT(zeroed(second, 100));
            fill(first, 100, i);
            second = opaque(realloc(second, 1000));
            EXPECT(filled(first, 100, i));
            free(first);
            free(second);
        }
    }
    return argument;
}

static void works(void)
{
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, work, NULL) == 0);
    work(NULL);
    pthread_join(thread, NULL);
    puts("works");
}

/* A block outside the arena that only a block of an open scope leads to is no leak. */
static void led_to(void)
{
    static void **from;
    arena_scope_begin(NULL);
    from = opaque(malloc(sizeof *from));
    ARENA_SCOPE_PAUSED
    *from = opaque(malloc(1234));
    exit(0);
}

static void leak(void)
{
    ARENA_SCOPE("no leak")
        opaque(malloc(77));
    opaque(malloc(1234));
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"works", works},
        {"led_to", led_to},
        {"leak", leak},
    };
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}
