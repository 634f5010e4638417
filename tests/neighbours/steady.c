/* Scopes in a steady loop, between two calls of getppid that tell a tracer where it is: steady
 * [THREADS]. */
#include <pthread.h>
#include <unistd.h>

#include "expect.h"

static void *loop(void *argument)
{
    for (int i = 0; i < 3; i++) {
        if (i == 2 && !argument)
            getppid();
        for (unsigned round = 0; round < 500; round++) {
            ARENA_SCOPE("steady") {
                unsigned char *block = opaque(malloc(1000));
                fill(block, 1000, round);
                ARENA_SCOPE("inner")
                    fill(opaque(calloc(1, 5000)), 5000, round);
                ARENA_SCOPE_PAUSED
                arena_scope_active();
                free(opaque(realloc(block, 3000)));
            }
        }
        if (i == 2 && !argument)
            getppid();
    }
    return argument;
}

int main(int argc, char **argv)
{
    pthread_t threads[4];
    int count = argc > 1 ? atoi(argv[1]) : 0;
    for (int i = 0; i < count && i < 4; i++)
        EXPECT(pthread_create(&threads[i], NULL, loop, argv) == 0);
    for (int i = 0; i < count && i < 4; i++)
        pthread_join(threads[i], NULL);
    loop(NULL);
    puts("works");
    return expect_failures > 0;
}
